"""Every threshold of the Esper-Lite checks, with its unit and where it comes from."""

from __future__ import annotations

from systems.esper.bus.limits import BusLimits
from systems.esper.forge.limits import ForgeLimits
from systems.esper.infra.limits import InfraLimits
from systems.esper.kasmina.limits import KasminaLimits
from systems.esper.nissa.limits import NissaLimits
from systems.esper.simic.limits import SimicLimits
from systems.esper.tamiyo.limits import TamiyoLimits
from systems.esper.tolaria.limits import TolariaLimits
from systems.esper.training.limits import TrainingLimits

__all__ = ["EsperLimits"]


class EsperLimits(
    BusLimits,
    NissaLimits,
    TrainingLimits,
    TolariaLimits,
    KasminaLimits,
    TamiyoLimits,
    SimicLimits,
    ForgeLimits,
    InfraLimits,
):
    """Every threshold of the Esper-Lite checks; a Window says over how long, or how much, is looked at."""
