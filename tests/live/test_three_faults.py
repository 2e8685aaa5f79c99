"""Each system live: everything is green in health, and three faults turn exactly their checks. `tox run -e detection` has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.detection.matrix import Matrix
from tests.detection.parts import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.fault import Fault

TRIED = [(part.name, fault) for part in PARTS.values() for fault in part.faults if fault.name in part.live]


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """One system's twin, stopped before that of the next one starts."""
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSVERIFY_STATE", str(folder / "state"))
        made = Matrix(PARTS[request.param], folder, "no")
        yield made
        made.end()


@pytest.mark.parametrize(
    ("matrix", "fault_class"),
    TRIED,
    indirect=["matrix"],
    ids=[f"{part}-{fault.name}" for part, fault in TRIED],
)
def test_exactly_the_checks_of_a_fault_turn(matrix: Matrix, fault_class: type[Fault]) -> None:
    """In health all is green; with the fault in force its checks are not, and every other one is."""
    matrix.turn(fault_class)


def test_there_are_three_of_each_system() -> None:
    """No name of a fault that is gone stands among those that are tried."""
    assert {name: len(part.live) for name, part in PARTS.items() if part.live} == {
        name: sum(of == name for of, _ in TRIED) for name, part in PARTS.items() if part.live
    }
