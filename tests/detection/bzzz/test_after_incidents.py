"""After an incident of BZZZ: what a person asks then, of the system as it is, without a drill."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from fixtures.bzzz.faults.monitoring import RulesRemoved
from fixtures.bzzz.faults.peers_inside import ElectionHangs
from fixtures.bzzz.incidents import ADMIN, HEALTH, PEERS, REPLICATION
from opsverify.arming import Arming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fixtures.bzzz.faults.base import BzzzFault
    from fixtures.bzzz.twin.site import BzzzTwin
    from tests.detection.harness import Suite

OVER = {HEALTH: "B-REC-1b", PEERS: "B-REC-2b", ADMIN: "B-REC-3b", REPLICATION: "B-REC-4b"}


@contextmanager
def in_force(fault_class: type[BzzzFault], twin: BzzzTwin) -> Iterator[None]:
    """Have a fault, and what follows from it, until the block ends."""
    fault = fault_class(twin, Arming(target="matrix", owned=True))
    fault.inject()
    try:
        fault.settled()
        yield
    finally:
        fault.restore()


@pytest.mark.parametrize("alert", OVER)
def test_an_incident_that_is_over_is_green(suite: Suite, alert: str) -> None:
    """Each documented alert has its own answer to "is it over?", and on a healthy system that is yes."""
    seen = suite.run("--incident", alert)
    assert seen.status == 0, seen.printed
    assert seen.verdicts[OVER[alert]][0] == "PASS"


def test_an_incident_that_nothing_watches_for_is_a_wrong_question(twin: BzzzTwin, suite: Suite) -> None:
    """Where Prometheus has no rule of the alert, the run ends as with a wrong option, and says what to load."""
    with in_force(RulesRemoved, twin):
        seen = suite.run("--incident", ADMIN)
    assert seen.status == 4, seen.printed
    assert seen.not_green["B-ALR-1c"] == ("FAIL", "rule-missing"), seen.printed
    assert f"--incident {ADMIN}: Prometheus has no such rule" in seen.printed
    assert "load docs/bzzz/bzzz.rules.yml" in seen.printed


def test_an_incident_that_is_not_over_is_red_and_then_stays_over(twin: BzzzTwin, suite: Suite) -> None:
    """Without an admin the answer is no; after the recovery a shortened watch sees that it stays clear."""
    with in_force(ElectionHangs, twin):
        red = suite.run("--incident", ADMIN)
    assert red.status == 10, red.printed
    assert red.not_green["B-REC-3b"] == ("FAIL", "no-admin"), red.printed
    assert red.not_green["B-ALR-1c"] == ("FAIL", "still-firing"), red.printed
    watched = suite.run("--incident", ADMIN, "--watch", "20s", "--every", "6s")
    assert watched.status == 0, watched.printed
    assert "recovered" in watched.printed
