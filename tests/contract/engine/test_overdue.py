"""A check that is red for longer than its severity allows, wherever it is read."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.contract.engine.lamp_canary import Canary
from tests.contract.engine.sinks import sinks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.engine.project import Project, Ran

pytestmark = pytest.mark.slow


class Overdue(NamedTuple):
    """A run after a check was red for longer than its severity allows, the next, and what each reader was told by them."""

    runs: list[Ran]
    hook: list[list[Any]]
    slack: list[list[Any]]


def _overdue(project: Project) -> Overdue:
    with sinks() as served:
        canary = Canary(project, served)
        project.answer("bulb", value=0)
        for _ in range(3):
            canary.run()
        _some_hours_later(project)
        served.received.clear()
        runs, hook, slack = [], [], []
        for value in (0, 0, 100):
            project.answer("bulb", value=value)
            runs.append(canary.run())
            hook.append(served.at("/hook"))
            slack.append(served.at("/slack/secret-path-0123456789"))
        return Overdue(runs, hook, slack)


def _some_hours_later(project: Project) -> None:
    """As if what is red had been so for five hours, and everybody had last been told of it two hours ago."""
    red, told = (str(datetime.now(UTC) - timedelta(hours=hours)).replace(" ", "T") for hours in (5, 2))
    with closing(sqlite3.connect(project.state / "history.sqlite")) as history, history:
        history.execute("UPDATE opsverify_standings SET red_since = ? WHERE red_since IS NOT NULL", (red,))
        history.execute("UPDATE opsverify_told SET at = ?", (told,))


RUNS = {"overdue": _overdue}


def test_what_is_red_too_long_is_overdue(left_by: Callable[[str], Overdue]) -> None:
    """A check past its severity's time says OVERDUE and whom to escalate to, wherever it is read, and no longer than it is red."""
    late, _, over = left_by("overdue").runs
    assert re.search(r"OVERDUE P1 L-BLB-1 .*: red since 20.* \(4 h\); escalate to #porch", late.stdout)
    assert re.search(
        r"\*\*OVERDUE P1 L-BLB-1 .*escalate to #porch\*\*", (late.folder / "summary.md").read_text()
    )
    assert '<span class="pill OVERDUE">OVERDUE</span> resolution was due by' in late.html
    assert "<strong>escalate to #porch</strong>" in late.html
    assert "OVERDUE" not in over.stdout


def test_becoming_overdue_is_told_at_once(left_by: Callable[[str], Overdue]) -> None:
    """Whoever was told of the trouble hears once more when its time is over, before the next reminder would be due."""
    overdue = left_by("overdue")
    assert [len(bodies) for bodies in overdue.hook] == [1, 0, 0]
    notice = next(n for n in overdue.hook[0][0]["notices"] if n["check"] == "L-BLB-1")
    assert notice["headline"].startswith("P1 DOWN OVERDUE, still: L-BLB-1")
    assert notice["overdue"].endswith("escalate to #porch")
    assert "overdue: since" in overdue.slack[0][0]["text"]
