"""Every threshold of the BZZZ checks, with its unit and where it comes from."""

from __future__ import annotations

from systems.bzzz.agents.limits import AgentsLimits
from systems.bzzz.alerting.limits import AlertingLimits
from systems.bzzz.backups.limits import BackupsLimits
from systems.bzzz.capacity.limits import CapacityLimits
from systems.bzzz.database.limits import DatabaseLimits
from systems.bzzz.dht.limits import DhtLimits
from systems.bzzz.election.limits import ElectionLimits
from systems.bzzz.incidents.limits import IncidentsLimits
from systems.bzzz.logs.limits import LogsLimits
from systems.bzzz.maintenance.limits import MaintenanceLimits
from systems.bzzz.monitoring.limits import MonitoringLimits
from systems.bzzz.network.limits import NetworkLimits
from systems.bzzz.published.limits import PublishedLimits
from systems.bzzz.restore.limits import RestoreLimits
from systems.bzzz.services.limits import ServicesLimits
from systems.bzzz.storage.limits import StorageLimits

__all__ = ["BzzzLimits"]


class BzzzLimits(
    AgentsLimits,
    NetworkLimits,
    ElectionLimits,
    DhtLimits,
    MonitoringLimits,
    AlertingLimits,
    PublishedLimits,
    StorageLimits,
    LogsLimits,
    CapacityLimits,
    DatabaseLimits,
    BackupsLimits,
    MaintenanceLimits,
    ServicesLimits,
    RestoreLimits,
    IncidentsLimits,
):
    """Every threshold of the BZZZ checks; a Window is how long, or how much, is observed."""
