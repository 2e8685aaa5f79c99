"""Actions inside a task: whether PostgreSQL answers there."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.operator import action
from opsverify.model.text import bounded_text
from systems.bzzz.actions import BzzzActions
from systems.bzzz.configuration.models import Reachability
from systems.bzzz.services.client import NotEnded, Ran, ServiceFailed, operate_services

__all__ = ["InsideActions"]

_WITHIN = seconds(6)
_SILENT = 124  # exit status of timeout(1)
_ANSWERS = (0, 1, _SILENT)


class InsideActions(BzzzActions):
    """Actions inside tasks that change nothing."""

    @action
    async def reach_postgres(self) -> Reachability:
        """Run a command in an agent's task that connects to PostgreSQL, by its name on the network."""
        target = self._section.services
        if target is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no services")
        tasks = f"tasks.{target.postgres}"
        first = await self._reach(target.postgres_name)
        reachability = Reachability(
            service=target.agent,
            command=" ".join(target.reach),
            name=target.postgres_name,
            status=first.status,
            output=bounded_text(first.output.strip(), 300),
            tasks=tasks,
        )
        if first.status == 0 or not any("{host}" in word for word in target.reach):
            return reachability
        # Tells a dead database from a service VIP that does not work: tasks.NAME resolves to the tasks' own addresses.
        second = await self._reach(tasks)
        output = bounded_text(second.output.strip(), 300)
        return reachability.model_copy(update={"tasks_status": second.status, "tasks_output": output})

    async def _reach(self, host: str) -> Ran:
        target = self._section.services
        assert target is not None  # noqa: S101 -- its caller has looked
        command = [word.replace("{host}", host) for word in target.reach]
        try:
            ran = await operate_services(target).run(target.agent, command, within=_WITHIN)
        except NotEnded:
            return Ran(_SILENT, f"no answer within {_WITHIN.total_seconds():g} s")
        except ServiceFailed as error:
            message = f"{' '.join(command)} could not be run: {error}"
            raise Unobservable(ErrorKind.PRECONDITION, bounded_text(message)) from None
        if ran.status not in _ANSWERS:
            message = f"{' '.join(command)} ended with status {ran.status}, neither 0 nor 1; check [bzzz.services] reach: {ran.output.strip()}"
            raise Unobservable(ErrorKind.PRECONDITION, bounded_text(message))
        return ran
