"""The rules of BZZZ's PostgreSQL at their boundaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.database import criteria as database
from opsverify.model.observation import Bracketed
from opsverify.model.verdict import Finding
from systems.bzzz.database.models import (
    Archiving,
    Connections,
    DatabaseHealth,
    DatabaseServer,
    LongTransaction,
    TableHealth,
)
from systems.bzzz.limits import BzzzLimits

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
DAY = timedelta(days=1)


def ago(seconds: float) -> datetime:
    """So many seconds before now."""
    return NOW - timedelta(seconds=seconds)


def server(**changes: Any) -> DatabaseServer:
    """A primary that is one."""
    whole = {"version": "15.18", "cluster": "7", "started": NOW, "recovering": False, "role": "primary"}
    return DatabaseServer.model_validate(whole | changes)


@pytest.mark.parametrize(
    ("recovering", "role", "reason"),
    [
        (False, "primary", "right"),
        (True, "standby", "right"),
        (True, "primary", "in-recovery"),
        (False, "standby", "not-in-recovery"),
    ],
)
def test_recovery_is_right_for_a_standby_only(*, recovering: bool, role: str, reason: str) -> None:
    """A primary takes writes, a standby is in recovery; either in the other's place fails by name."""
    found = database.in_its_role(server(recovering=recovering, role=role))
    assert (found.holds, found.reason) == (reason == "right", reason)


@pytest.mark.parametrize("change", [{"started": ago(-1)}, {"version": "15.19"}, {"cluster": "8"}])
def test_another_start_is_another_server(change: dict[str, Any]) -> None:
    """A restart, an upgrade or another cluster between the two looks fails, and shows both."""
    found = database.same_server(Bracketed(first=server(), last=server(**change)))
    assert (found.holds, found.reason) == (False, "restarted")
    assert ", then " in found.observed
    same = database.same_server(Bracketed(first=server(), last=server()))
    assert (same.holds, same.reason) == (True, "same")


@pytest.mark.parametrize(
    ("used", "worse", "milder"),
    [
        (0, "room", "room"),
        (69, "room", "room"),
        (71, "room", "filling"),
        (70, "room", "filling"),
        (89, "room", "filling"),
        (90, "nearly-full", "high-judged"),
        (100, "nearly-full", "high-judged"),
        (103, "nearly-full", "high-judged"),
    ],
)
def test_one_of_the_two_connection_checks_judges(used: int, worse: str, milder: str) -> None:
    """From 70 % the milder check fails, from 90 % the worse one alone; superusers may take it over 100 %."""
    seen = Connections(used=used, limit=100, holders=(("bzzz leaking idle", used),))
    found = [database.room_for_connections(seen, LIMITS, worse=each) for each in (True, False)]
    assert [each.reason for each in found] == [worse, milder]
    assert [each.holds for each in found] == [worse == "room", milder != "filling"]
    assert f"{used} connections: bzzz leaking idle" in found[0].details


@given(st.integers(0, 200), st.integers(1, 100))
def test_never_do_both_connection_checks_fail(used: int, limit: int) -> None:
    """Whatever the figures, at most one of the two fails, and one does from 70 % on."""
    seen = Connections(used=used, limit=limit, holders=())
    failed = sum(not database.room_for_connections(seen, LIMITS, worse=each).holds for each in (True, False))
    assert failed == (100 * used / limit >= LIMITS.connections.value)


def table(**changes: Any) -> TableHealth:
    """A table that is kept."""
    whole = {
        "name": "public.tasks", "live": 10_000, "dead": 0, "changed": 0, "vacuumed": ago(60), "analyzed": ago(60)
    }  # fmt: skip
    return TableHealth.model_validate(whole | changes)


def kept(*tables: TableHealth, **changes: Any) -> Finding:
    """What is judged of a database with these tables."""
    whole = {
        "name": "bzzz_v2", "at": NOW, "size": 1000, "tables": tables, "transactions": (),
        "checksums": True, "checksum_failures": 0, "last_checksum_failure": None, "tables_counted": len(tables),
        "transactions_counted": len(changes.get("transactions", ())),
    }  # fmt: skip
    return database.well_kept(DatabaseHealth.model_validate(whole | changes), LIMITS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dead": 2500, "live": 10_000}, "kept"),
        ({"dead": 2501, "live": 10_000}, "dead-tuples"),
        ({"dead": 999, "live": 0}, "kept"),
        ({"dead": 1000, "live": 0}, "dead-tuples"),
        ({"dead": 0, "live": 0}, "kept"),
        ({"changed": 1000, "analyzed": ago(8 * 86400 - 1)}, "kept"),
        ({"changed": 1000, "analyzed": ago(8 * 86400)}, "kept"),
        ({"changed": 1001, "analyzed": ago(9 * 86400)}, "statistics-stale"),
        ({"changed": 1000, "analyzed": ago(8 * 86400 + 1)}, "statistics-stale"),
        ({"changed": 999, "analyzed": ago(99 * 86400)}, "kept"),
        ({"changed": 999, "analyzed": None}, "kept"),
        ({"changed": 1000, "analyzed": None}, "statistics-stale"),
        ({"changed": 1000, "analyzed": ago(-LIMITS.clock_ahead.value)}, "kept"),
        ({"changed": 1000, "analyzed": ago(-LIMITS.clock_ahead.value - 1)}, "statistics-stale"),
        ({"changed": 0, "analyzed": None, "vacuumed": None}, "kept"),
    ],
)
def test_tables_are_judged_from_a_thousand_rows_on(change: dict[str, Any], reason: str) -> None:
    """More than a fifth dead, or statistics older than eight days, fails a table where it is of a thousand rows at least."""
    found = kept(table(), table(name="public.odd", **change))
    assert (found.holds, found.reason) == (reason == "kept", reason)
    assert ("public.odd" in found.observed) is not found.holds


def test_size_and_transactions_have_their_limits() -> None:
    """50 GB pass, a byte more does not; an hour passes, more does not; what is no number does not."""
    for size, reason in ((49_999_999_999, "kept"), (50_000_000_000, "kept"), (50_000_000_001, "too-large")):
        assert kept(table(), size=size).reason == reason
    open_ = {"pid": 7, "who": "bzzz agent", "state": "idle in transaction"}
    ages = (
        (3599.9, "kept"),
        (3600.0, "kept"),
        (3600.1, "long-transaction"),
        (float("nan"), "long-transaction"),
    )
    for seconds, reason in ages:
        found = kept(table(), transactions=(LongTransaction(seconds=seconds, **open_),))
        assert (found.holds, found.reason) == (reason == "kept", reason)
        assert ("pid 7" in found.observed) is not found.holds


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tables_counted": 2}, "part-missing"),
        ({"transactions_counted": 1}, "part-missing"),
        ({"tables_counted": 2, "size": 50_000_000_001}, "too-large"),
        ({"tables": (table(),) * 200, "tables_counted": 9000}, "kept"),
        ({"tables": (table(),) * 199, "tables_counted": 9000}, "part-missing"),
    ],
)
def test_what_the_server_counts_and_does_not_tell_leaves_it_open(change: dict[str, Any], reason: str) -> None:
    """A table or a transaction that was counted and not told may be the one at fault; the worst two hundred are enough."""
    found = kept(table(), **change)
    assert (found.holds, found.reason) == ({"kept": True, "part-missing": None}.get(reason, False), reason)


def test_a_database_without_tables_has_nothing_to_keep() -> None:
    """Where no table was seen nothing is told of any; its size is known all the same."""
    found = kept()
    assert (found.holds, found.reason) == (None, "no-tables")
    assert kept(size=50_000_000_001).reason == "too-large"


def test_every_trouble_is_told() -> None:
    """Of several troubles all are in the details, the first is the reason."""
    found = kept(table(dead=9000, live=1, changed=9000, analyzed=None), size=60_000_000_000)
    assert found.reason == "too-large"
    assert [
        t in " ".join(found.details) for t in ("larger than", "9000 of 9001 tuples dead", "never analyzed")
    ] == [True] * 3
    two = kept(table(changed=9000, analyzed=None), table(name="public.odd", dead=9000, live=1))
    assert (two.reason, "public.odd" in two.observed) == ("dead-tuples", True)


@pytest.mark.parametrize(
    ("checksums", "failures", "reason"),
    [
        (True, 0, "whole"),
        (True, None, "not-counted"),
        (True, 1, "checksum-failures"),
        (False, None, "checksums-off"),
        (False, 3, "checksum-failures"),
    ],
)
def test_pages_need_checksums_that_hold(*, checksums: bool, failures: int | None, reason: str) -> None:
    """Checksums that are off find nothing, which is no pass; failures that were counted before stay failures."""
    seen = DatabaseHealth(
        name="d", at=NOW, size=1, tables=(), tables_counted=0, transactions=(), transactions_counted=0,
        checksums=checksums, checksum_failures=failures, last_checksum_failure=None,
    )  # fmt: skip
    found = database.checksums_hold(seen)
    holds = {"whole": True, "not-counted": None}.get(reason, False)
    assert (found.holds, found.reason) == (holds, reason)


def archiving(**changes: Any) -> Archiving:
    """An archiver that keeps up."""
    whole = {
        "at": NOW, "mode": "on", "command": "cp %p /wal/%f", "library": "", "archived": 9, "last": "0" * 24,
        "last_at": ago(60), "failed": 0, "last_failed": "", "last_failed_at": None, "current": "0" * 24,
        "waiting": 0, "waiting_since": None,
    }  # fmt: skip
    return Archiving.model_validate(whole | changes)


NEVER = {"archived": 0, "last": "", "last_at": None}
FAILED = {"failed": 3, "last_failed": "0" * 24}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "archived"),
        ({"mode": "always"}, "archived"),
        ({"mode": "off", "command": "(disabled)"}, "archive-off"),
        ({"command": " /bin/true "}, "no-op-command"),
        ({"command": ""}, "no-op-command"),
        ({"command": "", "library": "basic_archive"}, "archived"),
        ({**FAILED, "last_failed_at": ago(61)}, "archived"),
        ({**FAILED, "last_failed_at": ago(60)}, "archived"),
        ({**FAILED, "last_failed_at": ago(59)}, "archive-failing"),
        ({**NEVER, **FAILED, "last_failed_at": ago(59)}, "archive-failing"),
        ({**NEVER, "waiting": 1}, "archive-behind"),
        ({**NEVER, "waiting": 0}, "archived"),
        ({"last_at": ago(9 * 86400)}, "archived"),
        ({"waiting": 3, "waiting_since": ago(899)}, "archived"),
        ({"waiting": 3, "waiting_since": ago(900)}, "archived"),
        ({"waiting": 3, "waiting_since": ago(901)}, "archive-behind"),
        ({"waiting": None, "waiting_since": ago(9 * 86400)}, "waiting-not-known"),
        ({**FAILED, "last_failed_at": ago(1), "waiting": None}, "archive-failing"),
        ({"last_at": ago(-300)}, "archived"),
        ({"last_at": ago(-301)}, "from-the-future"),
        ({"waiting": 1, "waiting_since": ago(-301)}, "from-the-future"),
        ({**FAILED, "last_at": ago(-400), "last_failed_at": ago(-301)}, "from-the-future"),
        ({**FAILED, "last_failed": f"{1:024}", "last_failed_at": ago(61)}, "order-not-known"),
        ({**FAILED, "last_failed": f"{1:024}", "last_failed_at": ago(59)}, "archive-failing"),
    ],
)
def test_archiving_does_something_goes_well_and_keeps_up(change: dict[str, Any], reason: str) -> None:
    """A failure counts when it is after the last success; age counts only where something waits. What failed and comes after
    what was archived last has not been archived, whatever the times say.
    """
    found = database.archived(archiving(**change), LIMITS)
    open_ = dict.fromkeys(("waiting-not-known", "from-the-future", "order-not-known"))
    holds = ({"archived": True} | open_).get(reason, False)
    assert (found.holds, found.reason) == (holds, reason)


def test_archiving_tells_all_that_is_wrong() -> None:
    """A command that does nothing and what waits are both told; an empty one is not said to have archived."""
    late = {**FAILED, "last_failed_at": ago(1), "waiting": 3, "waiting_since": ago(901)}
    found = database.archived(archiving(command="true", **late), LIMITS)
    assert found.reason == "no-op-command"
    assert "archives nothing" in found.observed
    assert [word in " ".join(found.details) for word in ("failed at", "3 finished segments wait")] == [
        True
    ] * 2
    assert "until the disk is full" in database.archived(archiving(command=""), LIMITS).observed
