"""The runbook's actions that bring services and their configuration back from the export."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.operator import ByHand, Refused, action
from opsverify.probes.blocking import in_thread
from systems.bzzz.actions import BzzzActions
from systems.bzzz.backups.export_files import NotExported, inspected, name_of, payload_of, services_of
from systems.bzzz.services.client import operate_services

if TYPE_CHECKING:
    from systems.bzzz.services.client import ServicesOperator
    from systems.bzzz.services.target import ServicesTarget

__all__ = ["RedeployingActions"]

_MOST = 16 << 20


class RedeployingActions(BzzzActions):
    """Brings services and their configuration back."""

    @action
    async def scale_agents(self, replicas: int) -> str:
        """Run so many agents (`docker service scale`); returns when so many run."""
        return await self._services_manager().scale(self._services_target().agent, replicas)

    @action
    async def export_configuration(self) -> str:
        """Export the names of secrets, configs and service definitions (runbook, "Configuration Backup")."""
        if self._twin is None:
            by_hand = 'the loops of the runbook\'s "Configuration Backup"'
            raise ByHand(by_hand, verified_by=("B-BAK-2",))
        twin: Any = self._twin
        client = self._client.services
        services, secrets = await client.services(), await client.secrets()
        configs = await client.configs()
        await in_thread(twin.stack.database.jobs.export, services, secrets, configs)
        return f"{len(services)} services, {len(secrets)} secrets by name, {len(configs)} configs"

    @action
    async def deploy_services(self) -> str:
        """Run every service but the agents as many times as the export says; the agents come last, by themselves."""
        exported = await in_thread(self._exported_replicas)
        there = {s.name: s for s in await self._client.services.services()}
        if gone := sorted(set(exported) - set(there)):
            msg = f"{', '.join(gone)} {'is' if len(gone) == 1 else 'are'} not known to the manager: deploy the stack first"
            raise Refused(msg)
        done = [
            await self._services_manager().scale(name, replicas)
            for name, replicas in sorted(exported.items())
            if name != self._services_target().agent and there[name].desired != replicas
        ]
        return "; ".join(done) or "every service but the agents runs as the export says"

    @action
    async def restore_configuration(self) -> str:
        """Give every service the configs of the export again, where it has others; no manager tells a secret's payload."""
        exported = await in_thread(self._exported_configs)
        now = await self._client.services.configs()
        stamp, done = f"{datetime.now(UTC):%Y%m%d%H%M%S}", list[str]()
        for service in await self._client.services.services():
            for old in dict.fromkeys(service.configs.values()):
                name = _exported_name(old, exported)
                if name is None or now.get(old) == exported[name]:
                    continue
                new = f"{name}_{stamp}_{len(done) + 1}"
                payload = exported[name]
                done.append(
                    await self._services_manager().replace_config(
                        service.name, old=old, new=new, payload=payload
                    )
                )
        return "; ".join(done) or f"every service has the configs of the export: {', '.join(exported)}"

    def _services_target(self) -> ServicesTarget:
        if self._section.services is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no services")
        return self._section.services

    def _services_manager(self) -> ServicesOperator:
        return operate_services(self._services_target())

    def _export(self) -> tuple[Any, str]:
        from opsverify.probes.host import HostReader  # noqa: PLC0415 -- only who restores reads a host

        backups = self._section.backups
        if backups is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no backups")
        return HostReader(backups), backups.configuration

    def _exported_replicas(self) -> dict[str, int]:
        reader, folder = self._export()
        try:
            services = services_of(reader.page(f"{folder}/services.json", 0, _MOST))
        except NotExported as damaged:
            msg = f"services.json: {damaged}; see B-BAK-2"
            raise Refused(msg) from None
        return {name: service.replicas for name, service in services.items() if service.replicas}

    def _exported_configs(self) -> dict[str, bytes]:
        reader, folder = self._export()
        found = {}
        for file in sorted(reader.names(f"{folder}/configs")):
            try:
                for config in inspected(reader.page(f"{folder}/configs/{file}", 0, _MOST)):
                    found[name_of(config)] = payload_of(config)
            except NotExported as damaged:
                msg = f"configs/{file}: {damaged}; see B-BAK-2"
                raise Refused(msg) from None
        if missing := sorted(name for name, payload in found.items() if payload is None):
            msg = f"the export holds no payload of {', '.join(missing)}; see B-BAK-2"
            raise Refused(msg)
        return {name: payload for name, payload in found.items() if payload is not None}


def _exported_name(name: str, exported: dict[str, bytes]) -> str | None:
    """Which exported config a service's config is, or was made from: the same name, or one with something after it."""
    fitting = [e for e in exported if name == e or name.startswith(f"{e}_")]
    return max(fitting, key=len, default=None)
