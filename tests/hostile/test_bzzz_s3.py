"""Stores that refuse, hang, send elsewhere, or do not speak S3: each has its verdict, and no dump is called damaged for it."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import hashlib
import os
import threading
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.backups.test_backups import test_the_newest_dump_is_young_and_whole as newest_dump_is_whole
from checks.bzzz.backups.test_backups import test_the_offsite_copy_is_the_same as offsite_is_the_same
from opsverify.model.deadline import seconds
from opsverify.model.observation import Unobservable
from opsverify.servers.process import free_port
from systems.bzzz.backups import dumps
from systems.bzzz.backups.stores import open_dumps, s3
from systems.bzzz.backups.stores import s3_transport as s3_way
from systems.bzzz.backups.stores.target import S3Target
from systems.bzzz.restore.restore_test import restore_newest
from tests.hostile.bzzz_looking import DEADLINE, PATIENT, section
from tests.hostile.bzzz_looking import patient_outcome as outcome
from tests.hostile.bzzz_looking import patient_verdict as verdict
from tests.hostile.servers import (
    LOOPBACK,
    MIB,
    Act,
    Stage,
    closes,
    drips,
    endless,
    page,
    resets,
    silent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from systems.bzzz.section import BzzzSection
    from tests.hostile.servers import Play

pytestmark = pytest.mark.slow

XML = "application/xml"
WRITTEN = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"
NAME = f"bzzz_{datetime.now(UTC):%Y%m%d_%H%M%S}.sql.gz"
PLAIN = b"-- PostgreSQL database dump\n" + b"-- x\n" * 4000 + b"-- PostgreSQL database dump complete\n"
DUMP = gzip.compress(PLAIN)
SPOILT = DUMP[:100] + bytes(200) + os.urandom(4 * MIB)
SECRET = "planted-secret-of-the-store"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's own credentials are found, a store is asked once, and what a test makes is not being written."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(s3_way, "_TRIES", 1)
    monkeypatch.setattr(dumps, "WRITING", timedelta(0))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Hold the servers of a test."""
    with Stage() as own:
        yield own


def settings(endpoint: str, **more: Any) -> S3Target:
    """How a store is reached, and who asks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S3_TEST_KEY", "AKIDTEST")
        patch.setenv("S3_TEST_SECRET", SECRET)
        given = {"access_key_env": "S3_TEST_KEY", "secret_key_env": "S3_TEST_SECRET", "region": "eu-north-1"}
        return S3Target.model_validate(given | {"endpoint": endpoint} | more)


def target(endpoint: str, **more: Any) -> BzzzSection:
    """A target whose dumps are in a store at this address."""
    own = {} if "s3" in more else {"s3": settings(endpoint)}
    return section(backups={"host": "local://", "folder": "s3://backups/bzzz"} | own | more)


def listing(
    *,
    name: str = f"bzzz/{NAME}",
    size: object = len(DUMP),
    written: str = WRITTEN,
    more: str = "",
    kind: str = "STANDARD",
) -> bytes:
    """A page of a listing that names one object."""
    one = f"<Contents><Key>{name}</Key><LastModified>{written}</LastModified><Size>{size}</Size><StorageClass>{kind}</StorageClass></Contents>"
    return f'<?xml version="1.0"?><ListBucketResult><Name>backups</Name><IsTruncated>{"true" if more else "false"}</IsTruncated>{one}{more}</ListBucketResult>'.encode()


def dated(body: bytes, *, status: int = 200, kind: str = XML, headers: tuple[str, ...] = ()) -> Act:
    """A page with the server's clock."""
    date = f"Date: {format_datetime(datetime.now(UTC), usegmt=True)}"
    return page(body, status=status, kind=kind, headers=(date, *headers))


def refusal(code: str, status: int, *headers: str, message: str = "because") -> Act:
    """An error as S3 says it."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return dated(body, status=status, headers=headers)


def store(
    lists: Act | None = None, gets: Act | None = None, heads: Act | None = None, seen: list[str] | None = None
) -> Play:
    """A store that is well but for these acts; one request a connection."""
    whole = dated(DUMP, kind="application/gzip")

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if seen is not None:
            seen.append(head)
        method, path = head.split(" ")[:2]
        act = gets or whole
        if method == "HEAD":
            act = heads or dated(b"", headers=(f"Content-Length: {len(DUMP)}",))
        elif "list-type=2" in path:
            act = lists or dated(listing())
        await act(writer)
        await writer.drain()

    return play


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (c + 1, b"&%c;" % c * 10) for c in range(ord("a"), ord("i")))
    + b"]><ListBucketResult><IsTruncated>false</IsTruncated><Name>&i;</Name></ListBucketResult>"
)


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        pytest.param(refusal("AccessDenied", 403), "denied", id="access denied"),
        pytest.param(refusal("ExpiredToken", 400), "denied", id="credentials expired"),
        pytest.param(refusal("SignatureDoesNotMatch", 403), "denied", id="wrong secret"),
        pytest.param(refusal("RequestTimeTooSkewed", 403), "precondition", id="clock skew"),
        pytest.param(refusal("NoSuchBucket", 404), "precondition", id="no such bucket"),
        pytest.param(
            refusal("PermanentRedirect", 301, "x-amz-bucket-region: mars-1"),
            "precondition",
            id="another region",
        ),
        pytest.param(
            refusal("TemporaryRedirect", 307, "Location: http://127.0.0.1:1/"), "precondition", id="307"
        ),
        pytest.param(refusal("AuthorizationHeaderMalformed", 400), "precondition", id="wrong signing region"),
        pytest.param(refusal("SlowDown", 503), "server-error", id="slow down"),
        pytest.param(refusal("InternalError", 500), "server-error", id="internal error"),
        pytest.param(refusal("NeverHeardOf", 418), "unexpected-reply", id="unknown code"),
        pytest.param(page(b"<html>502</html>", status=502, kind="text/html"), "server-error", id="HTML 502"),
        pytest.param(page(b"<html>login<br>", kind="text/html"), "unexpected-reply", id="HTML 200"),
        pytest.param(page(b"<html><body/></html>", kind="text/html"), "unexpected-reply", id="XHTML 200"),
        pytest.param(page(b"<html>no</html>", status=403, kind="text/html"), "denied", id="HTML 403"),
        pytest.param(page(b"{}"), "unexpected-reply", id="JSON"),
        pytest.param(dated(b""), "unexpected-reply", id="nothing"),
        pytest.param(dated(BOMB), "unexpected-reply", id="entities that grow"),
        pytest.param(page(listing(), kind=XML), "unexpected-reply", id="no clock"),
        pytest.param(
            page(listing(), kind=XML, headers=("Date: tomorrow",)),
            "unexpected-reply",
            id="a clock that is none",
        ),
        pytest.param(dated(listing(size="many")), "unexpected-reply", id="size is a word"),
        pytest.param(dated(listing(size=-7)), "unexpected-reply", id="size below zero"),
        pytest.param(dated(listing(written="soon")), "unexpected-reply", id="time is a word"),
        pytest.param(dated(listing(name=f"elsewhere/{NAME}")), "unexpected-reply", id="of another prefix"),
        pytest.param(dated(listing().replace(b"Size>", b"Sise>")), "unexpected-reply", id="no size"),
        pytest.param(dated(listing()[:-30]), "unexpected-reply", id="cut"),
        pytest.param(
            dated(listing(more="<NextContinuationToken>same</NextContinuationToken>")),
            "unexpected-reply",
            id="the same page for ever",
        ),
        pytest.param(endless(b"<Contents>" + b" " * 65536, kind=XML), "unexpected-reply", id="endless"),
        pytest.param(drips(listing(), kind=XML), "silent", id="drips"),
    ],
)
async def test_each_refusal_and_each_nonsense_has_its_verdict(
    stage: Stage, lists: Act, expected: str
) -> None:
    """A store that cannot be listed is UNKNOWN, for dumps as for copies, and never says that there is no dump."""
    part = target(stage.http(store(lists)), offsite="s3://backups/copies")
    deadline = DEADLINE if expected == "silent" else PATIENT
    concluded = await outcome(newest_dump_is_whole, part, deadline=deadline)
    assert f"{concluded.verdict} {concluded.reason}" == f"UNKNOWN {expected}", concluded
    assert SECRET not in str(concluded)
    assert await verdict(offsite_is_the_same, part, deadline=deadline) == f"UNKNOWN {expected}"


@pytest.mark.parametrize(
    ("play", "expected"),
    [(silent, "silent"), (closes, "reset"), (resets, "reset"), (None, "refused")],
    ids=["silent", "closes", "resets", "refuses"],
)
async def test_an_endpoint_that_does_not_serve(stage: Stage, play: Play | None, expected: str) -> None:
    """An endpoint that hangs, closes, resets or refuses is UNKNOWN, within the deadline."""
    endpoint = f"http://{LOOPBACK}:{free_port()}" if play is None else stage.http(play)
    begin = time.monotonic()
    assert await verdict(newest_dump_is_whole, target(endpoint), deadline=DEADLINE) == f"UNKNOWN {expected}"
    assert time.monotonic() - begin < DEADLINE + 1.5


async def test_a_reply_that_was_left_half_way_holds_no_connection(stage: Stage) -> None:
    """The store sees its connection end as soon as enough was read, and not when the collector comes by."""
    cut = threading.Event()
    send = endless(b"<Contents>" + b" " * 65536, kind=XML)

    async def until_cut(writer: asyncio.StreamWriter) -> None:
        try:
            await send(writer)
        finally:
            cut.set()

    gc.disable()
    try:
        part = target(stage.http(store(until_cut)))
        assert await verdict(newest_dump_is_whole, part) == "UNKNOWN unexpected-reply"
        assert cut.wait(5)
    finally:
        gc.enable()


async def test_what_is_not_http_or_has_no_name(stage: Stage, tmp_path: Path) -> None:
    """A server of another protocol, a name that nobody knows, no credentials, and no authorities are told apart."""
    garbage = stage.http(lambda *streams: _says(b"SSH-2.0-OpenSSH_9.2\r\n", *streams))
    assert await verdict(newest_dump_is_whole, target(garbage)) == "UNKNOWN unexpected-reply"
    assert (
        await verdict(newest_dump_is_whole, target("http://store.invalid:9000")) == "UNKNOWN name-not-found"
    )
    nobody = {"s3": {"endpoint": stage.http(store())}}
    assert await verdict(newest_dump_is_whole, target("", **nobody)) == "UNKNOWN credential-missing"
    profile = {"s3": {"endpoint": stage.http(store()), "profile": "nowhere"}}
    assert await verdict(newest_dump_is_whole, target("", **profile)) == "UNKNOWN credential-missing"
    (tmp_path / "empty.pem").touch()
    for ca_file in ("/nowhere/ca.pem", str(tmp_path / "empty.pem")):
        concluded = await outcome(newest_dump_is_whole, target("", s3=settings(garbage, ca_file=ca_file)))
        assert concluded.reason == "precondition"
        assert ca_file in concluded.explanation


async def _says(raw: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    writer.write(raw)
    await writer.drain()


async def test_a_redirect_is_not_followed_to_another_host(stage: Stage) -> None:
    """Whatever a store sends us to, no request and no signature goes to another host."""
    elsewhere: list[str] = []
    other = stage.http(store(seen=elsewhere))
    for status in (301, 302, 307):
        moved = refusal(
            "PermanentRedirect", status, f"Location: {other}/backups", "x-amz-bucket-region: mars-1"
        )
        concluded = await outcome(newest_dump_is_whole, target(stage.http(store(moved))))
        assert concluded.reason == "precondition"
    assert elsewhere == []
    assert "mars-1" in str(concluded)


async def test_the_stores_own_word_to_try_again_is_taken(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that says SlowDown once, and then answers, is no trouble."""
    monkeypatch.setattr(s3_way, "_TRIES", 3)
    answers: list[Act] = [refusal("SlowDown", 503)]

    async def first_slow(writer: asyncio.StreamWriter) -> None:
        await (answers.pop() if answers else dated(listing()))(writer)

    assert (await verdict(newest_dump_is_whole, target(stage.http(store(first_slow))))).startswith("PASS")


async def test_a_listing_without_end_is_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that always has one more page is UNKNOWN after as many as are looked at."""
    monkeypatch.setattr(s3, "_MOST_PAGES", 7)
    asked: list[str] = []

    async def one_more(writer: asyncio.StreamWriter) -> None:
        token = f"<NextContinuationToken>{len(asked)}</NextContinuationToken>"
        await dated(listing(more=token))(writer)

    part = target(stage.http(store(one_more, seen=asked)))
    assert await verdict(newest_dump_is_whole, part) == "UNKNOWN unexpected-reply"
    assert len(asked) <= 8


@pytest.mark.parametrize(
    ("gets", "expected"),
    [
        pytest.param(refusal("InvalidObjectState", 403), "UNKNOWN precondition", id="in GLACIER"),
        pytest.param(refusal("AccessDenied", 403), "UNKNOWN denied", id="listed and not read"),
        pytest.param(refusal("NoSuchKey", 404), "UNKNOWN precondition", id="gone meanwhile"),
        pytest.param(
            dated(DUMP[:-50], headers=(f"Content-Length: {len(DUMP)}",)), "UNKNOWN reset", id="transfer cut"
        ),
        pytest.param(
            dated(b"", headers=(f"Content-Length: {len(DUMP)}",)), "UNKNOWN reset", id="transfer never begun"
        ),
        pytest.param(dated(DUMP[:-50]), "FAIL truncated", id="object cut"),
        pytest.param(dated(SPOILT), "FAIL damaged", id="damaged early in a large object"),
        pytest.param(dated(b"<html></html>", kind="text/html"), "FAIL damaged", id="object of HTML"),
        pytest.param(drips(DUMP), "UNKNOWN silent", id="drips"),
        pytest.param(
            dated(DUMP, headers=("x-amz-checksum-crc32: AAAAAA==",)),
            "UNKNOWN unexpected-reply",
            id="its own checksum differs",
        ),
        pytest.param(dated(gzip.compress(bytes(128 * MIB), 9)), "FAIL no-dump", id="unpacks to much"),
    ],
)
async def test_only_what_was_read_is_judged(stage: Stage, gets: Act, expected: str) -> None:
    """An object that cannot be read is UNKNOWN; one that was read to its end, and is damaged, FAILs."""
    deadline = DEADLINE if expected.endswith("silent") else PATIENT
    concluded = await outcome(newest_dump_is_whole, target(stage.http(store(gets=gets))), deadline=deadline)
    assert f"{concluded.verdict} {concluded.reason}" == expected, concluded


async def test_an_archived_copy_is_compared_where_the_store_keeps_its_checksum(
    stage: Stage, tmp_path: Path
) -> None:
    """A copy in GLACIER that has a SHA-256 of the whole is compared by it; one of its parts, or none, is UNKNOWN."""
    (tmp_path / NAME).write_bytes(DUMP)
    whole = base64.b64encode(hashlib.sha256(DUMP).digest()).decode()
    glacier = refusal("InvalidObjectState", 403)

    async def seen(*headers: str) -> str:
        heads = dated(b"", headers=(f"Content-Length: {len(DUMP)}", *headers))
        play = store(dated(listing(name=f"copies/{NAME}", kind="GLACIER")), glacier, heads)
        part = target(stage.http(play), folder=str(tmp_path), offsite="s3://backups/copies")
        return await verdict(offsite_is_the_same, part)

    assert await seen(f"x-amz-checksum-sha256: {whole}", "x-amz-checksum-type: FULL_OBJECT") == "PASS same"
    other = base64.b64encode(bytes(32)).decode()
    assert await seen(f"x-amz-checksum-sha256: {other}") == "FAIL content-differs"
    assert await seen(f"x-amz-checksum-sha256: {whole}-3") == "UNKNOWN precondition"
    composite = (f"x-amz-checksum-sha256: {whole}", "x-amz-checksum-type: COMPOSITE")
    assert await seen(*composite) == "UNKNOWN precondition"
    assert await seen("x-amz-checksum-sha256: nonsense") == "UNKNOWN precondition"
    assert await seen() == "UNKNOWN precondition"


def test_an_endless_object_needs_little_memory_and_ends_with_its_time(stage: Stage) -> None:
    """An object without end is left when its time is over, and little of it was ever held."""
    part = target(stage.http(store(gets=endless(bytes(65536)))))
    assert part.backups is not None
    place = open_dumps(part.backups)
    tracemalloc.start()
    try:
        begin = time.monotonic()
        place.listing()
        listed = time.monotonic() - begin
        begin = time.monotonic()
        with pytest.raises(Unobservable, match="silent"):
            place.checksum(NAME, seconds(1))
        assert time.monotonic() - begin < 2 + 4 * listed  # the object would come for a minute
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_a_time_that_is_over_before_the_store_is_asked_is_silence(stage: Stage) -> None:
    """A machine that stood still until then does not have the store called one that speaks no S3."""
    part = target(stage.http(store()))
    assert part.backups is not None
    with pytest.raises(Unobservable, match="silent"):
        open_dumps(part.backups).checksum(NAME, seconds(0))


def test_a_restore_from_a_transfer_that_breaks_is_no_verdict(stage: Stage, tmp_path: Path) -> None:
    """A dump whose transfer is cut half-way is not called truncated: nothing is committed, nothing written down."""
    cut = dated(DUMP[:-50], headers=(f"Content-Length: {len(DUMP)}",))
    restoring = {"record": str(tmp_path / "record.json")}
    part = target(stage.http(store(gets=cut)), restoring=restoring)
    with pytest.raises(Unobservable, match="reset"):
        restore_newest(part, seconds(30), threading.Event())
    assert not (tmp_path / "record.json").exists()
