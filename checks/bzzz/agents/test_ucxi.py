"""UCXI: a task's address resolves to its content, and malformed addresses are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.agents import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.agents.models import Boundary, TaskFlow
    from systems.bzzz.limits import BzzzLimits

FLOW = '"Data Flow"'


@pytest.mark.check(
    id="B-UCX-1",
    severity="P2",
    profiles="canary incident",
    runbook=FLOW,
    next_step="see the stage that is named: no coordinator: B-ELE-1; not resolved: B-SLP-1b and B-DHT-2",
)
def test_a_task_becomes_an_address_that_resolves(
    task_flow: Observation[TaskFlow], limits: BzzzLimits
) -> None:
    """A task request flows through PubSub, SLURP and DHT to an address that UCXI resolves."""
    verify(criteria.data_flows(task_flow.value, limits))


@pytest.mark.check(
    id="B-UCX-1b",
    severity="P2",
    profiles="canary incident",
    runbook=FLOW,
    next_step="the accepted addresses are named above: a path with `..` or a control character that passes is a security defect of this release",
)
def test_malformed_addresses_are_refused(ucxi_boundary: Observation[Boundary]) -> None:
    """Malformed UCXL addresses are refused at the boundary, with a UCXL code."""
    verify(criteria.malformed_refused(ucxi_boundary.value))
