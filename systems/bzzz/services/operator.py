"""The runbook's actions on services ("Service Management", "Configuration Management")."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from opsverify.model.operator import ByHand, Refused, action
from opsverify.model.table import EnvSecret
from systems.bzzz.actions import BzzzActions
from systems.bzzz.services.baseline import Accepted, write_accepted
from systems.bzzz.services.target import ExpectedService

__all__ = ["ServicesActions"]

_RUN = ("B-SWM-1",)


class ServicesActions(BzzzActions):
    """Acts on services, through their manager."""

    @action
    async def restart_service(self, service: str) -> str:
        """Restart every task of a service, one after the other: docker service update --force."""
        manager, _ = self._manager(f"docker service update --force {service}", _RUN)
        return await manager.restart(service)

    @action
    async def scale_service(self, service: str, replicas: int) -> str:
        """Have a service run another number of tasks: docker service scale."""
        manager, _ = self._manager(f"docker service scale {service}={replicas}", _RUN)
        return await manager.scale(service, replicas)

    @action
    async def update_service(self, service: str, image: str) -> str:
        """Update a service to another image by its own update settings; says how that ended, also where it rolled back."""
        manager, _ = self._manager(f"docker service update --image {image} {service}", (*_RUN, "B-SWM-2"))
        return await manager.update(service, image=image)

    @action
    async def rotate_secret(self, service: str, old: str, new: str, payload_env: EnvSecret) -> str:
        """Give a service the secret NEW, made from an environment variable, under the name inside that OLD had.

        The runbook adds it under its own name, which no program looks for: a departure.
        """
        by_hand = f"docker secret create {new} -; docker service update --secret-rm {old} --secret-add source={new},target={old} {service}"
        manager, _ = self._manager(by_hand, (*_RUN, "B-CFG-1"))
        payload = payload_env.get_secret_value().encode()
        return await manager.replace_secret(service, old=old, new=new, payload=payload)

    @action
    async def replace_config(self, service: str, old: str, new: str, content: str) -> str:
        """Give a service the config NEW with this content in the place of OLD; one of that name and content is used."""
        by_hand = f"docker config create {new} FILE; docker service update --config-rm {old} --config-add source={new},target=/app/config/config.yaml {service}"
        manager, _ = self._manager(by_hand, (*_RUN, "B-CFG-1"))
        there, payload = (await self._client.services.configs()).get(new), content.encode()
        if there is not None and there != payload:
            msg = (
                f"there is a config {new} with another content, and none can be changed: give it another name"
            )
            raise Refused(msg)
        return await manager.replace_config(
            service, old=old, new=new, payload=payload if there is None else None
        )

    @action
    async def set_database_password(self, password_env: EnvSecret) -> str:
        """Set the password of BZZZ's own role in PostgreSQL: ALTER ROLE, before the services get the new secret."""
        twin: Any = self._twin
        if twin is None:
            msg = "as a superuser: psql -d bzzz_v2 -c '\\password bzzz'; then rotate_secret for every service that uses the old one"
            raise ByHand(msg, verified_by=("B-DB-1", "B-API-2"))
        return str(twin.stack.database.set_password(password_env.get_secret_value()))

    @action
    async def accept_services(self) -> str:
        """Write down what runs now, replicas and images, as what should run: B-SWM-1 compares with it."""
        target = self._section.services
        if target is None:
            msg = "the target names no service manager, so there is nothing to accept"
            raise Refused(msg)
        services = await self._client.services.services()
        unsettled = [s.name for s in services if len(s.running) != s.desired or not s.desired]
        if unsettled:
            msg = f"{', '.join(unsettled)} does not run as it is specified; accept when it does"
            raise Refused(msg)
        accepted = {s.name: ExpectedService(replicas=s.desired, image=s.running[0].image) for s in services}
        path = write_accepted(target, Accepted(at=datetime.now(UTC), services=accepted))
        return f"{len(accepted)} services written to {path}"
