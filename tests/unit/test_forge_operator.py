"""The forge's actions: on a live target a person is told the exact lines; nothing that is no blueprint becomes a path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from opsverify.model.arming import Arming, NotArmed
from opsverify.model.operator import ByHand
from systems.esper.operator import EsperOperator
from systems.esper.section import EsperSection

if TYPE_CHECKING:
    from systems.esper.client import EsperClient

ACTIONS = ("run_forge", "remove_artifact", "drop_library_row")


def live(*armed: str) -> EsperOperator:
    """Build the operator of a live target that arms these actions."""
    arming = Arming(
        target="lab",
        owned=False,
        actions=frozenset(armed),
        faults=frozenset(),
        expires=datetime.now(UTC) + timedelta(hours=1),
        confirmed=True,
    )
    section = EsperSection.model_validate({"files": {"host": "local://", "root": "/srv/esper lite"}})
    return EsperOperator(section, cast("EsperClient", None), arming)


async def test_a_live_forge_is_run_by_a_person() -> None:
    """The lines of the runbook come back with the target's own paths."""
    with pytest.raises(ByHand) as told:
        await live("run_forge").run_forge()
    lines = str(told.value).splitlines()
    assert "in /srv/esper lite, with the program's Python:" in lines[0]
    assert "library = UrzaLibrary(root=Path('var/urza'))" in lines
    assert lines[-1].endswith("wal_path=Path('var/urza/forge_wal.json')).run()")
    compile("\n".join(lines[1:]), "told", "exec")


async def test_what_a_person_does_to_files_is_told_quoted() -> None:
    """The commands name artifact and row, quoted, and keep a copy of the library."""
    with pytest.raises(
        ByHand, match=r"rm -- '/srv/esper lite/var/urza/BP014.pt' '/srv/esper lite/var/artifacts/"
    ):
        await live("remove_artifact").remove_artifact("BP014")
    with pytest.raises(ByHand, match=r"cp '/srv/.*catalog.db' '/srv/.*catalog.db'.before && .*BP014"):
        await live("drop_library_row").drop_library_row("BP014")


@pytest.mark.parametrize("odd", ["", "BP14", "../BP014", "BP014' OR 1=1 --", "BP014.pt", "BP014\n"])
@pytest.mark.parametrize("name", ACTIONS[1:])
async def test_nothing_but_a_blueprint_is_acted_on(name: str, odd: str) -> None:
    """What is no blueprint id becomes neither a path nor a statement."""
    with pytest.raises(ValueError, match="is not a blueprint id"):
        await getattr(live(name), name)(odd)


@pytest.mark.parametrize("name", ACTIONS)
async def test_each_action_is_armed_on_its_own(name: str) -> None:
    """An action that the target does not name is refused, whatever else it arms."""
    others = [other for other in ACTIONS if other != name]
    arguments = () if name == "run_forge" else ("BP014",)
    with pytest.raises(NotArmed):
        await getattr(live(*others), name)(*arguments)
