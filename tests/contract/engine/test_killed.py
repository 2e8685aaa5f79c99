"""A run that is killed loses nothing that was finished."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.engine.project import Project, Ran

LIVE = ("--profile", "smoke", "--target", "live")


class Ended(NamedTuple):
    """A run that was ended in the middle, what its ledger held then, and a run of the project after it."""

    ran: Ran
    ledger: list[dict[str, Any]]
    after: Ran | None = None


def _killed(project: Project) -> Ended:
    project.answer("bulb", value=100, delay=15)
    running = project.start(*LIVE)
    running.until_journal_says('"name": "lever"')
    running.process.send_signal(signal.SIGKILL)
    killed = running.ended()
    project.answer("bulb", value=100)
    return Ended(killed, [], project.run(*LIVE))


def _drill(number: signal.Signals) -> Callable[[Project], Ended]:
    def act(project: Project) -> Ended:
        project.check(
            "L-REC-3",
            "await drill.inject(Dark(drill.site.arming, drill.twin))\nawait asyncio.sleep(15)",
            profiles="drill",
            takes="drill",
            decorate="import asyncio\nfrom lamp_faults import Dark",
            drill=True,
        )
        running = project.start("--profile", "drill", "-k", "l_rec_3")
        running.until_journal_says('"title": "dark"')
        running.process.send_signal(number)
        ran = running.ended()
        return Ended(
            ran,
            [
                change
                for p in (project.state / "ledger").glob("*.json")
                for change in json.loads(p.read_bytes())
            ],
        )

    return act


INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RUNS: dict[str, Callable[[Project], Ended]] = {
    "killed": _killed,
    **{n.name: _drill(n) for n in (signal.SIGKILL, *INTERRUPTS)},
}


def test_a_killed_run_leaves_a_readable_journal(left_by: Callable[[str], Ended]) -> None:
    """After SIGKILL every line of the journal is whole, and the target can be looked at again at once."""
    killed = left_by("killed")
    assert killed.ran.code == -signal.SIGKILL
    assert [r["kind"] for r in killed.ran.journal] == ["run", "observation"]
    assert killed.after is not None
    assert killed.after.code == 0


def test_a_killed_drill_is_known_by_its_ledger(left_by: Callable[[str], Ended]) -> None:
    """A drill that is killed while its fault is in force has written it down."""
    killed = left_by("SIGKILL")
    assert killed.ran.code == -signal.SIGKILL
    assert [(c["name"], c["before"], c["left"]) for c in killed.ledger] == [("dark", "100", "0")]


@pytest.mark.parametrize("number", INTERRUPTS)
def test_a_drill_that_is_interrupted_is_undone(
    number: signal.Signals, left_by: Callable[[str], Ended]
) -> None:
    """An interrupt in the middle of a drill undoes the fault, strikes it out of the ledger, and says what
    was done.
    """
    ended = left_by(number.name)
    assert ended.ran.code == 2
    steps = [(r["phase"], r["title"]) for r in ended.ran.journal if r["kind"] == "step"]
    assert steps[-1] == ("undo", "dark")
    assert ended.ledger == []
