"""Makes State Hub known to the engine."""

from __future__ import annotations

from functools import partial

import pytest

from opsverify.model.deadline import seconds
from opsverify.model.observation import collect
from opsverify.model.system import System, lazily
from systems.statehub.section import StateHubSection

__all__ = ["STATEHUB"]


STATEHUB = System(
    name="statehub",
    title="State Hub, the 15-minute consistency sweep",
    subsystems=("api", "schedule", "progress", "activity", "kubernetes", "tunnel", "timer"),
    section=StateHubSection,
    connect=lazily("systems.statehub.client:open_statehub"),
    operate=lazily("systems.statehub.operator:operate"),
    start_twin=lazily("fixtures.statehub.twin.site:start_twin"),
    declares=partial(collect, "systems.statehub"),
    steady_within=seconds(30),
    questions=lazily("systems.statehub.preflight:questions"),
    faults=lazily("fixtures.statehub.faults:FAULTS"),
)


@pytest.hookimpl
def pytest_opsverify_system() -> System:
    """State Hub."""
    return STATEHUB
