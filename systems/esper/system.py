"""Makes Esper-Lite known to the engine."""

from __future__ import annotations

from functools import partial

import pytest

from opsverify.model.deadline import seconds
from opsverify.model.observation import collect
from opsverify.model.system import System, lazily
from systems.esper.section import EsperSection

__all__ = ["ESPER"]


ESPER = System(
    name="esper",
    title="Esper-Lite, the ML training control loop",
    subsystems=("tolaria", "kasmina", "tamiyo", "oona", "nissa", "urza", "simic", "leyline", "infra"),
    section=EsperSection,
    connect=lazily("systems.esper.client:open_esper"),
    operate=lazily("systems.esper.operator:operate"),
    start_twin=lazily("fixtures.esper.twin.site:start_twin"),
    declares=partial(collect, "systems.esper"),
    steady_within=seconds(30),
    questions=lazily("systems.esper.preflight:questions"),
    faults=lazily("fixtures.esper.faults:FAULTS"),
)


@pytest.hookimpl
def pytest_opsverify_system() -> System:
    """Esper-Lite."""
    return ESPER
