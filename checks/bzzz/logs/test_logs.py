"""Logs: error lines in Loki and in the services' own logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.logs import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.logs.models import Logs


@pytest.mark.check(
    id="B-LOG-1",
    severity="P2",
    profiles="canary incident",
    unreachable="fail",
    runbook='"Centralized Logging"',
    next_step="read the samples; for all lines query_range with |~ ERROR. If lines stopped arriving, check the log shipper on each node",
)
def test_few_errors_are_logged(loki_errors: Observation[Logs], limits: BzzzLimits) -> None:
    """Loki receives BZZZ's logs, with few lines of ERROR and none of FATAL or panic."""
    logs = loki_errors.value
    verify(criteria.few_errors(logs, limits), criteria.arriving(logs, loki_errors.at, limits))


@pytest.mark.check(
    id="B-LOG-1b",
    severity="P2",
    profiles="canary incident",
    runbook='"Service-Specific Logs"',
    next_step="docker service logs of the service that the samples name | grep -E '(ERROR|FATAL|panic)'",
)
def test_services_log_few_errors(service_errors: Observation[Logs], limits: BzzzLimits) -> None:
    """The services' own logs have few lines of ERROR and none of FATAL or panic, with or without Loki."""
    verify(criteria.few_errors(service_errors.value, limits))
