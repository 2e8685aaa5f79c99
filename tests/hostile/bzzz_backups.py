"""Backups that a test lays into folders, and what is judged of them."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.hostile.bzzz_looking import section, verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from systems.bzzz.section import BzzzSection

__all__ = ["DAY", "HEAD", "HOUR", "ROWS", "SOON_S", "TAIL", "WHOLE", "instead", "judged", "kept", "put"]

SOON_S = 20.0
HEAD = b"--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.18\n\n"
ROWS = b"".join(b"%d\tuser %d\n" % (n, n * 7919 % 1009) for n in range(4000))
TAIL = b"\n--\n-- PostgreSQL database dump complete\n--\n\n"
WHOLE = gzip.compress(HEAD + ROWS + TAIL, 6)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def put(path: Path, content: bytes = WHOLE, before: timedelta = HOUR) -> Path:
    """A file that was written so long ago."""
    path.write_bytes(content)
    written = time.time() - before.total_seconds()
    os.utime(path, (written, written))
    return path


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Put something else in the place of a file or folder."""

    def change(path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        make(path)

    return change


def kept(folder: Path | str, **more: Any) -> BzzzSection:
    """A target with nothing but these backups."""
    target = {"host": "local://", "folder": str(folder), "configuration": str(folder), **more}
    return section(backups=target)


async def judged(check: Callable[..., None], part: BzzzSection) -> str:
    """Its verdict; whatever it is, it comes in time."""
    begin = time.monotonic()
    seen = await verdict(check, part, deadline=SOON_S)
    assert time.monotonic() - begin < SOON_S / 2
    return seen
