"""All actions on a BZZZ instance, each armed by name. Without access they raise ByHand with the commands to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from systems.bzzz.configuration.operator import InsideActions
from systems.bzzz.database.operator import DatabaseActions
from systems.bzzz.incidents.operator import IncidentActions
from systems.bzzz.monitoring.operator import MonitoringActions
from systems.bzzz.network.operator import PeersActions
from systems.bzzz.restore.operator import RestoringActions
from systems.bzzz.services.operator import ServicesActions
from systems.bzzz.services.redeploy import RedeployingActions
from systems.bzzz.storage.operator import HostsActions

if TYPE_CHECKING:
    from opsverify.model.system import Site

__all__ = ["BzzzOperator", "operate"]


class BzzzOperator(
    PeersActions,
    MonitoringActions,
    HostsActions,
    InsideActions,
    ServicesActions,
    DatabaseActions,
    RestoringActions,
    RedeployingActions,
    IncidentActions,
):
    """All actions on a BZZZ instance."""


def operate(site: Site) -> BzzzOperator:
    """The operator of a site."""
    section: Any = site.section
    return BzzzOperator(section, site.client, site.arming, site.twin)
