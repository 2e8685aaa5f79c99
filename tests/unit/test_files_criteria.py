"""What is judged of the files: names, numbers and the operator's next look in each finding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks.esper.forge import criteria
from systems.esper.forge.models import Blueprint, Forge, ForgeWal, LeftWal, Library, ReportLog, RetryAlert
from systems.esper.limits import EsperLimits

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMITS = EsperLimits()
NO_WAL = LeftWal(path="x_wal.json", present=False, problem="", blueprint="")
NOTHING = ForgeWal(path="w", present=False, problem="", pending=())


def log(**more: object) -> ReportLog:
    """Build a whole, recent log."""
    given = {
        "path": "/r/log",
        "problem": "",
        "workload": "running",
        "size": 260,
        "records": 2,
        "outcomes": {"success": 2},
        "oldest": NOON,
        "newest": NOON,
        "garbage": (),
        "garbage_count": 0,
        "torn_at": None,
        "torn_bytes": 0,
        "unread": 0,
    }
    return ReportLog.model_validate({**given, **more})


def forge(wal: ForgeWal, compiler: LeftWal = NO_WAL, library: LeftWal = NO_WAL, *, moved: str = "") -> Forge:
    """Build what a forge left."""
    return Forge(
        forge=wal,
        compiler=compiler,
        library=library,
        moved=moved,
        investigation=("in flight: BP014",),
        seconds=5,
    )


def test_a_finding_names_the_offset_of_what_is_no_record() -> None:
    """Garbage and a torn tail are named by offset and size; garbage is the worse of the two."""
    seen = criteria.log_is_whole(log(garbage=((133, 24),), garbage_count=3, torn_at=500, torn_bytes=7))
    assert (seen.holds, seen.reason) == (False, "garbage")
    assert seen.details[:3] == (
        "offset 133: 24 bytes are not a record",
        "and 2 more such places",
        "offset 500: the last record is incomplete, only 7 bytes of it were written",
    )
    assert criteria.log_is_whole(log(torn_at=500, torn_bytes=7)).reason == "torn-tail"


@pytest.mark.parametrize(
    ("given", "reason", "holds"),
    [
        ({}, "whole", True),
        ({"problem": "missing"}, "missing", False),
        ({"problem": "missing", "workload": "idle"}, "no-log", None),
        ({"problem": "not-a-file", "workload": "idle"}, "not-a-file", False),
        ({"size": 0, "records": 0, "newest": None}, "no-reports", None),
        ({"garbage": ((133, 24),)}, "garbage", False),
        ({"torn_at": 500}, "torn-tail", False),
        ({"torn_bytes": 7}, "torn-tail", False),
        ({"unread": 7}, "not-read-to-its-end", None),
        ({"unread": 7, "garbage": ((133, 24),), "garbage_count": 1}, "garbage", False),
    ],
)
def test_a_log_is_whole_only_as_far_as_it_was_read(
    given: dict[str, object], reason: str, *, holds: bool | None
) -> None:
    """A log without a record, or not read to its end, is not called whole; what is wrong in what was read is."""
    found = criteria.log_is_whole(log(**given))
    assert (found.reason, found.holds) == (reason, holds)


@pytest.mark.parametrize(
    ("age", "workload", "reason"),
    [
        (0, "running", "recent"),
        (600, "running", "recent"),
        (601, "running", "stale"),
        (-600, "running", "recent"),
        (-601, "running", "ahead"),
        (90_000, "idle", "not-running"),
        (90_000, "window", "not-running"),
    ],
)
def test_age_counts_while_training_runs(age: float, workload: str, reason: str) -> None:
    """At the limit a log is recent, above it stale; issued far in our future it is not recent either."""
    seen = criteria.log_is_recent(log(workload=workload), NOON + timedelta(seconds=age), LIMITS)
    assert seen.reason == reason
    assert seen.holds == (reason in ("recent", "not-running"))
    assert "report_age = 600 s" in seen.limits[0]


def test_a_running_program_without_a_report_fails() -> None:
    """No report at all is not recent; the last one of a log that was not read to its end is not known."""
    assert criteria.log_is_recent(log(newest=None, records=0), NOON, LIMITS).reason == "no-report"
    late = NOON + timedelta(days=9)
    unread = criteria.log_is_recent(log(unread=7), late, LIMITS)
    assert (unread.reason, unread.holds) == ("not-read-to-its-end", None)


@pytest.mark.parametrize("problem", ["", "it is empty (0 bytes)"])
def test_a_forge_at_work_is_not_judged(problem: str) -> None:
    """What moves between two samples is neither pending nor unreadable nor left behind yet."""
    wal = ForgeWal(path="w", present=True, problem=problem, pending=() if problem else ("BP014",))
    left = LeftWal(path="c", present=True, problem="", blueprint="BP014")
    seen = forge(wal, compiler=left, moved="2 pending became 1 pending")
    for found in (criteria.nothing_pending(seen), criteria.nothing_left_behind(seen)):
        assert (found.reason, found.holds) == ("forge-at-work", None)
        assert "2 pending became 1 pending within 5 s" in found.observed


def test_pending_ids_are_named_in_their_order_with_the_investigation() -> None:
    """What is pending is named, the first ones if there are many, with what was looked into further."""
    ids = tuple(f"BP{n:03d}" for n in range(14, 51))
    seen = criteria.nothing_pending(forge(ForgeWal(path="w", present=True, problem="", pending=ids)))
    assert (seen.holds, seen.reason) == (False, "pending")
    assert seen.observed.startswith("37 pending: BP014, BP015, ")
    assert "and 17 more" in seen.observed
    assert seen.details == ("in flight: BP014",)
    assert criteria.nothing_pending(forge(NOTHING.model_copy(update={"present": True}))).holds
    assert criteria.nothing_pending(forge(NOTHING)).holds
    empty = ForgeWal(path="w", present=True, problem="it is empty (0 bytes)", pending=())
    torn = criteria.nothing_pending(forge(empty))
    assert (torn.holds, torn.reason) == (False, "wal-unreadable")


def test_a_left_log_is_named_with_its_blueprint() -> None:
    """Each log that is left is named, with what is known of who reads it."""
    left = LeftWal(path="a/tezzeret_wal.json", present=True, problem="", blueprint="BP014")
    seen = criteria.nothing_left_behind(forge(NOTHING, compiler=left))
    assert (seen.holds, seen.reason) == (False, "left-behind")
    assert seen.details[0] == "compiler WAL a/tezzeret_wal.json: blueprint BP014"
    assert criteria.nothing_left_behind(forge(NOTHING)).holds


GOOD = Blueprint(
    id="BP001",
    name="one",
    tier="SAFE",
    path="var/urza/BP001.pt",
    problem="",
    copies=2,
    size=9,
    stamp="s",
    risk=0.2,
)


def library(*blueprints: Blueprint, **said: Any) -> Library:
    """Build a library of these, with all of their files."""
    orphans = said.get("orphans", ())
    well = {
        "path": "c",
        "problem": "",
        "rows": len(blueprints),
        "files": sum(b.copies for b in blueprints) + len(orphans),
        "blueprints": blueprints,
        "orphans": orphans,
    }
    return Library.model_validate({**well, **said})


@pytest.mark.parametrize("said", [{"rows": 2}, {"files": 3}])
def test_each_row_and_each_file_has_to_be_told_of(said: dict[str, int]) -> None:
    """A row, or a file, of which nothing is said may be the one that is wrong."""
    found = criteria.library_matches_artifacts(library(GOOD, **said))
    assert (found.reason, found.holds) == ("part-missing", None)


def test_a_bad_artifact_is_named_with_what_to_do() -> None:
    """A bad artifact is the worse finding, an orphan the milder one; a library that is none is the worst."""
    bad = GOOD.model_copy(update={"id": "BP014", "problem": "/r/var/urza/BP014.pt: it is empty (0 bytes)"})
    seen = criteria.library_matches_artifacts(library(GOOD, bad, orphans=("/r/BP099.pt",)))
    assert (seen.holds, seen.reason) == (False, "artifact-bad")
    assert seen.details[:2] == (
        "BP014 (SAFE): /r/var/urza/BP014.pt: it is empty (0 bytes)",
        "/r/BP099.pt: artifact without a row",
    )
    assert "delete the row too" in seen.details[2]
    orphan = criteria.library_matches_artifacts(library(GOOD, orphans=("/r/BP099.pt",)))
    assert (orphan.holds, orphan.reason) == (False, "orphan")
    assert criteria.library_matches_artifacts(library(GOOD)).holds
    assert criteria.library_matches_artifacts(library(problem="no SQLite")).reason == "library-unreadable"
    empty = criteria.library_matches_artifacts(library())
    assert (empty.reason, empty.holds) == ("no-blueprints", None)


def test_an_active_retry_alert_tells_value_and_routes() -> None:
    """An active alert says what it saw, and that nobody was paged."""
    active = RetryAlert(active=True, value=3, routes=("email",), newest=2, entry="1-0")
    seen = criteria.retry_alert_quiet(active)
    assert (seen.holds, seen.reason) == (False, "alert-active")
    assert seen.observed == "active: 3 retries when it fired; routes email"
    assert seen.details[1] == "newest tezzeret.compile.retry_count: 2, in entry 1-0"
    quiet = RetryAlert(active=False, value=None, routes=(), newest=0, entry="1-0")
    assert criteria.retry_alert_quiet(quiet).reason == "quiet"
    for newest in (None, float("nan")):
        never = criteria.retry_alert_quiet(quiet.model_copy(update={"newest": newest}))
        assert (never.reason, never.holds) == ("never-published", None)
