"""What is tried from inside a task: whether PostgreSQL answers there."""

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
_SILENT = 124  # as timeout(1) says it
_ANSWERS = (0, 1, _SILENT)


class InsideActions(BzzzActions):
    """Acts inside tasks, and changes nothing there."""

    @action
    async def reach_postgres(self) -> Reachability:
        """Run a command inside an agent's task that connects to PostgreSQL, by its name on the network."""
        target = self._section.services
        if target is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no services")
        tasks = f"tasks.{target.postgres}"
        first = await self._reach(target.postgres_name)
        seen = Reachability(
            service=target.agent,
            command=" ".join(target.reach),
            name=target.postgres_name,
            status=first.status,
            output=bounded_text(first.output.strip(), 300),
            tasks=tasks,
        )
        if first.status == 0 or not any("{host}" in word for word in target.reach):
            return seen
        # Is it the name, or rather the virtual address behind it, that does not answer?
        second = await self._reach(tasks)
        told = bounded_text(second.output.strip(), 300)
        return seen.model_copy(update={"tasks_status": second.status, "tasks_output": told})

    async def _reach(self, host: str) -> Ran:
        target = self._section.services
        assert target is not None  # noqa: S101 -- its caller has looked
        command = [word.replace("{host}", host) for word in target.reach]
        try:
            ran = await operate_services(target).run(target.agent, command, within=_WITHIN)
        except NotEnded:
            return Ran(_SILENT, f"nothing within {_WITHIN.total_seconds():g} s")
        except ServiceFailed as error:
            told = f"{' '.join(command)} could not be run: {error}"
            raise Unobservable(ErrorKind.PRECONDITION, bounded_text(told)) from None
        if ran.status not in _ANSWERS:
            told = f"{' '.join(command)} ended with {ran.status}, which is neither 0 nor 1; is services.reach right? {ran.output.strip()}"
            raise Unobservable(ErrorKind.PRECONDITION, bounded_text(told))
        return ran
