"""Activity-core in Kubernetes: deployments, the sync job, and the worker's route to State Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.kubernetes import criteria as cluster_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.statehub.kubernetes.models import Deployments, Route, SyncJob
    from systems.statehub.limits import StateHubLimits

SECTION = '"Schedule Check"'


@pytest.mark.check(
    id="S-K8S-1",
    severity="P1",
    profiles="smoke canary incident",
    runbook=SECTION,
    next_step="kubectl -n activity-core describe pod (the named ones); another image ID: import the image again, then restart worker, api and event router",
)
def test_deployments_run_one_image(deployments: Observation[Deployments]) -> None:
    """Worker, API and event router are available and run the same build of the expected image."""
    verify(cluster_criteria.one_image(deployments.value))


@pytest.mark.check(
    id="S-K8S-1b",
    severity="P1",
    profiles="smoke canary incident",
    runbook=SECTION,
    next_step="kubectl -n activity-core logs job/actcore-sync; then delete the job and apply the runtime manifest again",
)
def test_definitions_were_synced(sync_job: Observation[SyncJob], limits: StateHubLimits) -> None:
    """The job actcore-sync has completed, or the definition that it wrote is not too old."""
    verify(cluster_criteria.synced(sync_job.value, sync_job.at, limits))


@pytest.mark.check(
    id="S-K8S-2",
    severity="P1",
    profiles="smoke canary",
    runbook='"API Surface"',
    next_step="kubectl -n activity-core get endpointslices (of the bridge service); is the proxy's pod up, and is the tunnel connected?",
)
def test_the_worker_points_to_the_bridge(worker_route: Observation[Route]) -> None:
    """The worker's STATE_HUB_URL points to the bridge service, which has ready endpoints."""
    verify(cluster_criteria.points_to_the_bridge(worker_route.value))


@pytest.mark.check(
    id="S-K8S-2b",
    severity="P1",
    profiles="smoke canary",
    runbook=SECTION,
    next_step="somebody changed the live objects by hand: apply the runtime manifest again, or update the manifest",
)
def test_what_runs_is_the_manifest(applied_manifest: Observation[Deployments]) -> None:
    """The live deployments equal the manifest that was applied last."""
    verify(cluster_criteria.applied(applied_manifest.value))
