"""Base backups: verification by the manifest, and a copy to recover from."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from opsverify.model.observation import ErrorKind, Unobservable
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from pathlib import Path

__all__ = ["copy_base", "size_of", "verify_base"]

_GOOD = "backup successfully verified"
_MOST = 400


def verify_base(base: Path, program: Path, environment: Mapping[str, str], within: timedelta) -> None:
    """Check every file of a base backup against its manifest, by pg_verifybackup's messages: a crash has an exit status
    too.

    Raises:
        NotRestored: a file does not match the manifest; which one.
        Unobservable: the program gave no verdict.
    """
    if not (base / "backup_manifest").is_file():
        message = f"{base.name} has no backup_manifest: it is no base backup, or an incomplete one"
        raise NotRestored(RestoreErrorReason.BASE_CORRUPT, message)
    try:
        done = subprocess.run(
            [program, base],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within.total_seconds(),
            env={**environment, "LC_ALL": "C"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"pg_verifybackup did not finish within {within.total_seconds():g} s"
        raise Unobservable(ErrorKind.SILENT, message) from None
    words = " ".join(f"{done.stderr} {done.stdout}".split())
    if done.returncode == 0 and _GOOD in words:
        return
    if done.returncode == 1 and "error:" in words:
        raise NotRestored(RestoreErrorReason.BASE_CORRUPT, words[:_MOST])
    message = f"pg_verifybackup ended with status {done.returncode} without a verdict: {words[:_MOST] or 'no output'}"
    raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(
        os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118 -- many files
        for where, _, names in os.walk(folder)
        for name in names
    )


def copy_base(base: Path, data: Path, user: str | None) -> None:
    """Copy a base backup to a data folder of `user`.

    Raises:
        NotRestored: it has tablespaces, whose links point to the source's files.
    """
    spaces = base / "pg_tblspc"
    if spaces.is_dir() and (linked := sorted(p.name for p in spaces.iterdir())):
        message = f"tablespaces {', '.join(linked)} lie outside of the base backup; recover it by hand with pg_basebackup --tablespace-mapping"
        raise NotRestored(RestoreErrorReason.TABLESPACES, message)
    shutil.copytree(base, data)
    data.chmod(0o700)
    if user is not None:
        for where, _, names in os.walk(data):
            shutil.chown(where, user)
            for name in names:
                shutil.chown(os.path.join(where, name), user)  # noqa: PTH118
