"""Store of dumps in an S3-compatible bucket, under a prefix: objects are streamed, and never kept here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import shutil
import subprocess
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsverify.model.deadline import Deadline, seconds
from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.probes.host import FileEntry, Listing
from systems.bzzz.backups.dumps import ENDING, HEAD, by_its_ends, by_its_list, damage, version_in
from systems.bzzz.backups.models import DumpRead
from systems.bzzz.backups.stores.s3_transport import CHUNK, open_store
from systems.bzzz.backups.stores.store import GROWN, Checksum
from systems.bzzz.backups.stores.target import s3_address
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason
from systems.bzzz.restore.stream import Bounds, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from systems.bzzz.backups.models import DumpFile
    from systems.bzzz.backups.stores.target import S3Target
    from systems.bzzz.restore.stream import Source, Stream

__all__ = ["S3Place"]

_LISTED = seconds(30)
_MOST_PAGES = 100
"""Of a listing, each of at most 1000 names."""
_SHORT = seconds(30)
_LIST = 8 << 20
"""Bytes of a custom dump in which its table of contents is looked for."""
_DIGEST_SIZE = 32


class S3Place:
    """The objects under a prefix of a bucket, without those of a deeper one. `programs` is where pg_restore is, here."""

    def __init__(self, folder: str, store: S3Target, programs: str | None) -> None:
        self._address, self._store, self._programs = s3_address(folder), store, programs
        self._folder = folder
        self.name = folder + (f" at {store.endpoint}" if store.endpoint else "")

    def listing(self) -> Listing:
        """The objects under the prefix, by the store's clock. A prefix without objects is an empty folder."""
        bucket, prefix = self._address.bucket, self._address.prefix
        record_source(f"ListObjectsV2 {self.name}")
        entries, at, pages = list[FileEntry](), None, 0
        with open_store(self.name, self._store, Deadline(_LISTED)) as client:
            listed = client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, Delimiter="/"
            )
            for page in listed:
                pages += 1
                if "IsTruncated" not in page:
                    message = f"{self.name} does not answer as S3 does: the reply is no listing"
                    raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
                if pages > _MOST_PAGES:
                    raise Unobservable(
                        ErrorKind.UNEXPECTED_REPLY,
                        f"{self.name} holds more than {_MOST_PAGES} pages of names",
                    )
                at = self._clock_of(page)
                entries += [self._entry(one) for one in page.get("Contents", ()) if one.get("Key") != prefix]
        if at is None:
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{self.name} returned no page of a listing")
        return Listing(self._folder, at, tuple(sorted(entries, key=lambda each: each.name)))

    def _clock_of(self, reply: Any) -> datetime:
        date = reply["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            return parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            message = f"{self.name} sends no valid Date header: {date[:40]!r}"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None

    def _entry(self, one: Any) -> FileEntry:
        key, size, written = one["Key"], one["Size"], one["LastModified"]
        if not key.startswith(self._address.prefix) or size < 0 or written.tzinfo is None:
            message = (
                f"{self.name} does not answer as S3 does: it lists {key[:60]!r} of {size} bytes, {written}"
            )
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
        name = key.removeprefix(self._address.prefix)
        return FileEntry(name, folder=False, regular=True, size=size, written=written)

    def read(self, dump: DumpFile, within: timedelta) -> DumpRead:
        """Read a dump to its end, through gzip or pg_restore of this machine."""
        if dump.form == "custom":
            return self._listed(dump, within)
        environment = {**os.environ, "LC_ALL": "C"}
        bounds = Bounds(Deadline(within), Path("/"), leave_free=0)  # nothing is written
        begin, end = b"", b""
        try:
            with stream_of(self.source(dump, within), compressed=True, environment=environment) as stream:
                for data in _all_of(stream, bounds):
                    begin = (begin + data)[:HEAD] if len(begin) < HEAD else begin
                    end = (end + data)[-ENDING:]
        except NotRestored as refused:
            problem = damage(refused.message)
            if problem is None:
                kind = (
                    ErrorKind.SILENT
                    if refused.reason is RestoreErrorReason.TOO_SLOW
                    else ErrorKind.UNEXPECTED_REPLY
                )
                raise Unobservable(kind, f"{dump.path}: {refused.message}") from None
            return DumpRead(problem=problem, told=refused.message[:300], version=version_in(begin))
        return by_its_ends(begin, end)

    def _listed(self, dump: DumpFile, within: timedelta) -> DumpRead:
        paths = os.pathsep.join([self._programs or "", os.environ.get("PATH", "")]).lstrip(os.pathsep)
        program = shutil.which("pg_restore", path=paths)
        if program is None:
            message = "this machine has no pg_restore in its PATH; name its folder: [bzzz.backups] programs"
            raise Unobservable(ErrorKind.PRECONDITION, message)
        record_source(f"GetObject {dump.path}; pg_restore --list")
        first = b""
        for data in self._chunks(dump.path, Deadline(within)):
            first += data if len(first) < _LIST else b""
        done = subprocess.run(
            [program, "--list"],
            input=first,
            capture_output=True,
            timeout=_SHORT.total_seconds(),
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        stderr = done.stderr.decode(errors="replace").strip()
        read = by_its_list(done.stdout[:HEAD], stderr)
        if read is None or (read.problem and len(first) < dump.size):
            message = (
                f"{dump.path}: pg_restore --list does not read its first {len(first)} bytes: {stderr[:200]}"
            )
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
        return read

    def checksum(self, name: str, within: timedelta) -> Checksum:
        """SHA-256 that the store keeps of the whole object, checked when it was uploaded; else of the content, read.

        An ETag is not looked at: it is no checksum of the content where that was uploaded in parts, or encrypted.
        """
        record_source(f"HeadObject {self._folder}/{name}")
        clock = Deadline(within)
        with open_store(f"{self._folder}/{name}", self._store, clock) as client:
            head = client.head_object(
                Bucket=self._address.bucket, Key=self._address.prefix + name, ChecksumMode="ENABLED"
            )
        kept = _whole_digest(head.get("ChecksumSHA256", ""), head.get("ChecksumType", ""))
        if kept:
            return Checksum(kept, "kept by the store since the upload")
        record_source(f"GetObject {self._folder}/{name}")
        read = hashlib.sha256()
        for data in self._chunks(f"{self._folder}/{name}", clock):
            read.update(data)
        return Checksum(read.hexdigest(), "of the content, read from the store")

    def beginning(self, name: str, most: int) -> bytes:
        """The first bytes of an object."""
        record_source(f"GetObject {self._folder}/{name}")
        first = b""
        for data in self._chunks(f"{self._folder}/{name}", Deadline(_SHORT)):
            first += data
            if len(first) >= most:
                break
        return first[:most]

    def source(self, dump: DumpFile, within: timedelta) -> Source:
        """A stream of the object."""
        record_source(f"GetObject {dump.path}")
        return partial(self._chunks, dump.path, Deadline(within))

    def unpacked(self, dump: DumpFile) -> int:
        """A multiple of its size, where it is compressed."""
        return dump.size * GROWN if dump.form == "gzip" else dump.size

    def _chunks(self, path: str, clock: Deadline) -> Iterator[bytes]:
        """The content in small pieces. Raises Unobservable where the transfer does not come to its end."""
        key = self._address.prefix + path.removeprefix(f"{self._folder}/")
        with open_store(path, self._store, clock) as client:
            body = client.get_object(Bucket=self._address.bucket, Key=key)["Body"]
            try:
                while data := body.read(CHUNK):
                    yield data
            finally:
                body.close()


def _all_of(stream: Stream, bounds: Bounds) -> Iterator[bytes]:
    while data := stream.read(bounds):
        yield data
        bounds.look()
    stream.ended_well()


def _whole_digest(kept: str, kind: str) -> str:
    """SHA-256 in hexadecimal digits where the store keeps one of the whole object, "" where of its parts, or none."""
    if kind == "COMPOSITE" or "-" in kept:
        return ""
    try:
        digest = base64.b64decode(kept, validate=True)
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == _DIGEST_SIZE else ""
