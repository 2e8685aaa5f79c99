"""Actions on incidents that belong to no other area: the agents' network, and their disks."""

from __future__ import annotations

from opsverify.model.operator import ByHand, action
from systems.bzzz.actions import BzzzActions
from systems.bzzz.services.client import ServiceFailed, operate_services

__all__ = ["IncidentActions"]

_NETWORK = (
    "docker network disconnect bzzz-internal $(docker ps -q -f name=bzzz-agent), then docker network connect"
)
_DISK = "docker exec $(docker ps -q -f name=bzzz-agent) rm -rf /app/data/tmp, on every node; rotate the logs"
_CLEAN = 'rm -rf -- "${BZZZ_DATA:-/app/data}/tmp"'


class IncidentActions(BzzzActions):
    """Actions on the agents' network and disks."""

    @action
    async def restart_networking(self) -> str:
        """Disconnect the agents from their network, and connect them again."""
        target = self._section.services
        if target is None:
            raise ByHand(_NETWORK, verified_by=("B-NET-1", "B-P2P-1"))
        manager = operate_services(target)
        off = await manager.disconnect(target.agent, target.network)
        done = f"{off}; {await manager.connect(target.agent, target.network)}"
        lost = [name for network in await self._client.services.networks() for name in network.unlisted]
        if lost:  # connecting alone does not make the service's name resolve to its tasks again
            done += f"; {', '.join(lost)} not resolved by name: {await manager.restart(target.agent)}"
        return done

    @action
    async def clean_up_disks(self) -> str:
        """Remove the temporary files of every agent."""
        target = self._section.services
        if target is None:
            raise ByHand(_DISK, verified_by=("B-STO-1", "B-CAP-1"))
        manager, done = operate_services(target), []
        for node in self._section.nodes:
            ran = await manager.run(
                target.agent, ("sh", "-c", _CLEAN), within=self._section.limits.command.duration, node=node
            )
            if ran.status != 0:
                msg = f"{node}: status {ran.status}, {ran.output.strip()[:300]}"
                raise ServiceFailed(msg)
            done.append(node)
        return f"temporary files removed on {', '.join(done)}"
