"""The three faults of a module's PART, and its twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.detection.matrix import Matrix, in_order
from tests.detection.parts import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The faults of the module's PART that are tried whenever the tests are."""
    if "fault_class" in metafunc.fixturenames:
        part = PARTS[metafunc.module.PART]
        tried = in_order([fault for fault in part.faults if fault.name in part.live])
        assert len(tried) == len(part.live), f"not a fault of {part.name}: {part.live}"
        metafunc.parametrize("fault_class", tried, ids=lambda fault: str(fault.name))


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """A twin that was seen green, and ends green."""
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSVERIFY_STATE", str(folder / "state"))
        made = Matrix(PARTS[request.module.PART], folder, "no")
        yield made
        made.end()
