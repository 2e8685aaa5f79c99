"""Restoring on a real PostgreSQL: nothing differs afterwards, an instant is met exactly, and nothing is left of a killed run."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from checks.bzzz.restore import criteria as restoring
from fixtures.bzzz.twin.database import DATABASE, DatabasePart
from opsverify.model.deadline import Deadline, seconds
from opsverify.servers.guard import Guard
from opsverify.servers.postgres import USER
from systems.bzzz.restore.accounting import account_of
from systems.bzzz.restore.point_in_time import Instant, recovered
from systems.bzzz.restore.record import read_record
from systems.bzzz.restore.restore import Into, restore_dump
from systems.bzzz.restore.restore_error import NotRestored
from systems.bzzz.restore.restore_test import restore_newest
from systems.bzzz.restore.roles import make_roles
from systems.bzzz.restore.scratch_server import scratch_server
from systems.bzzz.restore.stream import Bounds
from systems.bzzz.section import BzzzSection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.servers.postgres import PostgresServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MADE = """
create role bzzz;
create type mood as enum ('good', 'bad');
create table users (id serial primary key, name text not null unique, mood mood default 'good', score double precision,
    token bytea, seen timestamptz default now(), tags text[], more jsonb, check (name <> ''));
create table threads (id bigserial primary key, user_id int references users (id) on delete cascade, title text);
create table "Odd ""table"" x" (like users including all);
create table log (at timestamptz, line text) partition by range (at);
create table log_2026 partition of log for values from ('2026-01-01') to ('2027-01-01');
create view good_users as select * from users where mood = 'good';
create materialized view counted as select mood, count(*) from users group by mood;
create function greet(name text) returns text language sql as $$ select 'hello; ' || name $$;
create function touch() returns trigger language plpgsql as $$ begin new.seen := now(); return new; end $$;
create trigger touched before update on users for each row execute function touch();
insert into users (name, mood, score, token, tags, more) select 'n' || n, case when n % 3 = 0 then 'bad'::mood end,
    n / 7.0, sha256(n::text::bytea), array['a', null, E'tab\\t'], jsonb_build_object('n', n) from generate_series(1, 500) n;
insert into threads (user_id, title) select n, E'line\\nbreak \\\\. ' || n from generate_series(1, 300) n;
insert into log select '2026-03-01'::timestamptz + n * interval '1 hour', 'x' from generate_series(1, 50) n;
refresh materialized view counted;
alter table users owner to bzzz;
select setval('threads_id_seq', 4000);
"""
KILLED = """
import sys, time, threading
sys.path.insert(0, {root!r})
import json
from systems.bzzz.restore.restore import Into, restore_dump
from systems.bzzz.restore.scratch_server import scratch_server
from systems.bzzz.restore.stream import Bounds
from opsverify.model.deadline import Deadline, seconds
with scratch_server(("local", "wheel")) as (server, guard):
    into = Into(server.url, server.bin, guard.environment())
    slow = ["sh", "-c", "cat {dump}; sleep 300"]
    threading.Timer(2.0, lambda: print(json.dumps([server.process.pid, str(server.data.parent), guard.run_id]), flush=True)).start()
    restore_dump(slow, into, "trial", Bounds(Deadline(seconds(200)), server.data), compressed=False)
"""


def at(server: PostgresServer, database: str) -> str:
    """Another database of a server."""
    return urlunsplit(urlsplit(server.url)._replace(path=f"/{database}"))


@pytest.fixture(scope="module")
def scratch() -> Iterator[tuple[PostgresServer, Guard, Path]]:
    """A server with a database `source` of many kinds of things."""
    with scratch_server(("local", "wheel")) as (server, guard):
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create database source")
        with psycopg.connect(at(server, "source"), autocommit=True) as connection:
            connection.execute(MADE.encode())
        yield server, guard, guard.folder("opsverify-test-")


def dumped(server: PostgresServer, database: str, form: str, *more: str) -> bytes:
    """What pg_dump writes."""
    command = [str(server.bin / "pg_dump"), "-F", form, *more, "-d", at(server, database)]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize(("form", "compressed"), [("p", True), ("p", False), ("c", True), ("c", False)])
def test_nothing_differs_after_a_restore(
    scratch: tuple[PostgresServer, Guard, Path], form: str, *, compressed: bool
) -> None:
    """A database of tables, partitions, types, views, functions, triggers and sequences comes back the same from each form."""
    server, guard, folder = scratch
    content = dumped(server, "source", form)
    dump = folder / "dump"
    dump.write_bytes(gzip.compress(content) if compressed else content)
    into = Into(server.url, server.bin, guard.environment())
    bounds = Bounds(Deadline(seconds(30)), folder)
    name = f"back_{form}_{compressed}".lower()
    loaded = restore_dump(dump, into, name, bounds, compressed=compressed)
    before, after = account_of(at(server, "source"), seconds(10)), account_of(at(server, name), seconds(10))
    assert restoring.accounted_for(before, after, "x").holds, restoring.accounted_for(
        before, after, "x"
    ).details
    assert before.tables["public.users"].rows == 500
    assert before.sequences["public.threads_id_seq"] == 4000
    kinds = {definition.split()[0] for definition in before.definitions}
    assert kinds == {"sequence", "column", "constraint", "index", "view", "function", "trigger"}
    assert 0 <= len(content) - loaded.size < 200  # the line of its own restriction is not sent


@pytest.mark.parametrize(
    "change",
    [
        "update users set name = 'm1' where name = 'n1'",
        "delete from threads where id = 7",
        "update users set score = score + 1e-9 where id = 3",
        "update users set token = null where id = 3",
        "alter table users disable trigger user; update users set seen = seen + interval '1 microsecond' where id = 3",
        "select setval('threads_id_seq', 3999)",
        "alter table threads drop constraint threads_user_id_fkey",
        "alter table users drop constraint users_name_key",
        "alter table users alter name drop not null",
        "create or replace function greet(name text) returns text language sql as $$ select name $$",
        "drop trigger touched on users",
        "alter table threads owner to bzzz",
        "update log set line = 'y' where at = (select min(at) from log)",
    ],
)
def test_the_smallest_difference_is_found(scratch: tuple[PostgresServer, Guard, Path], change: str) -> None:
    """One changed value, one lost row, one constraint, one sequence that goes back: each is found."""
    server, _, _ = scratch
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create database changed template source")
    try:
        before = account_of(at(server, "changed"), seconds(10))
        with psycopg.connect(at(server, "changed"), autocommit=True) as connection:
            connection.execute(change.encode())
        after = account_of(at(server, "changed"), seconds(10))
        assert not restoring.accounted_for(before, after, "x").holds
    finally:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("drop database changed with (force)")


ROWS = st.lists(
    st.tuples(
        st.integers(-(2**31), 2**31 - 1) | st.none(),
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8) | st.none(),
    ),
    max_size=6,
)


@given(ROWS, ROWS, st.randoms())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_checksum_tells_rows_apart_whatever_their_order(
    scratch: tuple[PostgresServer, Guard, Path],
    ones: list[tuple[int | None, str | None]],
    others: list[tuple[int | None, str | None]],
    random: object,
) -> None:
    """Two tables have the same count and checksum if and only if they hold the same rows, in whatever order."""
    server, _, _ = scratch
    shuffled = list(ones)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    seen = []
    with psycopg.connect(at(server, "source"), autocommit=True) as connection:
        connection.execute("create schema if not exists tried")
        for rows in (ones, shuffled, others):
            connection.execute("drop table if exists tried.t; create table tried.t (n int, s text)")
            with connection.cursor() as cursor:
                cursor.executemany("insert into tried.t values (%s, %s)", rows)
            seen.append(account_of(at(server, "source"), seconds(10)).tables["tried.t"])
        connection.execute("drop schema tried cascade")
    assert seen[0] == seen[1]
    key = repr
    assert (seen[0] == seen[2]) is (sorted(ones, key=key) == sorted(others, key=key))


def test_roles_come_without_power(scratch: tuple[PostgresServer, Guard, Path]) -> None:
    """A role that is made for a dump cannot log in, and is no superuser; one that is there is left alone."""
    server, _, _ = scratch
    with psycopg.connect(server.url, autocommit=True) as connection:
        assert make_roles(connection, ["bzzz", 'new "one"', "pg_monitor"], [("pg_monitor", 'new "one"')]) == (
            'new "one"',
        )
        query = sql.SQL("select rolcanlogin, rolsuper from pg_roles where rolname = 'new \"one\"'")
        assert connection.execute(query).fetchall() == [(False, False)]


@pytest.fixture(scope="module")
def part() -> Iterator[DatabasePart]:
    """The twin's database, with its backups."""
    with Guard() as guard:
        part = DatabasePart.start(provider="embedded", origins=("local", "wheel"), guard=guard)
        yield part
        part.stop()


def test_the_newest_backup_is_restored_and_remembered(part: DatabasePart) -> None:
    """The twin's newest dump is restored with its roles, meets the target's queries, and the record tells of it."""
    part.jobs.dump()
    section = BzzzSection.model_validate(part.targets())
    seen = restore_newest(section, seconds(30), Event())
    assert (seen.refused, seen.roles_file.endswith(".sql"), "bzzz" in seen.roles) == ("", True, True)
    assert all(asked.met for asked in seen.validated.values())
    record = read_record(section)
    assert record is not None
    assert (record.dump, record.rows, record.took_s) == (seen.dump, seen.rows, seen.took_s)
    assert seen.rows == account_of(part.postgres.url, seconds(10)).rows


def test_an_instant_is_met_exactly(part: DatabasePart) -> None:
    """Rows before a name and before a moment are there, rows after it are not; the source and its backups stay as they are."""
    base = max(part.jobs.base.iterdir())
    before = account_of(part.postgres.url, seconds(10))
    with part.connected() as connection:
        connection.execute("select pg_create_restore_point('here')")
        ((moment,),) = connection.execute("select clock_timestamp()").fetchall()
    part.write_rows()
    part.archive_now()
    now = account_of(part.postgres.url, seconds(10))
    held = sorted((p.name, p.stat().st_mtime_ns) for p in part.jobs.base.rglob("*"))
    for goal in ("here", moment):
        clock = Deadline(seconds(30))
        with recovered(base, part.jobs.wal, Instant(goal), clock, login=USER, database=DATABASE) as server:
            after = account_of(server.url, seconds(10))
            with psycopg.connect(server.url) as connection:
                assert connection.execute("show archive_mode").fetchone() == ("off",)
            folder = server.data.parent
        assert restoring.accounted_for(before, after, "x", ahead=True).holds
        assert not folder.exists()
    assert account_of(part.postgres.url, seconds(10)) == now
    assert sorted((p.name, p.stat().st_mtime_ns) for p in part.jobs.base.rglob("*")) == held


def test_an_instant_that_is_not_in_the_archive_is_refused(part: DatabasePart) -> None:
    """A name that nobody gave is refused: the WAL ends before it."""
    base, clock = max(part.jobs.base.iterdir()), Deadline(seconds(30))
    with (
        pytest.raises(NotRestored, match="target-not-reached"),
        recovered(base, part.jobs.wal, Instant("nowhere"), clock, login=USER, database=DATABASE),
    ):
        pass


def test_nothing_survives_a_killed_restore(scratch: tuple[PostgresServer, Guard, Path]) -> None:
    """SIGKILL in the middle of a restore leaves no server, no psql, no program that brings the dump, and no folder."""
    server, _, folder = scratch
    dump = folder / "slow.sql"
    dump.write_bytes(dumped(server, "source", "p"))
    script = KILLED.format(root=str(ROOT), dump=dump)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        postmaster, home, run_id = json.loads(run.stdout.readline())
        assert len(marked(run_id)) >= 3
        run.send_signal(signal.SIGKILL)
        run.wait(10)
    end = time.monotonic() + 15
    while marked(run_id) or Path(f"/proc/{postmaster}").exists() or Path(home).exists():
        assert time.monotonic() < end, (marked(run_id), home)
        time.sleep(0.05)


def marked(run_id: str) -> list[str]:
    """Processes of a run, by their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and run_id.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found
