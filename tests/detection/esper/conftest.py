"""A twin of Esper-Lite for each file of faults, and the suite pointed at it as at a live target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults.infra import PrometheusKilled
from fixtures.esper.target import EsperSection
from fixtures.esper.twin.site import EsperTwin, start_twin
from opsverify.arming import Arming
from opsverify.target import ServersTable
from tests.detection.harness import Suite, as_live

if TYPE_CHECKING:
    from collections.abc import Iterator

# A run takes the twin a third of a second: what is silent for 15 s is stale, and stays in sight twice as long.
LIMITS = {"window": 1, "fresh": 15, "simic_lag": 10, "telemetry": 1000}


@pytest.fixture(scope="module")
def twin() -> Iterator[EsperTwin]:
    """One twin for all faults of a file: each must be undone so well that the next one begins in health."""
    section = EsperSection.model_validate({"limits": LIMITS})
    running = start_twin(section, ServersTable(provider="embedded"))
    if running.plant.monitoring.prometheus is not None:
        # It first looks for what to scrape some seconds after its start: only then is the twin in its steady state.
        PrometheusKilled(running, Arming(target="matrix", owned=True)).wait_scraped()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def suite(twin: EsperTwin, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The suite pointed at that twin, which it sees as a live target."""
    section, environment = as_live("esper", twin.section)
    return Suite(
        folder=tmp_path_factory.mktemp("matrix"),
        section=section,
        actions=("publish_canary",),
        environment=environment,
        lacking=frozenset() if twin.plant.monitoring.prometheus else frozenset({"E-INF-2", "E-UP-3b"}),
    )
