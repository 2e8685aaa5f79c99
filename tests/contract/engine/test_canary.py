"""A canary over many runs: it goes down and comes back, and tells whoever has to know, once."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.contract.engine.holding import held
from tests.contract.engine.lamp_canary import CANARY, TOKEN, Canary
from tests.contract.engine.sinks import Sinks, sinks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.engine.project import Project, Ran


class Moment(NamedTuple):
    """What one run of a story left: itself, who was told what, and the last success that the metrics name."""

    ran: Ran
    hook: list[Any]
    slack: list[Any]
    pager: list[Any]
    pings: int
    success: float

    @property
    def told(self) -> list[str]:
        """What the webhook was told: check and state."""
        return [f"{n['check']} {n['state']}" for body in self.hook for n in body["notices"]]


def _there_and_back(project: Project) -> list[Moment]:
    moments = []
    with sinks() as served:
        canary = Canary(project, served)
        for value in (100, 100, 0, 0, 0, 0, 100, 100):
            project.answer("bulb", value=value)
            ran = canary.run()
            moments.append(
                Moment(
                    ran,
                    served.at("/hook"),
                    served.at("/slack/secret-path-0123456789"),
                    served.at("/pager"),
                    len(served.at("/ping")),
                    canary.metrics()["opsverify_last_success_timestamp_seconds"],
                )
            )
    return moments


def _p0(project: Project) -> list[Ran]:
    with sinks() as served:
        canary = Canary(project, served, confirm=4)
        first = [canary.run() for _ in range(2)]
        project.answer("switch", value="off")
        running = project.start(*CANARY, env=canary.env)
        running.until_journal_says('"name": "lever"')
        project.answer("switch", value="on")
        recovered = running.ended()
        Canary(project, served)
        project.answer("switch", value="off")
        return [*first, recovered, canary.run()]


def _p0_gone(project: Project) -> list[Ran]:
    found = "Finding(holds=brightness.value.value > 0, reason='dark', expected='light', observed='none')"
    project.check("L-BLB-9", f"verify({found})", severity="P0", profiles="canary", takes="brightness")
    with sinks() as served:
        canary = Canary(project, served, confirm=4)
        project.answer("bulb", value=0)
        running = project.start(*CANARY, env=canary.env)
        running.until_journal_says('"name": "which_bulb"')  # seen again last: the first sample is complete
        project.answer("bulb", **{"raise": "refused"})
        gone = running.ended()
        return [gone, project.run("--replay", str(gone.folder))]


class Busy(NamedTuple):
    """Runs that found the target busy, one after; what the webhook was told by each; pings, and the metrics file."""

    runs: list[Ran]
    told: list[list[str]]
    pings: int
    metrics: list[float]


def _told(served: Sinks) -> list[str]:
    return [f"{n['check']} {n['state']}" for body in served.at("/hook") for n in body["notices"]]


def _busy(project: Project) -> Busy:
    with sinks() as served:
        canary = Canary(project, served)
        canary.run()
        before = canary.metrics()["opsverify_last_run_timestamp_seconds"]
        served.received.clear()
        runs, told = [], []
        with held(project, canary.env):
            for more in ((), (), ("--if-busy=ok",)):
                runs.append(canary.run(*more))
                told.append(_told(served))
        pings = len(served.at("/ping"))
        kept = canary.metrics()["opsverify_last_run_timestamp_seconds"]
        runs.append(canary.run())  # the holder was killed
        told.append(_told(served))
        return Busy(runs, told, pings, [before, kept])


def _nobody_there(project: Project) -> list[Ran]:
    with sinks() as served:
        canary = Canary(project, served)
        served.status = 500
        project.answer("switch", value=f"off, and {TOKEN}")
        unheard = canary.run()
        served.status = 202
        heard = canary.run()
        assert not [r for r in served.received if TOKEN in json.dumps(r.body)]
        assert [r for r in served.received if r.path == "/hook"][-1].authorization == f"Bearer {TOKEN}"
        return [unheard, heard, canary.run()]


def _database_down(project: Project) -> Ran:
    with sinks() as served:
        canary = Canary(project, served, more='history.url_env = "HISTORY_URL"\n')
        canary.env = {**canary.env, "HISTORY_URL": "postgresql://u:history-password@127.0.0.1:1/db"}
        ran = canary.run()
        assert served.received == []  # nobody is told, and so the dead man's switch is not held either
        return ran


def _plain(*arguments: str) -> Callable[[Project], Ran]:
    return lambda project: project.run(*arguments)


def _newer(project: Project) -> Ran:
    project.run(*CANARY)
    with closing(sqlite3.connect(project.state / "history.sqlite")) as history, history:
        history.execute("UPDATE opsverify_history SET version = 99")
    return project.run(*CANARY)


def _another_bulb(project: Project) -> list[Ran]:
    first = project.run(*CANARY)
    project.answer("bulb", value=100, identity="serial 2")
    return [first, project.run(*CANARY)]


RUNS: dict[str, Callable[[Project], Any]] = {
    "there and back": _there_and_back,
    "P0": _p0,
    "P0 gone": _p0_gone,
    "busy": _busy,
    "nobody there": _nobody_there,
    "database down": _database_down,
    "on a twin": _plain("--profile", "canary"),
    "on a twin, asked for": _plain("--profile", "canary", "--history", "own.sqlite"),
    "off": _plain(*CANARY, "--history", "off"),
    "not a canary": _plain("--profile", "smoke", "--target", "live", "--history", "own.sqlite"),
    "another database": _plain(*CANARY, "--history", "mysql://host/db"),
    "newer": _newer,
    "another bulb": _another_bulb,
}


def state(ran: Ran, check: str) -> str:
    """A check's state in a run's report."""
    states: list[dict[str, Any]] = ran.report["canary"]["states"]
    return str(next(s["state"] for s in states if s["check"] == check))


def test_a_canary_goes_down_and_comes_back(left_by: Callable[[str], list[Moment]]) -> None:
    """Three failures take a check down and two successes bring it back; the exit status is the raw one all the time."""
    story = left_by("there and back")
    assert [m.ran.code for m in story] == [0, 0, 10, 10, 10, 10, 0, 0]
    states = [state(m.ran, "L-BLB-1") for m in story]
    assert states == ["NEW", "UP", "UP", "UP", "DOWN", "DOWN", "DOWN", "UP"]
    assert "DOWN     L-BLB-1   since" in story[4].ran.stdout
    assert "UP       L-BLB-1   since" in story[7].ran.stdout
    last = next(s for s in story[5].ran.report["canary"]["states"] if s["check"] == "L-BLB-1")
    assert (last["recent"], last["was"]) == ("PPFFFF", None)


def test_each_reader_is_told_once_of_each_change(left_by: Callable[[str], list[Moment]]) -> None:
    """Webhook, Slack and PagerDuty hear of the check going down and coming back, and of nothing in between."""
    story = left_by("there and back")
    assert [m.told for m in story] == [[], [], [], [], ["L-BLB-1 DOWN"], [], [], ["L-BLB-1 UP"]]
    assert [len(m.slack) for m in story] == [0, 0, 0, 0, 1, 0, 0, 1]
    events = [e for m in story for e in m.pager]
    assert [e["event_action"] for e in events] == ["trigger", "resolve"]
    assert len({e["dedup_key"] for e in events}) == 1
    (notice,) = story[4].hook[0]["notices"]
    assert (notice["observed"], notice["next_step"], notice["contact"]) == (
        "0.0",
        "screw in another bulb; is it switched on (L-SWI-1)?",
        "#porch",
    )


def test_the_page_draws_how_each_check_stood(left_by: Callable[[str], list[Moment]]) -> None:
    """The page of a canary has each check's last runs as a drawing, oldest first, how it stands, and success by window."""
    html = left_by("there and back")[5].ran.html
    assert 'aria-label="the last 6 runs: PASS PASS FAIL FAIL FAIL FAIL "' in html
    assert '<span class="pill DOWN">DOWN</span> since <time' in html
    assert "success rate" in html
    assert "OVERDUE" not in html.replace(".pill.OVERDUE", "")


def test_success_is_measured(left_by: Callable[[str], list[Moment]]) -> None:
    """Each subsystem's share of successes and what is left of its error budget are reported over three windows."""
    rates = left_by("there and back")[-1].ran.report["canary"]["rates"]
    (bulb,) = (r for r in rates if (r["subsystem"], r["window"]) == ("bulb", "1 h"))
    assert (bulb["passed"], bulb["failed"], bulb["unknown"]) == (20, 4, 0)
    assert bulb["success"] == pytest.approx(20 / 24)
    assert bulb["budget_left"] == pytest.approx(1 - (4 / 24) / 0.01)
    assert {r["window"] for r in rates} == {"1 h", "24 h", "30 d"}


def test_metrics_and_the_dead_mans_switch_follow_each_run(left_by: Callable[[str], list[Moment]]) -> None:
    """Every run that looked calls the switch once; the last success stays that of the last green run."""
    story = left_by("there and back")
    assert [m.pings for m in story] == [1] * 8
    ended = [datetime.fromisoformat(m.ran.report["finished"]).timestamp() for m in story]
    assert [m.success for m in story[2:6]] == [story[1].success] * 4
    assert story[1].success == pytest.approx(ended[1], abs=2)
    assert story[6].success > story[5].success


def test_a_p0_is_looked_at_twice(left_by: Callable[[str], list[Ran]]) -> None:
    """A P0 whose second sample is good passes, showing both; one that fails twice is down at once."""
    *_, recovered, failed = left_by("P0")
    assert (recovered.code, state(recovered, "L-SWI-1")) == (0, "UP"), recovered.said
    (finding,) = recovered.check("L-SWI-1")["findings"]
    assert finding["observed"] == "on"
    assert "the first was FAIL switched-off: off" in finding["details"][0]
    assert (failed.code, state(failed, "L-SWI-1")) == (10, "DOWN")
    assert [r["name"] for r in failed.journal if r["kind"] == "observation"].count("lever") == 2


def test_a_second_sample_that_is_not_there_is_unknown(left_by: Callable[[str], list[Ran]]) -> None:
    """A P0 that fails and then cannot be seen is UNKNOWN, says what it was before, and is judged alike in a replay."""
    gone, again = left_by("P0 gone")
    assert (gone.code, state(gone, "L-BLB-9")) == (12, "NEW"), gone.said
    assert "the first was FAIL dark: none" in gone.check("L-BLB-9")["explanation"]
    assert gone.verdicts()["L-BLB-1"] == "UNKNOWN"  # judged from the same sample
    assert gone.verdicts() == again.verdicts()


def test_a_busy_target_is_told_when_it_is_busy_twice(left_by: Callable[[str], Busy]) -> None:
    """A run that finds the target busy exits 16 or, asked to, 0; the second in a row is told, and the end of it."""
    busy = left_by("busy")
    assert [r.code for r in busy.runs] == [16, 16, 0, 0]
    assert all("held by run" in r.stdout and "since 20" in r.stdout for r in busy.runs[:3])
    assert busy.told == [[], ["CANARY NO DATA"], [], ["CANARY UP"]]


def test_a_busy_run_leaves_everything_as_it_was(left_by: Callable[[str], Busy]) -> None:
    """No metric, no dead man's switch and no state of a check is touched by a run that did not look."""
    busy = left_by("busy")
    assert busy.pings == 0
    assert busy.metrics[0] == busy.metrics[1]
    assert busy.runs[1].report["canary"] is None
    recent = {s["check"]: s["recent"] for s in busy.runs[-1].report["canary"]["states"]}
    assert recent["L-BLB-1"] == "PP"  # the run before all this, and the last


def test_whoever_cannot_be_told_is_told_later(left_by: Callable[[str], list[Ran]]) -> None:
    """A notification that is not taken is a warning without any secret, changes no status, and is sent by the next run."""
    unheard, heard, again = left_by("nobody there")
    assert [r.code for r in (unheard, heard, again)] == [10, 10, 10]
    warnings = [w for w in unheard.report["warnings"] if "was not notified of L-SWI-1: answered 500" in w]
    assert len(warnings) == 3
    assert not [w for w in heard.report["warnings"] + again.report["warnings"] if "was not told" in w]
    for secret in (TOKEN, "secret-path-0123456789", "pager-key-0123456789"):
        assert secret not in unheard.said
        left = [
            *unheard.files(),
            *unheard.folder.parents[1].glob("state/*"),
            unheard.folder.parents[1] / "metrics.prom",
        ]
        assert not [p for p in left if p.is_file() and secret.encode() in p.read_bytes()]


def test_a_history_that_cannot_be_reached_keeps_nobody_from_looking(left_by: Callable[[str], Ran]) -> None:
    """Everything is judged all the same; that the run is not remembered is exit 15, and the password stays secret."""
    ran = left_by("database down")
    assert (ran.code, ran.verdicts()["L-BLB-1"]) == (15, "PASS")
    assert (
        "this run is not kept in the history, and the target is not locked against runs on other machines"
        in ran.stdout
    )
    assert "no notification was sent" in ran.stdout
    assert "history-password" not in ran.said
    assert ran.journal[0]["kind"] == "run"


def test_where_a_history_is_kept(left_by: Callable[[str], Ran]) -> None:
    """A canary on a live target is remembered by itself, one on a twin of its own where it is asked to be."""
    assert left_by("on a twin").report["canary"] is None
    assert left_by("on a twin, asked for").report["canary"]["history"].endswith("own.sqlite")
    assert left_by("off").report["canary"] is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("not a canary", "--history needs --profile canary"),
        ("another database", "must be a file, or an address such as postgresql://"),
        ("newer", "has schema version 99, written by a newer opsverify"),
    ],
)
def test_a_history_that_cannot_be_used_is_a_usage_error(
    name: str, told: str, left_by: Callable[[str], Ran]
) -> None:
    """A wrong option, and a history of a newer program, are exit 4."""
    ran = left_by(name)
    assert (ran.code, told in ran.said) == (4, True), ran.said


def test_another_server_is_told(left_by: Callable[[str], list[Ran]]) -> None:
    """An identity that changed since the last run is a warning that names both."""
    first, second = left_by("another bulb")
    assert not first.report["warnings"]
    told = "identity changed since the last run: lamp.bulb was serial 1 and is serial 2 now"
    assert told in second.report["warnings"]


def test_the_history_is_the_users_own(left_by: Callable[[str], list[Ran]]) -> None:
    """Without another place it stands in the user's state folder."""
    ran = left_by("another bulb")[0]
    assert Path(ran.report["canary"]["history"]).parts[-2:] == ("state", "history.sqlite")
