"""The runbook's actions on State Hub, each armed by name. On a live target most of them say what a person has to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.operator import ByHand, Operator, action
from opsverify.probes.http import open_poster

if TYPE_CHECKING:
    from opsverify.model.arming import Arming
    from opsverify.model.system import Site, Twin
    from opsverify.probes.http import Reply
    from systems.statehub.section import StateHubSection

__all__ = ["StateHubOperator", "operate"]

_NAMESPACE = "kubectl -n activity-core"


class StateHubOperator(Operator):
    """Acts on a State Hub. `twin` is None on a live target."""

    def __init__(self, section: StateHubSection, arming: Arming, twin: Twin | None = None) -> None:
        super().__init__(arming)
        self._section, self._twin = section, twin

    @action
    async def post_sweep(self) -> Reply:
        """Request one sweep through the bridge, with the canary's budget; never retried.

        Raises:
            Unobservable: no reply of a sweep. After silent, reset and server-error the sweep may run all the same.
        """
        if self._section.bridge is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no bridge")
        limits, source = self._section.limits, self._section.schedule.canary_source
        body = {"max_seconds": int(limits.canary.value)} | ({"source": source} if source else {})
        url = f"{self._section.bridge.url}/consistency/sweep/remote-all"
        within = limits.canary.duration + limits.canary_slack.duration
        async with open_poster() as http:
            return await http.post(url, body, answers={200}, within=within)

    @action
    async def start_api(self) -> str:
        """Start State Hub's API on the workstation again."""
        return self._do(
            "start_api",
            "the runbook has no command to start State Hub: start its API on the workstation (port 8000) by hand",
        )

    @action
    async def connect_tunnel(self) -> str:
        """Bring the ops-bridge tunnel up again."""
        return self._do(
            "connect_tunnel",
            "in ops-bridge, connect the tunnel state-hub-railiance01, and wait until it is `connected`",
        )

    @action
    async def sync_definitions(self) -> str:
        """Apply the runtime manifest, and have the job actcore-sync bring its definitions into PostgreSQL."""
        manifest = "kubectl apply -f ~/activity-core/k8s/railiance/20-runtime.yaml"
        return self._do(
            "sync_definitions",
            f"on Railiance01, KUBECONFIG=~/.kube/config-hosteurope: {manifest} && "
            f"{_NAMESPACE} delete job actcore-sync --ignore-not-found && {manifest} && "
            f"{_NAMESPACE} wait --for=condition=complete job/actcore-sync --timeout=180s",
        )

    @action
    async def reconcile_schedules(self) -> str:
        """Have the worker reconcile Temporal's schedules with the definitions."""
        return self._do(
            "reconcile_schedules",
            f"on Railiance01: {_NAMESPACE} exec deploy/actcore-worker -- python -m activity_core.sync_schedules",
        )

    @action
    async def restart_worker(self) -> str:
        """Restart activity-core's worker."""
        return self._do(
            "restart_worker", f"on Railiance01: {_NAMESPACE} rollout restart deploy/actcore-worker"
        )

    @action
    async def enable_local_timer(self) -> str:
        """Enable the archived local timer: in an emergency only."""
        return self._do(
            "enable_local_timer",
            "on the workstation, per infra/systemd/archived/README.md: restore the units, then "
            "systemctl --user enable --now custodian-sync.timer (without --user if they are system units)",
        )

    @action
    async def disable_local_timer(self) -> str:
        """Disable the local timer again: the cluster must be the only scheduler."""
        return self._do(
            "disable_local_timer",
            "on the workstation: systemctl --user disable --now custodian-sync.timer "
            "(without --user if it is a system unit), and archive the units again",
        )

    def _do(self, what: str, by_hand: str) -> str:
        if self._twin is None:
            raise ByHand(by_hand)
        return str(getattr(self._twin, what)())


def operate(site: Site) -> StateHubOperator:
    """The operator of a site."""
    section: Any = site.section
    return StateHubOperator(section, site.arming, site.twin)
