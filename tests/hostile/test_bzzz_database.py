"""What the checks say of a PostgreSQL that answers badly, little, or not at all; a real one wherever that matters."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from checks.bzzz.database import test_database as checks
from opsverify.model.deadline import seconds
from opsverify.probes import postgres
from opsverify.servers.postgres import PostgresServer
from opsverify.servers.process import LOOPBACK, free_port
from tests.hostile.bzzz_looking import DEADLINE, LIMITS, PATIENT, outcome, section, verdict
from tests.hostile.servers import ESCAPES, Play, closes, resets, says, silent
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opsverify.servers.guard import Guard
    from systems.bzzz.section import BzzzSection
    from tests.hostile.servers import Stage

pytestmark = pytest.mark.slow

PASSWORD, VARIABLE = "correct horse battery staple", "OPSVERIFY_TEST_POSTGRES_PASSWORD"
CHECKS: dict[str, Callable[..., None]] = {
    "B-DB-1": checks.test_the_database_answers_in_its_role,
    "B-DB-1b": checks.test_connections_are_left,
    "B-DB-1c": checks.test_connections_stay_below_the_capacity_alert,
    "B-DB-2": checks.test_tables_are_kept,
    "B-DB-2b": checks.test_no_page_failed_its_checksum,
    "B-DB-3": checks.test_wal_is_archived,
}
GREEN = {
    "B-DB-1": "PASS same",
    "B-DB-1b": "PASS room",
    "B-DB-1c": "PASS room",
    "B-DB-2": "PASS kept",
    "B-DB-2b": "PASS whole",
    "B-DB-3": "PASS archived",
}
SLOTS, RESERVED = 12, 3
# Roles that differ in what they may, and one whose catalogue looks as another server's would.
ROLES = """
create role reader login password {password} in role pg_monitor;
create role blind login password {password};
create role crowded login password {password} connection limit 0 in role pg_monitor;
create role locked nologin password {password};
create role older login password {password} in role pg_monitor;
create schema older;
create view older.pg_stat_activity as select usename, application_name, state, xact_start, pid from pg_catalog.pg_stat_activity;
create view older.pg_stat_database as select datid, datname from pg_catalog.pg_stat_database;
create role slow login password {password} in role pg_monitor;
create table tasks (id int);
create schema slow;
create view slow.pg_stat_user_tables as select t.* from pg_catalog.pg_stat_user_tables t, pg_sleep(30);
create role wild login password {password} in role pg_monitor;
create schema wild;
create view wild.pg_stat_archiver as select 'infinity'::timestamptz as last_archived_time, s.stats_reset,
    s.archived_count, s.last_archived_wal, s.failed_count, s.last_failed_wal, s.last_failed_time
    from pg_catalog.pg_stat_archiver s;
grant usage on schema older, slow, wild to public;
grant select on all tables in schema older, slow, wild to public;
alter role older set search_path = older, pg_catalog;
alter role slow set search_path = slow, pg_catalog;
alter role wild set search_path = wild, pg_catalog;
"""


@pytest.fixture(scope="module")
def server(guard: Guard) -> Iterator[PostgresServer]:
    """Give a server that archives its WAL, with a segment in the archive already."""
    folder = guard.folder("opsverify-archive-")
    folder.chmod(0o777)
    made = PostgresServer.start(
        origins=["local", "wheel"],
        guard=guard,
        settings={
            "wal_level": "replica",
            "archive_mode": "on",
            "archive_command": f"cp %p {folder}/%f",
            "max_connections": str(SLOTS),
        },
        initdb=("--data-checksums", "--wal-segsize=1"),
    )
    with as_owner(made) as connection:
        connection.execute(sql.SQL(ROLES).format(password=sql.Literal(PASSWORD)))
        connection.execute("create database ascii encoding sql_ascii locale 'C' template template0")
    archive_one(made)
    yield made
    made.kill()


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)


def as_owner(server: PostgresServer) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of the superuser that commits by itself."""
    return psycopg.connect(server.url, autocommit=True, connect_timeout=5)


def asked(server: PostgresServer, query: str) -> Any:
    """One value."""
    with as_owner(server) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def until(server: PostgresServer, query: str) -> None:
    """Wait until a query is true."""
    end = time.monotonic() + 10
    while not asked(server, query):
        assert time.monotonic() < end, query
        time.sleep(0.02)


def archive_one(server: PostgresServer) -> None:
    """Finish a segment, and wait until it is archived."""
    done = asked(server, "select archived_count from pg_stat_archiver")
    asked(server, "select pg_switch_wal() from pg_logical_emit_message(false, 'test', 'one')")
    until(server, f"select archived_count > {int(done)} from pg_stat_archiver")  # noqa: S608


def port_of(server: PostgresServer) -> int:
    """The port that it listens on."""
    return int(server.url.rpartition(":")[2].partition("/")[0])


def seen_at(port: int, user: str = "reader", database: str = "opsverify", **more: Any) -> BzzzSection:
    """A target with nothing but this database."""
    url = f"postgresql://{user}@{LOOPBACK}:{port}/{database}"
    limits = more.pop("limits", {})
    return section(database={"url": url, "password_env": VARIABLE, **more}, limits={**LIMITS, **limits})


async def verdicts(part: BzzzSection) -> dict[str, str]:
    """What each check of the database concludes."""
    return {name: await verdict(check, part) for name, check in CHECKS.items()}


def all_of(milder: str, first: str) -> dict[str, str]:
    """One verdict for the first check, and another for all those that judge what it could have said."""
    return {**dict.fromkeys(GREEN, milder), "B-DB-1": first}


async def test_a_member_of_pg_monitor_sees_all(server: PostgresServer) -> None:
    """A login that may do nothing but monitor is enough for every check, and a healthy server passes them."""
    assert await verdicts(seen_at(port_of(server))) == GREEN


async def test_a_login_without_pg_monitor_sees_only_itself(server: PostgresServer) -> None:
    """What such a login sees of others is not taken for all there is: UNKNOWN, and the rest is judged."""
    denied = dict.fromkeys(("B-DB-1b", "B-DB-1c", "B-DB-2", "B-DB-2b"), "UNKNOWN denied")
    part = seen_at(port_of(server), "blind")
    assert await verdicts(part) == {**GREEN, **denied}
    assert "GRANT pg_monitor" in (await outcome(CHECKS["B-DB-2"], part)).explanation


LOGINS = [
    case({"user": "nobody_here"}, "UNKNOWN denied", id="no such role"),
    case({"user": "locked"}, "UNKNOWN denied", id="may not log in"),
    case({"user": "crowded"}, "UNKNOWN denied", id="its own connections are used up"),
    case({"database": "nothing"}, "UNKNOWN unexpected-reply", id="no such database"),
    case({"ca_file": "/nowhere/ca.pem"}, "UNKNOWN unexpected-reply", id="TLS, which it does not speak"),
]


@pytest.mark.parametrize(("given", "expected"), LOGINS)
async def test_a_login_that_is_refused(server: PostgresServer, given: dict[str, str], expected: str) -> None:
    """Whoever is not let in has seen nothing: that is no FAIL of the database."""
    assert await verdicts(seen_at(port_of(server), **given)) == dict.fromkeys(GREEN, expected)


async def test_a_wrong_password(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password is UNKNOWN, and is not shown."""
    monkeypatch.setenv(VARIABLE, "another password of a test")
    part = seen_at(port_of(server))
    assert await verdicts(part) == dict.fromkeys(GREEN, "UNKNOWN denied")
    assert "another password" not in repr(await outcome(CHECKS["B-DB-1"], part))


async def test_a_server_without_a_free_connection(server: PostgresServer) -> None:
    """Where all connections are taken nobody gets in: the database does not accept connections."""
    url = f"postgresql://blind:{quote(PASSWORD)}@{LOOPBACK}:{port_of(server)}/opsverify"
    with ExitStack() as held:
        for _ in range(SLOTS - RESERVED):
            held.enter_context(psycopg.connect(url, connect_timeout=5))
        part = seen_at(port_of(server))
        assert await verdicts(part) == all_of("UNKNOWN server-error", "FAIL server-error")
    until(server, "select count(*) = 1 from pg_stat_activity where backend_type = 'client backend'")


async def test_an_older_server_is_not_judged_by_what_it_does_not_have(server: PostgresServer) -> None:
    """Where a view lacks a column, as in an older major version, its check is UNKNOWN and names the column."""
    part = seen_at(port_of(server), "older")
    odd = dict.fromkeys(("B-DB-1b", "B-DB-1c", "B-DB-2", "B-DB-2b"), "UNKNOWN unexpected-reply")
    assert await verdicts(part) == {**GREEN, **odd}
    assert "backend_type" in (await outcome(CHECKS["B-DB-1b"], part)).explanation
    assert "checksum_failures" in (await outcome(CHECKS["B-DB-2"], part)).explanation


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server itself cancels a look that hangs, so that nothing of it stays behind."""
    monkeypatch.setattr(postgres, "_STATEMENT", seconds(0.3))
    seen = await outcome(CHECKS["B-DB-2"], seen_at(port_of(server), "slow"))
    assert (seen.verdict, seen.reason) == ("UNKNOWN", "silent")
    assert "statement timeout" in seen.explanation
    assert asked(server, "select count(*) from pg_stat_activity where usename = 'slow'") == 0


async def test_a_time_that_is_none_is_not_judged(server: PostgresServer) -> None:
    """`infinity` where a time is expected is another program's reply, not a time."""
    assert await verdict(CHECKS["B-DB-3"], seen_at(port_of(server), "wild")) == "UNKNOWN unexpected-reply"


@pytest.fixture
def odd_names(server: PostgresServer) -> Iterator[int]:
    """Give the port of a server with tables of odd names that have many dead rows; and bytes that are no text."""
    names = [sql.Identifier(name) for name in (f"a{ESCAPES}\nb", "x" * 60, "; drop table users; --")]
    with as_owner(server) as connection:
        for name in names:
            connection.execute(
                sql.SQL("create table {} (n int) with (autovacuum_enabled = off)").format(name)
            )
            connection.execute(sql.SQL("insert into {} select generate_series(1, 2000)").format(name))
            connection.execute(sql.SQL("delete from {}").format(name))
    until(server, "select count(*) = 3 from pg_stat_user_tables where n_dead_tup > 1000")
    with psycopg.connect(server.url, dbname="ascii", autocommit=True, client_encoding="SQL_ASCII") as raw:
        raw.execute(b'create table "bad\xff\xfename" (n int)')
    yield port_of(server)
    with as_owner(server) as connection:
        for name in names:
            connection.execute(sql.SQL("drop table {}").format(name))


async def test_names_of_tables_are_only_names(odd_names: int) -> None:
    """A name with escapes, a newline or a statement in it is shown and no more; one that is no text is UNKNOWN."""
    seen = await outcome(CHECKS["B-DB-2"], seen_at(odd_names))
    assert (seen.verdict, seen.reason) == ("FAIL", "dead-tuples")
    assert len(seen.findings[0].details) == 6
    assert "\x1b" not in "".join(seen.findings[0].details)
    ascii_ = await verdicts(seen_at(odd_names, database="ascii"))
    assert ascii_["B-DB-1"] == "PASS same"
    assert ascii_["B-DB-2"] == "UNKNOWN unexpected-reply"


async def test_an_archiver_that_hangs_is_behind(server: PostgresServer) -> None:
    """A command that neither ends nor fails counts nothing; what waits for it is seen all the same, also where the last
    file in the archive is a base backup's mark, which tells no place in WAL.
    """
    try:
        with as_owner(server) as connection:
            connection.execute("select pg_backup_start('test', true)")
            connection.execute("select pg_backup_stop()")
            until(server, "select last_archived_wal ~ 'backup$' from pg_stat_archiver")
            connection.execute("alter system set archive_command = 'sleep 60'")
            connection.execute("select pg_reload_conf()")
        until(server, "select current_setting('archive_command') = 'sleep 60'")
        assert await verdict(CHECKS["B-DB-3"], seen_at(port_of(server))) == "PASS archived"
        asked(server, "select pg_switch_wal() from pg_logical_emit_message(false, 'test', 'two')")
        part = seen_at(port_of(server), limits={"archive_age": 0})
        assert await verdict(CHECKS["B-DB-3"], part) == "FAIL archive-behind"
        assert await verdict(CHECKS["B-DB-3"], seen_at(port_of(server))) == "PASS archived"
    finally:
        server.kill()
        (server.data / "postgresql.auto.conf").write_text("", encoding="utf-8")
        server.start_again()
    archive_one(server)


async def test_a_standby_is_judged_as_what_it_should_be(server: PostgresServer) -> None:
    """In recovery is wrong for a primary and right for a standby; archiving is its primary's, and not judged."""
    server.stop()
    (server.data / "standby.signal").touch()
    (server.data / "standby.signal").chmod(0o666)
    server.start_again()
    try:
        seen = await verdicts(seen_at(port_of(server)))
        assert (seen["B-DB-1"], seen["B-DB-3"]) == ("FAIL in-recovery", "UNKNOWN precondition")
        assert await verdict(CHECKS["B-DB-1"], seen_at(port_of(server), role="standby")) == "PASS same"
    finally:
        asked(server, "select pg_promote()")
        until(server, "select not pg_is_in_recovery()")
    assert await verdict(CHECKS["B-DB-1"], seen_at(port_of(server), role="standby")) == "FAIL not-in-recovery"
    archive_one(server)
    assert await verdicts(seen_at(port_of(server))) == GREEN


def relay(port: int, most: int, end: Callable[[asyncio.StreamWriter], None]) -> Play:
    """Pass everything on to a real server, and end the connection after so many of its bytes."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection(LOOPBACK, port)

        async def forth() -> None:
            while data := await reader.read(65536):
                out.write(data)
                await out.drain()

        going = asyncio.create_task(forth())
        left = most
        try:
            while left and (data := await there.read(min(left, 65536))):
                writer.write(data)
                await writer.drain()
                left -= len(data)
            end(writer)
        finally:
            going.cancel()
            out.close()

    return play


@pytest.mark.parametrize("most", [1, 30, 400, 700, 900])
async def test_a_connection_that_is_lost_half_way(stage: Stage, server: PostgresServer, most: int) -> None:
    """Wherever the connection ends - at the login, or in an answer - it is lost, and nothing is judged by half."""
    port = stage.open(relay(port_of(server), most, lambda writer: writer.close()))
    assert await verdict(CHECKS["B-DB-1"], seen_at(port)) == "FAIL reset"
    assert await verdict(CHECKS["B-DB-3"], seen_at(port)) == "UNKNOWN reset"


async def test_nobody_listens() -> None:
    """A refused connection is the database's own failure, and nothing else of it is judged."""
    assert await verdicts(seen_at(free_port())) == all_of("UNKNOWN refused", "FAIL refused")


HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<h1>400</h1>" + ESCAPES.encode()
OTHERS = [
    case(silent, "silent", id="says nothing"),
    case(closes, "reset", id="closes"),
    case(resets, "reset", id="resets"),
    case(says(HTTP), "unexpected-reply", id="HTTP"),
    case(says(b"-ERR unknown command\r\n"), "unexpected-reply", id="Redis"),
    case(says(b"SSH-2.0-OpenSSH_9.2\r\n", first=True), "unexpected-reply", id="SSH"),
    case(says(b"S"), "unexpected-reply", id="TLS that is none"),
    case(says(b"N" + b"\x00" * 9), "reset", id="zeros"),
    case(says(b"NE\x7f\xff\xff\xff" + b"x" * 65536), "unexpected-reply", id="a message of 2 GiB"),
]


@pytest.mark.parametrize(("play", "kind"), OTHERS)
async def test_what_listens_is_no_postgresql(stage: Stage, play: Play, kind: str) -> None:
    """Whatever else answers on that port is UNKNOWN or, where nothing is served, FAIL of the first check; never a PASS."""
    first = f"FAIL {kind}" if kind in {"silent", "reset"} else f"UNKNOWN {kind}"
    part, deadline = seen_at(stage.open(play)), DEADLINE if kind == "silent" else PATIENT
    assert await verdict(CHECKS["B-DB-1"], part, deadline=deadline) == first
    assert await verdict(CHECKS["B-DB-2"], part, deadline=deadline) == f"UNKNOWN {kind}"
