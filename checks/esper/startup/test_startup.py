"""Startup procedures of the runbook (3.1 to 3.4): the state that each one leaves, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.bus.criteria import server
from checks.esper.bus.criteria import streams as bus
from checks.esper.forge import criteria as files
from checks.esper.infra import criteria as infra
from checks.esper.nissa import criteria as nissa
from checks.esper.startup.criteria import in_order
from checks.esper.tolaria import criteria as tolaria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Bracketed, Observation
    from systems.esper.bus.models import Consumption, Flow, QueueState, RedisStatus, ServiceGroups
    from systems.esper.forge.models import Forge, Library, ReportLog
    from systems.esper.infra.models import Scraping
    from systems.esper.limits import EsperLimits
    from systems.esper.nissa.models import NissaHealth, NissaMetrics
    from systems.esper.training.models import TolariaHealth, TolariaRun

LOOP = '3.1 "Tolaria + Kasmina + Tamiyo (Control Loop)"'
BUS = '3.2 "Oona Message Bus"'
NISSA = '3.3 "Nissa Observability Stack"'
FORGE = '3.4 "Tezzeret Forge + Urza Library"'


@pytest.mark.check(
    id="E-UP-1",
    severity="P1",
    profiles="smoke",
    subsystem="tolaria",
    runbook=LOOP,
    next_step="resume at the failing step; its own check says what to do. Start the control loop last: after Redis, groups and Nissa",
)
def test_the_control_loop_was_started(
    bus_server: Observation[Bracketed[RedisStatus]],
    service_groups: Observation[ServiceGroups],
    tolaria_run: Observation[TolariaRun],
    stream_flow: Observation[Flow],
    report_log: Observation[ReportLog],
    tolaria_health: Observation[TolariaHealth],
    limits: EsperLimits,
) -> None:
    """Redis runs, the consumer groups exist, Tolaria publishes, nothing is rerouted, field reports are written, and health is reported."""
    verify(
        *in_order(
            ("Redis would accept writes", server.accepts_writes(bus_server.value.last)),
            ("the consumer groups exist", bus.groups_exist(service_groups.value)),
            ("Tolaria publishes", tolaria.loss_is_finite(tolaria_run.value, limits)),
            ("nothing is rerouted", bus.emergency_low_and_still(stream_flow.value, limits)),
            ("Tamiyo writes field reports", files.log_is_whole(report_log.value)),
            ("Tolaria reports system_health", tolaria.feels_well(tolaria_health.value, limits)),
        )
    )


@pytest.mark.check(
    id="E-UP-2",
    severity="P1",
    profiles="smoke",
    subsystem="oona",
    runbook=BUS,
    next_step="resume at the failing step. A group named ops, as in the runbook's commands, helps no service: start Nissa before the producers",
)
def test_the_bus_was_started(
    bus_server: Observation[Bracketed[RedisStatus]],
    service_groups: Observation[ServiceGroups],
    normal_queue: Observation[QueueState],
    limits: EsperLimits,
) -> None:
    """Redis runs, the services' consumer groups exist on their streams, and the queue is below its thresholds."""
    verify(
        *in_order(
            ("Redis would accept writes", server.accepts_writes(bus_server.value.last)),
            ("the consumer groups exist on their streams", bus.groups_exist(service_groups.value)),
            ("the queue is below the reroute band", bus.not_in_reroute_band(normal_queue.value, limits)),
            ("the queue is below the drop threshold", bus.not_at_drop(normal_queue.value, limits)),
        )
    )


@pytest.mark.check(
    id="E-UP-3",
    severity="P1",
    profiles="smoke",
    subsystem="nissa",
    runbook=NISSA,
    next_step="resume at the failing step. HTTP 200 from /healthz only says that the process is alive: its groups have to advance",
)
def test_nissa_was_started(
    service_groups: Observation[ServiceGroups],
    nissa_health: Observation[NissaHealth],
    nissa_metrics: Observation[NissaMetrics],
    consumer_progress: Observation[Consumption],
    limits: EsperLimits,
) -> None:
    """Nissa has its groups, answers, exposes its series, and keeps up with what is published."""
    verify(
        *in_order(
            ("Nissa has created its consumer groups", bus.groups_exist(service_groups.value)),
            ("Nissa answers", nissa.healthz_ok(nissa_health.value)),
            ("Nissa exposes its series", nissa.metrics_exposed(nissa_metrics.value)),
            ("Nissa keeps up", bus.keeps_up(consumer_progress.value, limits)),
        )
    )


@pytest.mark.check(
    id="E-UP-3b",
    severity="P1",
    profiles="smoke",
    subsystem="nissa",
    runbook=NISSA,
    next_step="Nissa exposes its series, but Prometheus does not scrape them: see Status > Targets, the job, and the network path to port 9100",
)
def test_nissas_scrape_was_confirmed(
    nissa_metrics: Observation[NissaMetrics], scraping: Observation[Scraping], limits: EsperLimits
) -> None:
    """Nissa exposes its series, and Prometheus scrapes them."""
    targets = scraping.value
    verify(
        *in_order(
            ("Nissa exposes its series", nissa.metrics_exposed(nissa_metrics.value)),
            ("Prometheus has the job", infra.job_configured(targets)),
            ("Prometheus scrapes it", infra.scraped(targets, limits)),
            ("the scrape returns Nissa's series", infra.brings_nissas_series(targets)),
        )
    )


@pytest.mark.check(
    id="E-UP-4",
    severity="P1",
    profiles="smoke",
    subsystem="urza",
    runbook=FORGE,
    next_step="resume at the failing step: run the forge again, it resumes with the pending blueprints",
)
def test_the_forge_has_run(forge: Observation[Forge], library: Observation[Library]) -> None:
    """The forge ran to its end, left no WAL behind, and its library has an artifact for each blueprint."""
    verify(
        *in_order(
            ("the forge ran to its end", files.nothing_pending(forge.value)),
            ("no WAL is left behind", files.nothing_left_behind(forge.value)),
            ("each blueprint has its artifact", files.library_matches_artifacts(library.value)),
        )
    )
