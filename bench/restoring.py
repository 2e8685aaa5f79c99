"""Restoring a dump, against bare psql or pg_restore on the same dump: what streaming, looking and holding back cost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from bench.measured import ROOT, Row, note, run, spread
from systems.bzzz.restore.scratch_server import scratch_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.servers.guard import Guard
    from opsverify.servers.postgres import PostgresServer

__all__ = ["SIZES_MB", "restoring"]

SIZES_MB = (10, 100)
GOAL = 1.10
"""From 100 MB on; below it the start of programs counts."""
GOAL_FROM_MB = 100
MEMORY_MB = 20.0
_ROW_BYTES = 330
_TABLES = """
create table users (id int primary key, name text not null);
create table task_history (id int primary key, user_id int not null references users, task uuid, detail text, at timestamptz);
create index task_history_at on task_history (at);
"""
_OURS = """
import json, sys, time
from pathlib import Path
from systems.bzzz.restore.restore import Into, restore_dump
from systems.bzzz.restore.stream import Bounds
from opsverify.model.deadline import Deadline, seconds
job = json.loads(sys.argv[1])
into = Into(job["url"], Path(job["programs"]), job["environment"])
begin = time.monotonic()
restore_dump(Path(job["dump"]), into, job["database"], Bounds(Deadline(seconds(280)), Path(job["folder"])), compressed=True)
print(time.monotonic() - begin)
"""


def restoring(sizes_mb: tuple[int, ...], repeats: int) -> list[Row]:
    """For each size and form: our restore divided by the bare tools', turn by turn, and the peak memory of our process."""
    rows, peaks = [], dict[int, float]()
    with scratch_server(("local", "wheel")) as (server, guard):
        folder = guard.folder("opsverify-bench-")
        for size in sizes_mb:
            for form in ("plain", "custom"):
                note(f"a {form} dump of {size} MB of SQL is made")
                dump = _dump(server, folder, size, form)
                ratios, peak, comparison = _compared(server, guard, dump, form, repeats)
                peaks[size] = max(peaks.get(size, 0.0), peak)
                goal = GOAL if size >= GOAL_FROM_MB else None
                rows.append(
                    Row(f"restore of a {form} dump of {size:,} MB", median(ratios), "times", goal, comparison)
                )
                dump.unlink()
    grown = max(peaks.values()) - peaks[min(peaks)]
    each = ", ".join(f"{size:,} MB: {peak:.0f} MB" for size, peak in peaks.items())
    comparison = f"peak of our process beyond that with the smallest dump; {each}"
    return [*rows, Row("memory of a restore, by size", grown, "MB", MEMORY_MB, comparison)]


def _compared(
    server: PostgresServer, guard: Guard, dump: Path, form: str, repeats: int
) -> tuple[list[float], float, str]:
    ours, bare, peaks = [], [], []
    for turn in range(repeats + 1):
        note(f"{dump.name}, turn {turn} of {repeats}")
        # The first of the two finds colder caches: each is it as often.
        order = (_our_time, _bare_time) if turn % 2 else (_bare_time, _our_time)
        took = {}
        for measure in order:
            took[measure.__name__], peak = measure(server, guard, dump, form)
            peaks.append(peak)
        if turn:  # the first one warms caches
            ours.append(took["_our_time"])
            bare.append(took["_bare_time"])
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    name = "gzip -dc into psql -1" if form == "plain" else "gzip -dc into pg_restore -1"
    comparison = f"ours {spread(ours)} ÷ bare {name} {spread(bare)}, turn by turn ({min(ratios):.2f} to {max(ratios):.2f}); the fastest of each {min(ours) / min(bare):.2f}"
    return ratios, max(peaks), comparison


def _our_time(server: PostgresServer, guard: Guard, dump: Path, form: str) -> tuple[float, float]:
    del form  # the dump says what it is
    job = {
        "url": server.url,
        "programs": str(server.bin),
        "environment": guard.environment(),
        "dump": str(dump),
        "database": "ours",
        "folder": str(dump.parent),
    }
    ended = run([sys.executable, "-c", _OURS, json.dumps(job)], cwd=ROOT, environment={})
    assert ended.status == 0, ended.printed[-2000:]
    _drop(server, "ours")
    return float(ended.printed), ended.peak_mb


def _bare_time(server: PostgresServer, guard: Guard, dump: Path, form: str) -> tuple[float, float]:
    target = _at(server, "bare")
    tool = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-1", "-f", "-"]
    if form == "custom":
        tool = ["pg_restore", "--exit-on-error", "-1"]
    begin = time.monotonic()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(
            "create database bare template template0 encoding utf8 lc_collate 'C' lc_ctype 'C'"
        )
    with subprocess.Popen(["gzip", "-dc", dump], stdout=subprocess.PIPE) as unpacking:
        subprocess.run(
            [server.bin / tool[0], *tool[1:], "-d", target],
            stdin=unpacking.stdout,
            stdout=subprocess.DEVNULL,
            env=guard.environment(),
            check=True,
        )
    took = time.monotonic() - begin
    _drop(server, "bare")
    return took, 0.0


def _dump(server: PostgresServer, folder: Path, size_mb: int, form: str) -> Path:
    """A gzipped dump whose SQL has about so many MB."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create database source")
    with psycopg.connect(_at(server, "source"), autocommit=True) as connection:
        connection.execute(_TABLES.encode())
        connection.execute("insert into users select n, 'user ' || n from generate_series(0, 999) n")
        with connection.cursor().copy("copy task_history from stdin") as copy:
            for lines in _rows(size_mb * 1_000_000 // _ROW_BYTES):
                copy.write(lines)
    dump = folder / f"{size_mb}-{form}.gz"
    # A custom dump compresses by itself; here gzip does it for both, so that both unpack the same.
    options = ["-F", "c", "-Z", "0"] if form == "custom" else ["-F", "p"]
    with (
        dump.open("wb") as file,
        subprocess.Popen(
            [server.bin / "pg_dump", *options, "-d", _at(server, "source")], stdout=subprocess.PIPE
        ) as dumping,
    ):
        subprocess.run(["gzip", "-1"], stdin=dumping.stdout, stdout=file, check=True)
    assert dumping.returncode == 0
    _drop(server, "source")
    return dump


def _rows(count: int) -> Iterator[bytes]:
    """Lines of COPY, a thousand at a time."""
    detail = "the quick brown fox jumps over the lazy dog "
    for first in range(0, count, 1000):
        lines = (
            f"{n}\t{n % 1000}\t{n * 2654435761 % 2**32:08x}-0000-4000-8000-{n:012x}\t"
            f"{(detail + f'{n * 40503 % 65536:05d} ') * 5}\t2026-01-01 00:00:00.{n % 1000000:06d}+00\n"
            for n in range(first, min(first + 1000, count))
        )
        yield "".join(lines).encode()


def _at(server: PostgresServer, database: str) -> str:
    return urlunsplit(urlsplit(server.url)._replace(path=f"/{database}"))


def _drop(server: PostgresServer, database: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database)))
        connection.execute("checkpoint")  # what one has left to write is not the other's
