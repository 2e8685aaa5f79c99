"""Whole runs of the suite, each in a process of its own as its user starts it: exit status, reports, and what an incident asks."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from fixtures.bzzz.faults.election import ElectionHangs
from fixtures.bzzz.faults.monitoring import RulesRemoved
from systems.bzzz.incidents.alerts import ADMIN, HEALTH, PEERS, REPLICATION
from tests.contract.engine.project import Ran
from tests.detection.harness import Suite, as_live
from tests.detection.parts import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.model.fault import Fault
    from opsverify.model.system import Twin
    from tests.detection.harness import Seen
    from tests.detection.parts import Part

pytestmark = pytest.mark.slow

TRIED = [(part.name, fault) for part in PARTS.values() for fault in part.faults if fault.name in part.live]
OVER = {HEALTH: "B-REC-1b", PEERS: "B-REC-2b", ADMIN: "B-REC-3b", REPLICATION: "B-REC-4b"}
of_bzzz = pytest.mark.parametrize("stage", ["bzzz"], indirect=True)


@dataclass(frozen=True)
class Stage:
    """A twin, the suite pointed at it as at a live target, and what that said in health."""

    part: Part
    twin: Twin
    suite: Suite
    healthy: Seen

    @contextmanager
    def in_force(self, fault_class: type[Fault]) -> Iterator[None]:
        """Have a fault, and what follows from it, until the block ends."""
        fault = self.part.fault(fault_class, self.twin)
        self.part.before(fault)
        fault.inject()
        try:
            fault.settled()
            yield
        finally:
            fault.restore()


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One system's; its twin is stopped before that of the next one starts."""
    part = PARTS[request.param]
    twin = part.start()
    section, environment = as_live(part.system.name, twin.section)
    folder = tmp_path_factory.mktemp(part.name)
    suite = Suite(folder, section, part.actions, environment, f"checks/{part.system.name}")
    healthy = suite.run()
    yield Stage(part, twin, replace(suite, options=("--baseline", "last-green")), healthy)
    twin.stop()


@pytest.mark.parametrize("stage", [part.name for part in PARTS.values() if part.live], indirect=True)
def test_a_healthy_system_ends_with_0(stage: Stage) -> None:
    """Every check passes, and none is skipped but what this machine has no server for."""
    assert stage.healthy.status == 0, stage.healthy.printed
    seen = stage.suite.run()
    assert seen.status == 0, seen.printed
    skipped = {reason for verdict, reason in seen.verdicts.values() if verdict == "SKIP"}
    assert not seen.not_green
    assert skipped <= {"not on this machine"}, seen.printed


@pytest.mark.parametrize(
    ("stage", "fault_class"), TRIED, indirect=["stage"], ids=[fault.name for _, fault in TRIED]
)
def test_a_fault_gives_the_promised_exit_status_and_stands_in_the_reports(
    stage: Stage, fault_class: type[Fault]
) -> None:
    """Exactly its checks are not green; the exit status is that of the contract; JUnit has them, and no other."""
    with stage.in_force(fault_class):
        seen = stage.suite.run()
    assert {check: verdict for check, (verdict, _) in seen.not_green.items()} == {
        check: verdict.value for check, (verdict, _) in fault_class.expected_failures.items()
    }, seen.printed
    assert seen.status == seen.promised_status, seen.printed
    latest = stage.suite.folder / "reports" / "latest"
    cases = Ran(seen.status, seen.printed, "", latest).cases
    assert {
        check: case.properties["verdict"]
        for check, case in cases.items()
        if case.outcome in ("failure", "error")
    } == {check: verdict.value for check, (verdict, _) in fault_class.expected_failures.items()}
    page = (latest / "report.html").read_text(encoding="utf-8")
    assert all(check in page for check in fault_class.expected_failures)


@pytest.mark.parametrize("stage", ["statehub"], indirect=True)
def test_a_canary_that_is_not_armed_is_skipped(stage: Stage) -> None:
    """Without its line in the target no sweep is asked for: the check is skipped, says so, and is no failure."""
    seen = replace(stage.suite, actions=()).run("-k", "asked_for_by_hand")
    assert seen.verdicts["S-CAN-1"] == ("SKIP", "not armed")
    assert "post_sweep" in seen.printed


@of_bzzz
@pytest.mark.parametrize("alert", OVER)
def test_an_incident_that_is_over_is_green(stage: Stage, alert: str) -> None:
    """Each documented alert has its own answer to "is it over?", and on a healthy system that is yes."""
    seen = stage.suite.run("--incident", alert)
    assert seen.status == 0, seen.printed
    assert seen.verdicts[OVER[alert]][0] == "PASS"


@of_bzzz
def test_an_incident_that_nothing_watches_for_is_a_wrong_question(stage: Stage) -> None:
    """Where Prometheus has no rule of the alert, the run ends as with a wrong option, and says what to load."""
    with stage.in_force(RulesRemoved):
        seen = stage.suite.run("--incident", ADMIN)
    assert seen.status == 4, seen.printed
    assert seen.not_green["B-ALR-1c"] == ("FAIL", "rule-missing"), seen.printed
    assert f"--incident {ADMIN}: Prometheus has no such rule" in seen.printed
    assert "load docs/bzzz/bzzz.rules.yml" in seen.printed


@of_bzzz
def test_an_incident_that_is_not_over_is_red_and_then_stays_over(stage: Stage) -> None:
    """Without an admin the answer is no; after the recovery a shortened watch sees that it stays clear."""
    with stage.in_force(ElectionHangs):
        red = stage.suite.run("--incident", ADMIN)
    assert red.status == 10, red.printed
    assert red.not_green["B-REC-3b"] == ("FAIL", "no-admin"), red.printed
    assert red.not_green["B-ALR-1c"] == ("FAIL", "still-firing"), red.printed
    watched = stage.suite.run("--incident", ADMIN, "--watch", "20s", "--every", "6s")
    assert watched.status == 0, watched.printed
    assert "recovered" in watched.printed
