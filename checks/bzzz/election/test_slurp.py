"""SLURP: led by the admin, bounded, and each event handled once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.agents import criteria as api_criteria
from checks.bzzz.election import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.agents.models import Repeated
    from systems.bzzz.election.models import Slurp
    from systems.bzzz.limits import BzzzLimits

FLOW = '"Data Flow"'


@pytest.mark.check(
    id="B-SLP-1",
    severity="P1",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=FLOW,
    next_step="B-ELE-1 for the admin; if there is one and SLURP is not led, restart the admin's agent",
)
def test_slurp_is_led_by_the_admin(slurp: Observation[Slurp]) -> None:
    """SLURP is led by the admin, as every node sees it."""
    verify(criteria.led_by_the_admin(slurp.value))


@pytest.mark.check(
    id="B-SLP-1b",
    severity="P1",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=FLOW,
    next_step="full queue: check with B-UCX-1 whether it drains or tasks are refused; dead letters: their reasons are in the leader's log, B-DHT-2 for the storage",
)
def test_slurp_keeps_up(slurp: Observation[Slurp], limits: BzzzLimits) -> None:
    """SLURP's queue is below its bound, and its dead letters are few and do not grow."""
    verify(criteria.queue_bounded(slurp.value, limits))


@pytest.mark.check(
    id="B-SLP-1c",
    severity="P1",
    profiles="canary incident",
    runbook=FLOW,
    next_step="events are handled more than once: stop what repeats them before anyone trusts the results",
)
def test_a_repeated_event_is_handled_once(repeated_event: Observation[Repeated]) -> None:
    """The same event, sent twice, is handled once."""
    verify(api_criteria.handled_once(repeated_event.value))
