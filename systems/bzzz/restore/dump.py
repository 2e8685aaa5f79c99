"""What a dump says of itself: at its head which server and encoding it is of, at its end that it is whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason

__all__ = ["HEAD", "TAIL", "Head", "read_head", "refuse_unless_fit", "whole_tail"]

HEAD, TAIL = 16384, 4096
"""Bytes that are looked at before the first, and held back until the last is known to be there."""
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
    """What the first bytes of a dump (uncompressed) say. Raises NotRestored: empty, not-a-dump, cluster-dump."""
    if not first.strip():
        raise NotRestored(RestoreErrorReason.EMPTY, f"the dump holds nothing ({len(first)} bytes)")
    if first.startswith(_MAGIC):
        return Head("custom", 0, _UTF8, first)
    if _CLUSTER in first[:200]:
        raise NotRestored(
            RestoreErrorReason.CLUSTER_DUMP,
            "a dump of pg_dumpall, not of one database; the runbook's is pg_dump's",
        )
    if _PLAIN not in first[:200].replace(b"\r\n", b"\n"):
        raise NotRestored(
            RestoreErrorReason.NOT_A_DUMP, f"it does not begin as pg_dump's dumps do, but with {first[:60]!r}"
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
        told = f"taken from PostgreSQL {head.major}, and the scratch server is {server_major}; install {head.major} here"
        raise NotRestored(RestoreErrorReason.OTHER_VERSION, told)


def whole_tail(head: Head, tail: bytes) -> bytes:
    """The last bytes as they are to be sent, if they are the end of a whole dump. Raises NotRestored (truncated)."""
    if head.kind == "custom":
        return tail  # pg_restore itself finds where it is cut
    before, closing, after = tail.rpartition(_CLOSING)
    lines = [line.strip() for line in _UNRESTRICT.sub(b"", after).splitlines()]
    if not closing or any(line not in {b"", b"--"} for line in lines):
        raise NotRestored(
            RestoreErrorReason.TRUNCATED,
            "pg_dump's closing line is missing: it broke off while the dump was written",
        )
    return before + closing + b"\n"
