"""The cluster of a State Hub target."""

from __future__ import annotations

import re

from pydantic import field_validator

from opsverify.target.file import Table

__all__ = ["KubernetesTarget"]
_LABEL = re.compile(r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")


class KubernetesTarget(Table):
    """The cluster that activity-core runs in, by a kubeconfig, and the names of its objects there (runbook, "Schedule
    Check").

    `bridge_config` is the ConfigMap of the bridge's proxy and `bridge_timeout` the setting in it that limits how long a
    request may take; both are assumed.
    """

    kubeconfig: str
    context: str | None = None
    namespace: str = "activity-core"
    job: str = "actcore-sync"
    worker: str = "actcore-worker"
    api: str = "actcore-api"
    event_router: str = "actcore-event-router"
    image: str = "activity-core:railiance01-prod"
    bridge_service: str = "actcore-state-hub-bridge"
    bridge_variable: str = "STATE_HUB_URL"
    bridge_config: str = "actcore-state-hub-bridge"
    bridge_timeout: str = "proxy_read_timeout"

    @field_validator("namespace", "job", "worker", "api", "event_router", "bridge_service", "bridge_config")
    @classmethod
    def _label(cls, name: str) -> str:
        if not _LABEL.match(name):
            msg = f"found {name[:70]!r}; must be the name of an object in Kubernetes (a-z, 0-9, - and .)"
            raise ValueError(msg)
        return name

    @property
    def deployments(self) -> tuple[str, ...]:
        """The three deployments that run the same image."""
        return self.worker, self.api, self.event_router
