"""The runbook's actions on Esper-Lite, each armed by name. Where the real program has no way in, it says what a person does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from systems.esper.actions import TrimRefused
from systems.esper.bus.operator import BusActions
from systems.esper.forge.operator import ForgeActions
from systems.esper.nissa.operator import ServiceActions
from systems.esper.training.operator import TrainingActions

if TYPE_CHECKING:
    from opsverify.model.system import Site

__all__ = ["EsperOperator", "TrimRefused", "operate"]


class EsperOperator(BusActions, TrainingActions, ServiceActions, ForgeActions):
    """Acts on an Esper-Lite instance (runbook 3 to 6)."""


def operate(site: Site) -> EsperOperator:
    """The operator of a site."""
    section: Any = site.section
    return EsperOperator(section, site.client, site.arming, site.twin)
