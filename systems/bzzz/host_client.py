"""Read-only client of the hosts: storage, log files and kernel settings, through a local shell or ssh."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from opsverify.probes.blocking import in_thread
from systems.bzzz.logs.models import LogFile, NodeLogs
from systems.bzzz.published.models import LARGEST
from systems.bzzz.storage.models import StoragePath, StorageState
from systems.bzzz.storage.mounts import Mount, holding, mounts, trouble_of

if TYPE_CHECKING:
    from opsverify.probes.host import CommandOutput, HostReader
    from systems.bzzz.network.target import NodeTarget
    from systems.bzzz.section import BzzzSection
    from systems.bzzz.storage.target import StorageTarget

__all__ = ["HostsClient", "reach", "within"]

_LOOK = timedelta(seconds=3)
_MOST_MOUNTS = 1024 * 1024
_MOST_FILES = 1024 * 1024
_ON_DEMAND = "autofs"
_MOUNTS = 'head -c "$1" /proc/self/mounts'
# One script: between two of them the NFS server may go away.
_PATH = (
    'cd -- "$1" && ls -A >/dev/null && stat -f -c "%S %b %a" . && { test -w . && echo writable || echo not; }'
)
# NUL-terminated: a file name may contain anything else. Largest first, so that `head` drops the smallest.
_FILES = 'find "$@" -xdev -type f -printf "%s %p\\0" | sort -zrn | head -c "$most"'
_LOGS = (
    'printf "\\0"; most=$1; shift; for each; do test -d "$each" || printf "missing %s\\0" "$each"; done; '
    + _FILES
)
_SYSCTL = 'for each; do printf "%s " "$each"; cat "/proc/sys/$(echo "$each" | tr . /)" || echo; done'
_SIZES = re.compile(r"(\d{1,20}) (\d{1,20}) (\d{1,20})")
_FILE = re.compile(r"(\d{1,20}) (/.*)", re.DOTALL)
_SETTING = re.compile(r"([a-z_.]{1,80}) (\d{1,20})")
_RIGHTS = {"writable": True, "not": False}
_OF_THE_PATH = (1, 2)  # exit statuses of cd, ls and stat for a path that they cannot read
# The file was rotated away while find ran; missing folders are reported separately.
_GONE = re.compile(r"find: .*: No such file or directory")


class _Reached(NamedTuple):
    """A host as `opsverify.probes.host` wants it."""

    host: str
    ssh_config: str | None
    identity_file: str | None


def reach(host: str, ssh_config: str | None, identity_file: str | None) -> HostReader:
    """A host's reader. testinfra is loaded only where a host is asked."""
    from opsverify.probes.host import HostReader  # noqa: PLC0415

    return HostReader(_Reached(host, ssh_config, identity_file))


def within(target: StorageTarget, script: str, *arguments: str) -> CommandOutput:
    """Run a script where the services see the storage."""
    record_source(" ".join([target.host, *target.enter, script, *arguments]))
    reader = reach(target.host, target.ssh_config, target.identity_file)
    return reader.ask('exec "$@"', *target.enter, "sh", "-c", script, "opsverify", *arguments, within=_LOOK)


class HostsClient:
    """Reads hosts. Every method raises Unobservable; none waits for a file system that hangs."""

    def __init__(self, section: BzzzSection) -> None:
        self._section = section

    @property
    def _storage(self) -> StorageTarget:
        if self._section.storage is None:
            raise Unobservable(
                ErrorKind.PRECONDITION, "the target configures no storage; add [bzzz.storage] host"
            )
        return self._section.storage

    async def storage(self) -> StorageState:
        """The mount table, then each path by itself, so that one that hangs does not block the others."""
        target = self._storage
        known = await self._mounts(target)
        paths = await asyncio.gather(
            *(self._path(target, path, holding(path, known)) for path in target.paths)
        )
        if any(path.type == _ON_DEMAND for path in paths):  # autofs mounts the file system on first access
            known = await self._mounts(target)
            paths = [_in(holding(path.path, known), path) for path in paths]
        return StorageState(host=target.host, types=target.types, needed=target.paths, paths=tuple(paths))

    async def _mounts(self, target: StorageTarget) -> list[Mount]:
        table = await in_thread(within, target, _MOUNTS, str(_MOST_MOUNTS))
        if table.status:
            raise _refused(target, table)
        if not 0 < len(table.output) < _MOST_MOUNTS:
            message = f"{target.host}: /proc/self/mounts has {len(table.output)} bytes, of at most {_MOST_MOUNTS - 1}"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
        return mounts(table.output.decode("utf-8", "replace"))

    async def _path(self, target: StorageTarget, path: str, mount: Mount) -> StoragePath:
        of = {"mount": "", "type": "", "device": "", "options": ()}
        state = _in(mount, StoragePath(path=path, **of, trouble="", writable=False, size=0, free=0))
        try:
            # A process that waits for a dead NFS server cannot be killed: its thread is abandoned.
            async with asyncio.timeout((_LOOK + timedelta(seconds=1)).total_seconds()):
                answer = await in_thread(within, target, _PATH, path)
        except TimeoutError:
            return state.model_copy(update={"trouble": "hangs", "told": f"no answer in {_LOOK.seconds} s"})
        except Unobservable as silent:
            if silent.kind is not ErrorKind.SILENT:
                raise
            return state.model_copy(update={"trouble": "hangs", "told": silent.seen})
        if answer.status in _OF_THE_PATH:
            why = answer.errors.strip() or f"status {answer.status}"
            return state.model_copy(update={"trouble": trouble_of(why), "told": bounded_text(why, 200)})
        if answer.status:
            raise _refused(target, answer)
        # A login shell may have printed lines before.
        *_, first, last = ["", *answer.output.decode("utf-8", "replace").removesuffix("\n").split("\n")]
        sizes = _SIZES.fullmatch(first)
        if sizes is None or last not in _RIGHTS:
            shown = f"{target.host}: {path}: no free space and rights in {answer.output[-200:]!r}"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, bounded_text(shown))
        block, blocks, free = map(int, sizes.groups())
        return state.model_copy(
            update={"writable": _RIGHTS[last], "size": block * blocks, "free": block * free}
        )

    async def logs(self) -> tuple[NodeLogs, ...]:
        """The log files of each node that has a shell."""
        nodes = {name: node for name, node in self._section.nodes.items() if node.shell}
        return tuple(await asyncio.gather(*(self._logs(name, node) for name, node in nodes.items())))

    async def _logs(self, name: str, node: NodeTarget) -> NodeLogs:
        empty = NodeLogs(node=name, folders=node.logs, size=0, count=0, largest=(), missing=(), trouble="")
        try:
            answer = await in_thread(_ask, node, _LOGS, str(_MOST_FILES), *node.logs)
        except Unobservable as trouble:
            return empty.model_copy(update={"trouble": str(trouble)})
        # Before the first NUL is a login shell's own output, after the last one nothing.
        listed = answer.output.decode("utf-8", "replace").split("\0")[1:-1]
        missing = tuple(line[8:] for line in listed if line.startswith("missing /"))
        files = [f for f in map(_FILE.fullmatch, listed) if f]
        return empty.model_copy(
            update={
                "size": sum(int(f[1]) for f in files),
                "count": len(files),
                "largest": tuple(
                    LogFile(path=bounded_text(f[2], 200), size=int(f[1])) for f in files[:LARGEST]
                ),
                "missing": missing,
                "trouble": _why_incomplete(answer, strange=len(listed) - len(files) - len(missing)),
            }
        )

    async def sysctls(self, *names: str) -> dict[str, dict[str, int]]:
        """Settings of the kernel by node, of the nodes that have a shell."""
        nodes = {name: node for name, node in self._section.nodes.items() if node.shell}
        answers = await asyncio.gather(*(in_thread(_ask, node, _SYSCTL, *names) for node in nodes.values()))
        return {name: _settings(answer) for name, answer in zip(nodes, answers, strict=True)}


def _in(mount: Mount, path: StoragePath) -> StoragePath:
    """The path with this mount's fields."""
    of = {"mount": mount.at, "type": mount.type, "device": mount.device, "options": mount.options}
    return path.model_copy(update=of)


def _refused(target: StorageTarget, answer: CommandOutput) -> Unobservable:
    """The error of a script that was not run, by the shell, ssh or `enter` that refused it."""
    reader = reach(target.host, target.ssh_config, target.identity_file)
    return reader.trouble(answer.errors.strip() or f"status {answer.status}")


def _why_incomplete(answer: CommandOutput, *, strange: int) -> str:
    """Why the list of files is incomplete; empty where it is complete."""
    complaints = [line for line in answer.errors.splitlines() if line.strip() and not _GONE.fullmatch(line)]
    if complaints:
        return bounded_text("; ".join(complaints), 200)
    if len(answer.output) >= _MOST_FILES:
        return f"the list of files exceeds {_MOST_FILES} bytes"
    if answer.status or not answer.output or strange:
        return f"find exited with status {answer.status}, {strange} lines name no file"
    return ""


def _settings(answer: CommandOutput) -> dict[str, int]:
    lines = map(_SETTING.fullmatch, answer.output.decode("utf-8", "replace").splitlines())
    return {matches[1]: int(matches[2]) for matches in lines if matches}


def _ask(node: NodeTarget, script: str, *arguments: str) -> CommandOutput:
    record_source(" ".join([str(node.shell), script, *arguments]))
    return reach(str(node.shell), node.ssh_config, node.identity_file).ask(script, *arguments, within=_LOOK)
