"""Point-in-time recovery of a base backup and archived WAL, on a separate server."""

from __future__ import annotations

import shlex
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opsverify.servers.postgres import PostgresServer, login_failure
from opsverify.servers.postgres_binaries import dropped_user, find_postgres, readable_by
from opsverify.servers.process import free_port
from opsverify.servers.server import ServerFailed
from systems.bzzz.restore.base_backup import copy_base, size_of, verify_base
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason
from systems.bzzz.restore.scratch_server import EMPTY_CLUSTER, refuse_without_space, scratch_folder
from systems.bzzz.restore.wal_archive import first_segment, following, missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path

    from opsverify.model.deadline import Deadline

__all__ = ["Instant", "RecoveredServer", "recovered"]

_ENDED_BEFORE = "recovery ended before configured recovery target was reached"


@dataclass(frozen=True, slots=True)
class Instant:
    """The recovery target: a restore point's name (pg_create_restore_point), or a time."""

    goal: str | datetime

    @property
    def setting(self) -> tuple[str, str]:
        """PostgreSQL's setting for it."""
        if isinstance(self.goal, datetime):
            return "recovery_target_time", f"{self.goal.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00"
        return "recovery_target_name", self.goal

    def __str__(self) -> str:
        return self.setting[1]


class RecoveredServer(PostgresServer):
    """A server on a copy of a base backup. Only its own user and root can connect, by its socket, as any role."""

    login = ""

    @property
    def url(self) -> str:
        """Address of its database by the socket; no password is asked for there."""
        return f"postgresql://{self.login}@/{self.database}?host={self.sockets}&port={self._port}"

    def prepare(self, wal: Path, instant: Instant) -> None:
        """Write its configuration anew, so that no setting of the source is in force and no other file is touched."""
        name, value = instant.setting
        fetch = f"cp {shlex.quote(str(wal))}/%f %p"
        settings = {
            "listen_addresses": "",
            "port": str(self._port),
            "unix_socket_directories": str(self.sockets),
            "archive_mode": "off",
            "hot_standby": "off",  # refuses logins until recovery has ended
            "restore_command": fetch,
            name: value,
            "recovery_target_action": "promote",
            "dynamic_shared_memory_type": "mmap",
            "fsync": "off",
            "shared_buffers": "64MB",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        lines = [f"{key} = '{text.replace(chr(39), chr(39) * 2)}'\n" for key, text in settings.items()]
        contents = {
            "postgresql.conf": "".join(lines),
            "postgresql.auto.conf": "",
            "pg_hba.conf": "local all all trust\n",
            "pg_ident.conf": "",
            "recovery.signal": "",
        }
        for file, content in contents.items():
            (self.data / file).write_text(content, encoding="utf-8")
            self._give(self.data / file)
        self.sockets.mkdir(mode=0o700)
        self._give(self.sockets)

    def recover(self, within: timedelta) -> None:
        """Start it, and wait until recovery has ended. Raises ServerFailed with the end of its log."""
        self.process = self._run("postgres", "-D", str(self.data))
        try:
            self.process.wait_ready(lambda: login_failure(self.url, self.data), within)
        except BaseException:
            self.kill()
            raise


@contextmanager
def recovered(
    base: Path,
    wal: Path,
    instant: Instant,
    clock: Deadline,
    *,
    login: str,
    database: str,
    origins: Sequence[str] = ("local", "wheel"),
    inside: Path | None = None,
) -> Iterator[RecoveredServer]:
    """A server recovered to that instant, on copies of the base backup and of its WAL; all removed after the block.

    `login` is a superuser of the source, `database` the one to query.

    Raises:
        NotRestored: the base backup does not match its manifest, a WAL segment is missing, or WAL ends before the instant.
        Unobservable: pg_verifybackup gave no verdict.
        ServerFailed: the server does not start for another reason.
    """
    programs, backend = find_postgres(origins)
    with scratch_folder(inside) as (guard, folder):
        copy = _archive(base, wal, folder)
        user = dropped_user()
        programs = readable_by(user, programs, guard)
        server = RecoveredServer(
            programs=programs, backend=backend, guard=guard, folder=folder, port=free_port()
        )
        server.login, server.database = login, database
        refuse_without_space(folder, 2 * size_of(base) + EMPTY_CLUSTER)
        copy_base(base, server.data, user)
        verify_base(server.data, programs / "pg_verifybackup", guard.environment(), clock.remaining)
        server.prepare(copy, instant)
        try:
            server.recover(clock.remaining)
        except ServerFailed as failed:
            raise _why(failed, instant) from None
        try:
            yield server
        finally:
            server.kill()


def _archive(base: Path, wal: Path, folder: Path) -> Path:
    """A copy of the WAL that this base backup needs. Raises NotRestored where a segment is missing or truncated."""
    label = base / "backup_label"
    first = first_segment(label.read_text(encoding="utf-8", errors="replace")) if label.is_file() else None
    if first is None:
        raise NotRestored(
            RestoreErrorReason.BASE_CORRUPT, f"{base.name} has no backup_label with a START WAL LOCATION"
        )
    needed = following([p.name for p in wal.iterdir() if p.is_file()], first)
    _refuse_a_gap(wal, [name for name in needed if len(name) == len(first)], first)
    copy = folder / "wal"
    copy.mkdir(mode=0o755)
    refuse_without_space(folder, sum((wal / n).stat().st_size for n in needed))
    for name in needed:
        shutil.copyfile(wal / name, copy / name)
        (copy / name).chmod(0o644)
    return copy


def _refuse_a_gap(wal: Path, segments: list[str], first: str) -> None:
    sizes = {name: (wal / name).stat().st_size for name in segments}
    whole = max(sizes.values(), default=0)
    gone = missing(segments, first, whole) if whole else [first]
    cut = [name for name, size in sizes.items() if size != whole]
    if gone or cut:
        broken = [f"{name} is missing" for name in gone[:5]] + [f"{name} is truncated" for name in cut[:5]]
        more = f"; the base backup needs every segment from {first} on, in {wal}"
        raise NotRestored(RestoreErrorReason.WAL_MISSING, ", ".join(broken) + more)


def _why(failed: ServerFailed, instant: Instant) -> Exception:
    if _ENDED_BEFORE in str(failed):
        message = (
            f"the archived WAL ends before {instant}: archive_command is behind, or the instant never was"
        )
        return NotRestored(RestoreErrorReason.NOT_REACHED, message)
    return failed
