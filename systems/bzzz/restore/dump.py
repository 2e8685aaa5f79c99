"""Head and tail of a dump: server version and encoding at its head, completeness at its end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason

__all__ = ["HEAD", "TAIL", "Head", "read_head", "refuse_unless_fit", "whole_tail"]

HEAD, TAIL = 16384, 4096
"""Bytes that are read before anything is sent, and bytes that are held back until the dump's end was read."""
_MAGIC = b"PGDMP"
_PLAIN = b"-- PostgreSQL database dump\n"
_CLUSTER = b"-- PostgreSQL database cluster dump"
_CLOSING = b"-- PostgreSQL database dump complete"
_OF_SERVER = re.compile(rb"^-- Dumped from database version (\d+)", re.MULTILINE)
_ENCODING = re.compile(rb"^SET client_encoding = '([\w-]{1,40})';", re.MULTILINE)
_RESTRICT = re.compile(rb"^\\restrict (\w{1,128})\r?\n", re.MULTILINE)
_UNRESTRICT = re.compile(rb"^\\unrestrict \w{1,128}\r?\n?", re.MULTILINE)
_CLIENT_ONLY = {"BIG5", "GB18030", "GBK", "JOHAB", "SJIS", "SHIFT_JIS_2004", "UHC"}
_UTF8 = "UTF8"


@dataclass(frozen=True, slots=True)
class Head:
    """A dump by its first bytes.

    `major` is the version of the server that it was taken from, 0 where it does not say; `encoding` the one that a
    database for it has to have; `first` are those bytes, without psql's restriction that pg_dump has put there.
    """

    kind: Literal["plain", "custom"]
    major: int
    encoding: str
    first: bytes


def read_head(first: bytes) -> Head:
    """Parse the first bytes of a dump (uncompressed). Raises NotRestored: empty, not-a-dump, cluster-dump."""
    if not first.strip():
        raise NotRestored(RestoreErrorReason.EMPTY, f"the dump is empty ({len(first)} bytes)")
    if first.startswith(_MAGIC):
        return Head("custom", 0, _UTF8, first)
    if _CLUSTER in first[:200]:
        raise NotRestored(
            RestoreErrorReason.CLUSTER_DUMP,
            "made by pg_dumpall, not pg_dump: it is of a cluster, not of one database",
        )
    if _PLAIN not in first[:200].replace(b"\r\n", b"\n"):
        raise NotRestored(
            RestoreErrorReason.NOT_A_DUMP, f"it does not begin with pg_dump's header, but with {first[:60]!r}"
        )
    version, encoding = _OF_SERVER.search(first), _ENCODING.search(first)
    named = encoding.group(1).decode().upper() if encoding else _UTF8
    return Head(
        "plain",
        int(version.group(1)) if version else 0,
        _UTF8 if named in _CLIENT_ONLY else named,
        _RESTRICT.sub(b"", first, count=1),
    )


def refuse_unless_fit(head: Head, server_major: int) -> None:
    """Raise NotRestored (other-version) for a dump of a newer server than the scratch one: only older ones can be read."""
    if head.major > server_major:
        message = f"dumped from PostgreSQL {head.major}, but the scratch server is {server_major}; install PostgreSQL {head.major} here"
        raise NotRestored(RestoreErrorReason.OTHER_VERSION, message)


def whole_tail(head: Head, tail: bytes) -> bytes:
    """The last bytes to send, if they are the end of a complete dump. Raises NotRestored (truncated)."""
    if head.kind == "custom":
        return tail  # pg_restore itself detects a truncated file
    before, closing, after = tail.rpartition(_CLOSING)
    lines = [line.strip() for line in _UNRESTRICT.sub(b"", after).splitlines()]
    if not closing or any(line not in {b"", b"--"} for line in lines):
        raise NotRestored(
            RestoreErrorReason.TRUNCATED,
            "pg_dump's closing line is missing: pg_dump did not finish",
        )
    return before + closing + b"\n"
