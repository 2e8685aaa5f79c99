"""Decoders of the forge's write-ahead logs and artifacts. Pure: bytes to their content, or to why they are invalid."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import Any

from opsverify.model.text import bounded_text
from systems.esper.forge.models import ForgeWal, LeftWal

__all__ = ["artifact_problem", "forge_wal", "left_wal"]

_MOST_UNPACKED = 64 * 1024 * 1024
_MOST_MEMBERS = 10_000
_MOST_PENDING = 1000
_SHOWN = 60


def forge_wal(path: str, content: bytes | None) -> ForgeWal:
    """The forge's WAL, `{"pending": [ids]}`; None is a file that is not there.

    The program treats an unreadable one as empty and starts over; here it is a problem.
    """
    if content is None:
        return ForgeWal(path=path, present=False, problem="", pending=())
    document, problem = _object(content)
    pending = document.get("pending")
    if problem:
        pending = []
    elif not isinstance(pending, list) or not all(isinstance(each, str) for each in pending):
        value = "no pending" if "pending" not in document else f"pending is {_shown(pending)}"
        problem, pending = f"it has no list of pending ids: {value}", []
    elif len(pending) > _MOST_PENDING:
        problem, pending = f"{len(pending)} pending ids are more than any catalogue has", []
    ids = tuple(bounded_text(each, _SHOWN) for each in pending)
    return ForgeWal(path=path, present=True, problem=problem, pending=ids)


def left_wal(path: str, content: bytes | None) -> LeftWal:
    """The compiler's or the library's WAL: an object that names its `blueprint_id`; None is a file that is not there."""
    if content is None:
        return LeftWal(path=path, present=False, problem="", blueprint="")
    document, problem = _object(content)
    blueprint = document.get("blueprint_id")
    if not problem and not isinstance(blueprint, str):
        problem = (
            "it names no blueprint_id"
            if "blueprint_id" not in document
            else f"blueprint_id is {_shown(blueprint)}"
        )
    named = "" if problem else bounded_text(str(blueprint), _SHOWN)
    return LeftWal(path=path, present=True, problem=problem, blueprint=named)


def artifact_problem(content: bytes) -> str:
    """Why these bytes are not an intact artifact (a zip archive with valid checksums), or "". It is never unpickled."""
    if not content:
        return "it is empty (0 bytes)"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if not members:
                return "the archive is empty"
            if len(members) > _MOST_MEMBERS or sum(m.file_size for m in members) > _MOST_UNPACKED:
                return f"it would unpack to more than {_MOST_UNPACKED >> 20} MiB: no kernel of this program"
            wrong = archive.testzip()
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OSError,
    ) as error:
        # The errors of zipfile for an invalid directory, member, stream or method.
        return bounded_text(f"damaged zip archive: {error}", 200)
    return bounded_text(f"the checksum of {wrong} is wrong", 200) if wrong else ""


def _object(content: bytes) -> tuple[dict[str, Any], str]:
    if not content.strip():
        return {}, f"it is empty ({len(content)} bytes): it was torn while it was written"
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        return {}, bounded_text(f"it is not JSON ({error}): {content[:_SHOWN]!r}", 200)
    if not isinstance(document, dict):
        return {}, f"it is not an object: {_shown(document)}"
    return document, ""


def _shown(value: Any) -> str:
    return bounded_text(repr(value), _SHOWN)
