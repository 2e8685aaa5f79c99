"""One twin for each part of the matrix, and which of its faults are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.detection.matrix import Matrix, in_order
from tests.detection.parts import PARTS
from tests.detection.recordings import stale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.model.fault import Fault


def pytest_addoption(parser: pytest.Parser) -> None:
    """What is recorded."""
    group = parser.getgroup("detection matrix")
    group.addoption(
        "--stale", action="store_true", help="only faults whose recording is stale; record them anew"
    )
    group.addoption("--record", action="store_true", help="record anew whatever is tried")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each fault of the module's PART, in such an order that the next look shows that the last fault was undone."""
    if "fault_class" not in metafunc.fixturenames or not hasattr(metafunc.module, "PART"):
        return
    part = PARTS[metafunc.module.PART]
    faults: list[type[Fault] | None] = [*in_order(getattr(metafunc.module, "FAULTS", part.faults))]
    if metafunc.config.getoption("stale"):
        faults = [fault for fault in faults if stale(part, fault)]
        if not faults and stale(part, None):
            faults = [None]
    metafunc.parametrize("fault_class", faults, ids=lambda fault: fault.name if fault else "healthy")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Nothing of a whole run is recorded."""
    if config.getoption("stale"):
        whole = [item for item in items if item.path.stem == "test_whole_runs"]
        config.hook.pytest_deselected(items=whole)
        items[:] = [item for item in items if item not in whole]


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """A twin for all faults of a part, which ends green."""
    options = request.config
    record = "all" if options.getoption("record") else "stale" if options.getoption("stale") else "no"
    folder = tmp_path_factory.mktemp("matrix")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSVERIFY_STATE", str(folder / "state"))
        made = Matrix(PARTS[request.module.PART], folder, record)
        yield made
        made.end()
