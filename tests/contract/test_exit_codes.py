"""Every row of the exit contract, produced by real runs of the toy project."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest

from opsverify.model.exit_codes import CONTRACT
from tests.contract.engine.project import Project, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

LIVE = ("--profile", "smoke", "--target", "live")


class Scenario(NamedTuple):
    """A way to an exit status: what to do with a fresh project, the status, and what the terminal says."""

    code: int
    act: Callable[[Project], Ran]
    says: str


def _plain(*arguments: str) -> Callable[[Project], Ran]:
    return lambda project: project.run(*arguments)


def _answering(surface: str, *arguments: str, **answer: object) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        project.answer(surface, **answer)
        return project.run(*arguments)

    return act


def _writing(path: str, text: str, *arguments: str) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        project.write(path, text)
        return project.run(*arguments)

    return act


def _signalled(number: signal.Signals) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        project.answer("bulb", value=100, delay=15)
        running = project.start(*LIVE, "--strict-severity")
        running.until_journal_says('"name": "lever"')  # the switch was seen, the bulb is being looked at
        running.process.send_signal(number)
        return running.ended()

    return act


def _reports_in_a_file(project: Project) -> Ran:
    project.write("taken", "")
    return project.run("--profile", "smoke", "--reports", "taken/reports")


def _html_in_a_file(project: Project) -> Ran:
    project.write("taken", "")
    return project.run("--profile", "smoke", "--html", "taken/report.html")


def _stuck(project: Project) -> Ran:
    project.check(
        "L-REC-2",
        "await drill.inject(Stuck(drill.site.arming, drill.twin))\n"
        "drill.add_finding(holds=True, reason='r', expected='e', observed='o')",
        profiles="drill",
        takes="drill",
        decorate="from lamp_faults import Stuck",
        drill=True,
    )
    return project.run("--profile", "drill")


def _stuck_and_interrupted(project: Project) -> Ran:
    project.check(
        "L-REC-2",
        "await drill.inject(Stuck(drill.site.arming, drill.twin))\nawait asyncio.sleep(15)",
        profiles="drill",
        takes="drill",
        decorate="import asyncio\nfrom lamp_faults import Stuck",
        drill=True,
    )
    running = project.start("--profile", "drill", "-k", "l_rec_2")
    running.until_journal_says('"title": "stuck"')
    running.process.send_signal(signal.SIGTERM)
    return running.ended()


_IN_FORCE = """
import sys
from pathlib import Path
from lamp_target import LampSection
from opsverify.run.lock import Ledger
from opsverify.target.file import load_target
target = load_target(Path("targets/live.toml"), {"lamp": LampSection})
ledger = Ledger(target.key, "run-1", owned=False)
change = ledger.left(ledger.enter("dark", before="100", by_hand="screw in another bulb"), "0")
print(change.id)
"""


def _left(project: Project) -> str:
    """Have an earlier run leave a change on the live target; returns its id."""
    done = subprocess.run(
        [sys.executable, "-c", _IN_FORCE],
        cwd=project.folder,
        env=os.environ | {"OPSVERIFY_STATE": str(project.state)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def _left_by_an_earlier_run(project: Project) -> Ran:
    change = _left(project)
    ran = project.run(*LIVE)
    assert f"--undone {change}" in ran.stdout
    return ran


def _struck_out(project: Project) -> Ran:
    change = _left(project)
    wrong = project.run(*LIVE, "--undone", "nothing-of-the-sort")
    assert wrong.code == 4
    assert change in wrong.said
    cleared = project.run(*LIVE, "--undone", change)
    assert cleared.code == 0
    return project.run(*LIVE)


def _busy(*more: str) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        project.answer("bulb", value=100, delay=15)
        first = project.start(*LIVE)
        first.until_journal_says('"name": "lever"')
        # Another file of another name that names the same addresses is the same instance.
        same = project.target(
            'name = "veranda"\n[lamp]\nbulb = "bulb.json"\nswitch = "switch.json"\n', "same"
        )
        second = project.run("--profile", "smoke", "--target", same, *more)
        first.process.send_signal(signal.SIGINT)
        assert first.ended().code == 2
        return second

    return act


def _configure(text: str, *arguments: str) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        return project.run("--target", project.target(text, "odd"), *arguments)

    return act


def _nothing_without_profile(project: Project) -> Ran:
    return project.run("checks", "-k", "no_such_check")


def _published_nothing(project: Project) -> Ran:
    project.answer("bulb", **{"raise": "not-published"})
    return project.run(*LIVE)


def _closing_down(project: Project) -> Ran:
    project.target('name = "embedded"\n[servers]\nprovider = "embedded"\n[lamp]\ntwin = "stop"\n', "embedded")
    return project.run("--profile", "smoke")


def _interrupted_while_closing_down_fails(project: Project) -> Ran:
    project.target('name = "embedded"\n[servers]\nprovider = "embedded"\n[lamp]\ntwin = "stop"\n', "embedded")
    project.check(
        "L-BLB-7",
        "verify(Finding(holds=True, reason='r', expected='e', observed='o'))\nraise KeyboardInterrupt",
        takes="brightness",
    )
    return project.run("--profile", "smoke")


def _exits_by_itself(project: Project) -> Ran:
    project.check("L-BLB-0", "pytest.exit('all done', returncode=0)", takes="brightness")
    return project.run("checks")


def _stops_at_the_first(project: Project) -> Ran:
    project.check(
        "L-BLB-0",
        "verify(Finding(holds=False, reason='r', expected='e', observed='o'))",
        severity="P3",
        takes="brightness",
    )
    project.answer("bulb", value=0)
    return project.run("checks", "--target", "live", "-x")


SCENARIOS: Mapping[str, Scenario] = {
    "all is well on a twin": Scenario(0, _plain("--profile", "smoke"), "exit 0: the gate holds"),
    "all is well live": Scenario(0, _plain(*LIVE), "exit 0: the gate holds"),
    "all is well without a profile": Scenario(0, _plain(), "exit 0: the gate holds"),
    "a drill": Scenario(0, _plain("--profile", "drill"), "exit 0: the gate holds"),
    "a check below the gate fails": Scenario(
        0, _answering("bulb", *LIVE, "--gate", "P0", value=0), "(not gated)"
    ),
    "Ctrl-C": Scenario(2, _signalled(signal.SIGINT), "exit 2: interrupted"),
    "SIGTERM": Scenario(2, _signalled(signal.SIGTERM), "exit 2: interrupted"),
    "SIGHUP": Scenario(2, _signalled(signal.SIGHUP), "exit 2: interrupted"),
    "Ctrl-C inside a probe": Scenario(
        2, _answering("bulb", *LIVE, **{"raise": "interrupt"}), "exit 2: interrupted"
    ),
    "a hook raises": Scenario(
        3,
        _writing(
            "checks/lamp/conftest.py",
            "def pytest_runtest_logreport(report):\n    raise RuntimeError('hook')\n",
            "--profile",
            "smoke",
        ),
        "exit 3: internal error",
    ),
    "a check file does not compile": Scenario(
        3,
        _writing("checks/lamp/test_broken.py", "def test_(:\n", "--profile", "smoke"),
        "exit 3: internal error",
    ),
    "a check file cannot be imported": Scenario(
        3,
        _writing("checks/lamp/test_broken.py", "import no_such_module\n", "--profile", "smoke"),
        "nothing was looked at",
    ),
    "a bad target": Scenario(
        4, _configure('nam = "x"\n[lamp]\n', "--profile", "smoke"), "unknown key 'nam'; did you mean 'name'?"
    ),
    "no such target": Scenario(
        4, _plain("--profile", "smoke", "--target", "lvie"), "did you mean 'live.toml'?"
    ),
    "a missing variable": Scenario(
        4, _configure('name = "x"\n[lamp]\nbulb = "b"\npassword_env = "NOT_THERE"\n'), "export NOT_THERE=…"
    ),
    "a bad option": Scenario(4, _plain("--profile", "smok"), "invalid choice"),
    "a bad marker": Scenario(
        4,
        _writing(
            "checks/lamp/test_bulb2.py",
            "import pytest\n@pytest.mark.check(id='L-X')\ndef test_x(): ...\n",
            "--profile",
            "smoke",
        ),
        "id 'L-X'",
    ),
    "reports cannot be written": Scenario(4, _reports_in_a_file, "choose another folder with --reports"),
    "the html file cannot be written": Scenario(4, _html_in_a_file, "the html report"),
    "armed by another name": Scenario(4, _plain(*LIVE, "--arm", "live"), "the target is named 'porch'"),
    "a gated check fails": Scenario(10, _answering("bulb", *LIVE, value=0), "exit 10: a gated check FAILs"),
    "an endpoint refuses where that is the failure": Scenario(
        10, _answering("switch", *LIVE, **{"raise": "refused"}), "FAIL    P0 L-SWI-1"
    ),
    "only ungated checks fail": Scenario(
        11, _answering("bulb", *LIVE, "--gate", "P0", "--strict-severity", value=0), "exit 11"
    ),
    "a gated check could not look": Scenario(
        12, _answering("bulb", *LIVE, **{"raise": "refused"}), "UNKNOWN P1 L-BLB-1"
    ),
    "the twin does not start": Scenario(
        12,
        _configure(
            'name = "x"\n[servers]\nprovider = "embedded"\n[lamp]\ntwin = "start"\n', "--profile", "smoke"
        ),
        "no socket for the lamp",
    ),
    "a drill on a live target": Scenario(
        12, _plain("--profile", "drill", "--target", "live"), "drills run on a twin"
    ),
    "a required check is deselected": Scenario(
        13, _plain("--profile", "smoke", "-k", "lever"), "not looked at: L-BLB-1"
    ),
    "nothing ran": Scenario(13, _nothing_without_profile, "exit 13: vacuous"),
    "a surface is neither configured nor absent": Scenario(
        13,
        _configure('name = "x"\n[lamp]\nbulb = "bulb.json"\n', "--profile", "smoke"),
        "surface 'switch' of lamp is neither configured nor declared absent",
    ),
    "not published and without a stand-in": Scenario(13, _published_nothing, "names no stand-in for it"),
    "a fault cannot be undone": Scenario(14, _stuck, "By hand: screw in another bulb"),
    "a fault cannot be undone after SIGTERM": Scenario(14, _stuck_and_interrupted, "exit 14: something"),
    "an earlier run left something": Scenario(14, _left_by_an_earlier_run, "run run-1 left dark in force"),
    "a person has undone it": Scenario(0, _struck_out, "exit 0: the gate holds"),
    "closing down fails": Scenario(14, _closing_down, "the twin could not be stopped"),
    "closing down fails after Ctrl-C": Scenario(
        14,
        _interrupted_while_closing_down_fails,
        "the twin could not be stopped",
    ),
    "the junit file cannot be written": Scenario(
        15, _plain("--profile", "smoke", "--junitxml=/dev/full"), "exit 15: a report"
    ),
    "the target is busy": Scenario(16, _busy(), "held by run"),
    "the target is busy and that is fine": Scenario(0, _busy("--if-busy=ok"), "--if-busy=ok was given"),
    "a check tries to end the run": Scenario(12, _exits_by_itself, "UNKNOWN P1 L-BLB-0"),
    "stopped at the first failure": Scenario(13, _stops_at_the_first, "exit 13"),
}


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[tuple[Ran, float]]]]:
    """Every scenario that was selected, three at a time."""
    chosen = [
        i.callspec.params["name"]
        for i in request.session.items
        if i.path == request.path and hasattr(i, "callspec") and "name" in i.callspec.params
    ]

    def play(name: str, folder: Path) -> tuple[Ran, float]:
        start = time.monotonic()
        ran = SCENARIOS[name].act(Project.make(folder))
        return ran, time.monotonic() - start

    with ThreadPoolExecutor(3) as pool:
        yield {
            name: pool.submit(play, name, tmp_path_factory.mktemp("project"))
            for name in dict.fromkeys(chosen)
        }


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_the_status_of_a_real_run(name: str, results: dict[str, Future[tuple[Ran, float]]]) -> None:
    """A run ends with the status that the contract gives it, says why, and every report that it leaves
    agrees.
    """
    ran, _ = results[name].result()
    scenario = SCENARIOS[name]
    assert (ran.code, scenario.says in ran.said) == (scenario.code, True), f"exit {ran.code}\n{ran.said}"
    if scenario.code == 4 and not (ran.folder / "report.json").exists():
        return
    assert ran.report["exit_status"] == scenario.code
    assert f"exit {scenario.code}: {ran.report['exit_meaning']}"[:1000] in ran.stdout
    assert ran.journal[0]["kind"] == "run"
    assert (ran.journal[-1]["kind"], ran.journal[-1]["exit_status"]) == ("end", scenario.code)
    judged = bool(ran.report["checks"])  # a gate through which nothing went does not hold
    assert ("Gate P" in ran.html) == (scenario.code == 0 and judged)
    assert (f"Exit {scenario.code}:" in ran.html) == (scenario.code != 0)


@pytest.mark.parametrize("name", ["Ctrl-C", "SIGTERM", "SIGHUP"])
def test_an_interrupted_run_keeps_what_it_saw(
    name: str, results: dict[str, Future[tuple[Ran, float]]]
) -> None:
    """An interrupt ends a run at once, with what was observed in the journal and every report written."""
    ran, took = results[name].result()
    seen = [r["name"] for r in ran.journal if r["kind"] == "observation"]
    assert "lever" in seen
    assert "brightness" not in seen
    assert (ran.folder / "junit.xml").stat().st_size > 0
    assert took < 14


@pytest.mark.parametrize("name", ["the junit file cannot be written"])
def test_other_reports_are_written_all_the_same(
    name: str, results: dict[str, Future[tuple[Ran, float]]]
) -> None:
    """One report that cannot be written does not cost the others."""
    ran, _ = results[name].result()
    assert ran.verdicts() == {"L-BLB-1": "PASS", "L-BLB-2": "PASS", "L-SWI-1": "PASS"}
    assert "No space left" in ran.html
    assert "L-BLB-1" in ran.html


@pytest.mark.parametrize("name", ["the target is busy", "the target is busy and that is fine"])
def test_a_busy_target_is_not_looked_at(name: str, results: dict[str, Future[tuple[Ran, float]]]) -> None:
    """A run that does not get the target looks at nothing and judges nothing, and names the holder."""
    ran, _ = results[name].result()
    assert ran.report["checks"] == []
    assert [r["kind"] for r in ran.journal] == ["run", "busy", "end"]
    assert "pid" in ran.stdout


def test_every_row_of_the_contract_was_produced() -> None:
    """The statuses of the scenarios are exactly those of the contract."""
    assert {s.code for s in SCENARIOS.values()} == {int(rule.code) for rule in CONTRACT}
