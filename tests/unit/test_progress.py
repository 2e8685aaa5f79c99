"""What a terminal shows of a run: what is awaited, each subsystem, the next command; and nothing where there is none."""

from __future__ import annotations

import io
from datetime import timedelta

from opsverify.model.deadline import Deadline, seconds
from opsverify.model.observation import ObservationSpec
from opsverify.model.verdict import Severity, Verdict
from opsverify.report.model import CheckResult, Tied
from opsverify.report.terminal import next_command, summary
from opsverify.report.watching import Screen
from opsverify.run.progress import wait_line
from tests.unit.reports import report


async def _look(_client: object) -> int:
    return 1


def spec(name: str, *surfaces: str) -> ObservationSpec:
    """An observation of these surfaces."""
    return ObservationSpec(name=name, system="lamp", surfaces=surfaces, deadline=seconds(5), function=_look)


def check(verdict: Verdict, *, gated: bool = True, alert: str = "", subsystem: str = "bulb") -> CheckResult:
    """A check that was judged so."""
    return CheckResult(
        id="L-BLB-1",
        row="L-BLB-1",
        name="the bulb shines",
        promise="The bulb shines.",
        system="lamp",
        subsystem=subsystem,
        severity=Severity.P1,
        verdict=verdict,
        reason="r",
        gated=gated,
        alert=alert,
        again="pytest again",
        nodeid=f"{subsystem}::{verdict}",
    )


def test_each_endpoint_is_awaited_once_against_its_longest_deadline() -> None:
    """Two observations of one endpoint are one entry, with the later deadline; the line fits the terminal."""
    flights = [
        (spec("a", "bulb"), Deadline(seconds(5))),
        (spec("b", "bulb"), Deadline(seconds(20))),
        (spec("c", "switch"), Deadline(seconds(7))),
    ]
    assert wait_line(flights, 80) == "awaiting lamp.bulb 0 of 20 s · lamp.switch 0 of 7 s"
    assert len(wait_line(flights, 20)) < 20
    assert wait_line([], 80) == ""


def test_many_endpoints_are_counted() -> None:
    """More endpoints than fit are counted, never listed."""
    flights = [(spec(f"o{n}", f"surface{n}"), Deadline(seconds(n + 1))) for n in range(9)]
    line = wait_line(flights, 400)
    assert line.startswith("awaiting lamp.surface8 0 of 9 s")
    assert line.endswith("and 5 more")


def test_one_line_for_each_subsystem_worst_first() -> None:
    """The summary has each subsystem once, worst first, with its counts."""
    checks = (
        check(Verdict.PASS),
        check(Verdict.PASS, subsystem="switch"),
        check(Verdict.FAIL, subsystem="switch"),
    )
    lines = [text for text, _ in summary(report().model_copy(update={"checks": checks}), {})]
    first = lines.index("  FAIL    lamp · switch: 1 FAIL, 1 PASS")
    assert lines[first + 1] == "  PASS    lamp · bulb: 1 PASS"


def test_the_next_command_fits_the_end() -> None:
    """A red run leads to its incident or the check, a blind one to the preflight, a vacuous one to the plan, a green
    incident to a watch; a green run to nothing.
    """
    base = report()

    def after(status: int, *checks: CheckResult, **more: object) -> str:
        return next_command(base.model_copy(update={"exit_status": status, "checks": checks, **more}))

    assert after(0) == ""
    assert after(0, check(Verdict.PASS)) == ""
    told = after(10, check(Verdict.FAIL, alert="LampDark"))
    assert told == "pytest --incident LampDark --target live.toml --baseline last-green"
    assert after(10, check(Verdict.FAIL)) == "pytest --explain L-BLB-1"
    assert "--profile smoke --preflight" in after(12, check(Verdict.UNKNOWN))
    assert "--profile smoke --plan" in after(13, check(Verdict.PASS))
    incident = Tied(alert="LampDark", tied=("L-BLB-1",))
    assert "--watch 24h" in after(0, check(Verdict.PASS), incident=incident)
    assert after(10, check(Verdict.FAIL, alert="LampDark"), incident=incident) == "pytest --explain L-BLB-1"
    assert after(10, check(Verdict.FAIL, alert="x"), kind="replay") == "pytest --explain L-BLB-1"


def test_a_watch_is_quiet_where_there_is_no_terminal() -> None:
    """Without a terminal a watch writes whole lines only: no escape, no carriage return, nothing between rounds."""
    stream = io.StringIO()
    screen = Screen(stream, timedelta(hours=24), timedelta(minutes=5))
    screen.round_started(1)
    screen.waiting(timedelta(seconds=9), timedelta(hours=1), "recovered")
    assert stream.getvalue() == ""
