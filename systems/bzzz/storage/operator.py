"""Actions on hosts: cleaning up disks, and writing a probe file to the storage."""

from __future__ import annotations

import asyncio
import secrets
import shlex
from datetime import timedelta
from posixpath import join

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.operator import ByHand, action
from opsverify.model.text import bounded_text
from opsverify.probes.blocking import in_thread
from systems.bzzz.actions import BzzzActions
from systems.bzzz.host_client import within

__all__ = ["HostsActions"]

_WRITING = timedelta(seconds=4)
# Never overwrites a file (set -C).
_WRITE = 'set -C; printf %s "$2" >"$1" || exit 9; got=$(cat -- "$1") || exit 8; rm -- "$1" || exit 7; [ "$got" = "$2" ] || exit 6'
_WHY = {
    9: "cannot be written",
    8: "cannot be read back",
    7: "cannot be removed again",
    6: "reads back with other content",
}


class HostsActions(BzzzActions):
    """Actions on hosts."""

    @action
    async def write_probe(self) -> dict[str, str]:
        """Write a small hidden file to each path of the storage, read it back, and remove it; what failed, by path."""
        target = self._section.storage
        if target is None:
            msg = "the target configures no storage; add [bzzz.storage] host"
            raise ByHand(msg)
        results = {}
        for path in target.paths:
            results[path] = await self._written(path)
        return results

    async def _written(self, path: str) -> str:
        target = self._section.storage
        assert target is not None  # noqa: S101 - looked at above
        text = secrets.token_hex(16)
        file = join(path, f"{target.probe}-{text[:12]}")
        try:
            async with asyncio.timeout(_WRITING.total_seconds()):
                done = await in_thread(within, target, _WRITE, file, text)
        except TimeoutError:
            return f"hangs: no answer in {_WRITING.seconds} s; {file} may be left there"
        except Unobservable as silent:
            if silent.kind is not ErrorKind.SILENT:
                raise
            return f"hangs: {silent.seen}; {file} may be left there"
        if done.status == 0:
            return ""
        why = _WHY.get(done.status, f"status {done.status}")
        return bounded_text(f"{why}: {done.errors.strip() or 'no error message'}", 200)

    @action
    async def clean_up(self, node: str) -> str:
        """Remove temporary files and empty the log of the agent on a node (runbook: disk full)."""
        target, program = self._section.services, [*self._section.peers.program, "clean-up"]
        if target is None or self._twin is None:
            files = (
                " and ".join(self._section.nodes[node].logs) if node in self._section.nodes else "its logs"
            )
            msg = f"decide by hand which files to remove: on {shlex.quote(node)} check {files}, then run docker system prune"
            raise ByHand(msg, verified_by=("B-HOST-1d", "B-CAP-1", "B-STO-1b"))
        from systems.bzzz.services.client import operate_services  # noqa: PLC0415 -- only what is asked for is loaded

        done = await operate_services(target).run(
            target.agent, program, within=timedelta(seconds=15), node=node
        )
        return f"clean-up on {node} exited with status {done.status}: {bounded_text(done.output, 200)}"
