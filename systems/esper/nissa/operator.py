"""Actions on Nissa and the other services (runbook 3.3, 4 "Oona")."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from opsverify.model.operator import ByHand, action
from opsverify.probes.blocking import in_thread
from systems.esper.actions import EsperActions

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Service", "ServiceActions"]

# The services run under whatever their operators chose: the suite cannot restart them, and must not guess how.
_RESTART: Mapping[str, str] = {
    "nissa": "restart esper-nissa-service where it runs (it creates its missing groups at start); while it is down nothing is ingested",
    "trainer": "stop the training process and start it again, after Nissa: run_demo does not resume, it starts over",
    "redis": "restart the Redis container (docker compose restart redis): without persistence this loses all streams and groups",
    "forge": "let the forge end, or press Ctrl-C in its process: its WAL keeps the pending blueprints; run it again to resume",
    "prometheus": "restart Prometheus where it runs (docker compose restart prometheus)",
}
_VERIFIES: Mapping[str, tuple[str, ...]] = {
    "nissa": ("E-NIS-1", "E-OON-1", "E-NIS-4"),
    "trainer": ("E-OON-4", "E-NIS-4"),
    "redis": ("E-INF-1", "E-OON-1"),
    "forge": ("E-URZ-1", "E-URZ-2"),
    "prometheus": ("E-INF-2",),
}


Service = Literal["redis", "nissa", "trainer", "forge", "prometheus"]


class ServiceActions(EsperActions):
    """Scale consumers; stop, start and restart services; archive logs."""

    @action
    async def restart_service(self, service: Service) -> str:
        """End a service and start it again; Nissa creates its missing consumer groups at its start."""
        if self._twin is None:
            msg = _RESTART[service]
            raise ByHand(msg, verified_by=_VERIFIES[service])
        return str(self._twin.restart(service))  # type: ignore[attr-defined]

    @action
    async def stop_service(self, service: Service) -> str:
        """Stop a service as Ctrl-C does (runbook 6); returns the status it ended with."""
        if self._twin is None:
            msg = f"stop {service} where it runs (Ctrl-C, or SIGINT): producers before Nissa, Nissa before Redis"
            raise ByHand(msg)
        return str(await in_thread(self._twin.end, service))  # type: ignore[attr-defined]

    @action
    async def start_service(self, service: Service) -> str:
        """Start a service that has ended (runbook 3)."""
        if self._twin is None:
            msg = f"start {service} where it runs: Redis before Nissa, Nissa before producers"
            raise ByHand(msg, verified_by=_VERIFIES[service])
        return str(await in_thread(self._twin.begin, service))  # type: ignore[attr-defined]

    @action
    async def archive_logs(self, destination: str) -> str:
        """Pack var/tamiyo and var/urza into an archive for the post-mortem (runbook 6)."""
        if self._twin is None:
            root = self._section.files.root if self._section.files else "the program's working directory"
            msg = f"the suite does not write to files of a live host: tar -C {shlex.quote(root)} -czf {shlex.quote(destination)} var/tamiyo var/urza"
            raise ByHand(msg)
        return str(await in_thread(self._twin.archive_logs, Path(destination)))  # type: ignore[attr-defined]

    @action
    async def release_consumers(self) -> str:
        """Stop the consumers that were started in addition to Nissa."""
        if self._twin is None:
            msg = "stop each extra esper-nissa-service that was started in the group nissa-service; leave Nissa itself running"
            raise ByHand(msg, verified_by=("E-OON-5", "E-NIS-4"))
        return str(self._twin.release())  # type: ignore[attr-defined]

    @action
    async def scale_consumers(self, consumer: str) -> str:
        """Start one more consumer in Nissa's group."""
        if self._twin is None:
            msg = "Nissa has no scaling of its own: start another esper-nissa-service in the group nissa-service on another host"
            raise ByHand(msg, verified_by=("E-OON-5",))
        return str(self._twin.scale(consumer))  # type: ignore[attr-defined]
