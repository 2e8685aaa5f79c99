"""Kasmina, the keeper of seeds: isolation and kernel fetches. The real program publishes neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.kasmina import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.esper.limits import EsperLimits
    from systems.esper.training.models import Isolation, Kernels

KASMINA = '4 "Kasmina"'


@pytest.mark.check(
    id="E-KAS-1",
    severity="P0",
    profiles="smoke canary incident",
    alert="kasmina_isolation_violation",
    runbook=KASMINA,
    next_step="stale: see E-TOL-1; otherwise cull the seed that breaks its isolation (SEED_OP_CULL), check that the counter no longer rises, then acknowledge its value in [esper.isolation]",
)
def test_no_seed_breaks_its_isolation(isolation: Observation[Isolation], limits: EsperLimits) -> None:
    """Kasmina counts no isolation violation beyond those that somebody has acknowledged."""
    verify(criteria.isolation_kept(isolation.value, limits))


@pytest.mark.check(
    id="E-KAS-2",
    severity="P2",
    profiles="smoke canary",
    runbook=KASMINA,
    next_step="fallback: is the blueprint in the library and its artifact intact (E-URZ-3)? Run the forge again; slow: look at the library's disk",
)
def test_kernels_are_fetched_in_time(kernels: Observation[Kernels], limits: EsperLimits) -> None:
    """Kasmina fetches its kernels within budget, and uses no fallback."""
    verify(criteria.kernels_in_time(kernels.value, limits))
