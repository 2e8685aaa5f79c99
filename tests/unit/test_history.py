"""What the history keeps, and how an older one becomes a newer one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from opsverify.canary import history_schema
from opsverify.canary.history import History, HistoryError, JudgedCheck, PastRun
from opsverify.model.check_state import CheckSample, CheckStatus, LastNotified, State, step
from opsverify.model.verdict import Severity, Verdict
from opsverify.target.canary import CanaryTable

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
KEEP = timedelta(days=35)


def past(run: str, ago: timedelta = timedelta(0), *, looked: bool = True, exit_status: int = 0) -> PastRun:
    """A run that ended some time ago."""
    at = NOW - ago
    return PastRun(run, "porch", "canary", at, at, exit_status, looked, "0.1", {"lamp.bulb": "serial 1"})


def judged(verdict: Verdict, ago: timedelta = timedelta(0), check: str = "L-BLB-1") -> JudgedCheck:
    """An outcome of a bulb's check."""
    return JudgedCheck(check, "lamp", "bulb", "too-dark", CheckSample(verdict, Severity.P1, NOW - ago))


@pytest.fixture
def history(tmp_path: Path) -> History:
    """An empty history of one target."""
    made = History(tmp_path / "history.sqlite", "key")
    made.open()
    return made


def test_what_is_recorded_comes_back(history: History) -> None:
    """A run, its identities and how each check stands are read as they were written, microseconds and zone included."""
    assert (history.last_look(), history.statuses(), history.runs_since_look()) == (None, {}, 0)
    one = judged(Verdict.FAIL)
    standing = step(None, one.sample, CanaryTable())
    history.record(past("r1"), [one], {"L-BLB-1": standing}, KEEP)
    assert history.last_look() == past("r1")
    assert history.statuses() == {"L-BLB-1": standing}
    later = step(standing, one.sample, CanaryTable())
    history.record(past("r2"), [one], {"L-BLB-1": later}, KEEP)
    assert history.statuses() == {"L-BLB-1": later}


def test_targets_do_not_mix(history: History, tmp_path: Path) -> None:
    """Two targets in one file know nothing of each other."""
    history.record(past("r1"), [judged(Verdict.PASS)], {"L-BLB-1": CheckStatus(since=NOW)}, KEEP)
    other = History(tmp_path / "history.sqlite", "other")
    other.open()
    assert (other.last_look(), other.statuses(), other.counts(NOW - KEEP)) == (None, {}, {})


def test_a_record_is_all_or_nothing(history: History) -> None:
    """A run that cannot be recorded whole leaves nothing, and says why without its statement."""
    twice = [judged(Verdict.PASS), judged(Verdict.FAIL)]
    with pytest.raises(HistoryError, match="IntegrityError") as caught:
        history.record(past("r1"), twice, {}, KEEP)
    assert "INSERT" not in str(caught.value)
    assert history.last_look() is None


def test_counts_are_of_their_window(history: History) -> None:
    """Success is counted from what was seen since an instant, by subsystem and verdict."""
    for number, (verdict, hours) in enumerate(
        [(Verdict.PASS, 0), (Verdict.FAIL, 2), (Verdict.UNKNOWN, 2), (Verdict.PASS, 30)]
    ):
        ago = timedelta(hours=hours)
        history.record(past(f"r{number}", ago), [judged(verdict, ago)], {}, KEEP)
    key = ("lamp", "bulb")
    assert history.counts(NOW - timedelta(hours=1)) == {key: {Verdict.PASS: 1}}
    assert history.counts(NOW - timedelta(hours=24)) == {
        key: {Verdict.PASS: 1, Verdict.FAIL: 1, Verdict.UNKNOWN: 1}
    }
    assert history.counts(NOW - timedelta(days=30))[key][Verdict.PASS] == 2


def test_trends_are_the_last_runs_that_looked(history: History) -> None:
    """Each check's last verdicts come oldest first; a run that found the target busy is none, a check may be new."""
    verdicts = [Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN, Verdict.WAIVED]
    for number, verdict in enumerate(verdicts):
        ago = timedelta(minutes=10 - number)
        new = [judged(Verdict.PASS, ago, "L-SWI-1")] if number == 3 else []
        history.record(past(f"r{number}", ago), [judged(verdict, ago), *new], {}, KEEP)
    history.record(past("busy", looked=False), [], {}, KEEP)
    minutes = [timedelta(minutes=m) for m in (9, 8, 7)]
    assert history.trends(3) == {
        "L-BLB-1": [(NOW - ago, verdict) for ago, verdict in zip(minutes, verdicts[1:], strict=True)],
        "L-SWI-1": [(NOW - minutes[-1], Verdict.PASS)],
    }


def test_old_runs_go(history: History) -> None:
    """What is older than is kept goes with the next run; how checks stand stays."""
    long_ago = timedelta(days=36)
    history.record(
        past("r1", long_ago), [judged(Verdict.PASS, long_ago)], {"c": CheckStatus(since=NOW)}, KEEP
    )
    history.record(past("r2", looked=False), [], {}, KEEP)
    assert history.last_look() is None
    assert history.counts(NOW - timedelta(days=400)) == {}
    assert list(history.statuses()) == ["c"]


def test_runs_in_a_row_that_did_not_look(history: History) -> None:
    """Runs that found the target busy are counted since the last that looked."""
    history.record(past("r1", timedelta(minutes=3)), [], {}, KEEP)
    history.record(past("r2", timedelta(minutes=2), looked=False, exit_status=16), [], {}, KEEP)
    history.record(past("r3", timedelta(minutes=1), looked=False, exit_status=16), [], {}, KEEP)
    assert history.runs_since_look() == 2
    assert history.last_look() == past("r1", timedelta(minutes=3))


def test_each_reader_is_remembered_by_itself(history: History) -> None:
    """What one was told last replaces what it was told before, and is nothing to another."""
    history.record_notified(
        "slack", {"c": LastNotified(State.DOWN, NOW), "d": LastNotified(State.NO_DATA, NOW)}
    )
    history.record_notified("slack", {"c": LastNotified(State.UP, NOW)})
    assert history.last_notified("slack") == {
        "c": LastNotified(State.UP, NOW),
        "d": LastNotified(State.NO_DATA, NOW),
    }
    assert history.last_notified("pagerduty") == {}


def test_an_older_history_keeps_its_rows(tmp_path: Path) -> None:
    """A history of the first version is brought up to date with every row still there, once."""
    path = tmp_path / "old.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        history_schema.migrate(connection, to=1)
        connection.execute(
            text(
                "INSERT INTO opsverify_runs VALUES ('old', 'key', 'porch', 'canary', '2026-06-01T12:00:00.000000+00:00',"
                " '2026-06-01T12:00:01.000000+00:00', 0, 1, 'host', '0.1', '{}')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO opsverify_standings VALUES ('key', 'L-BLB-1', 'DOWN', 0, '2026-05-01T00:00:00.000000+00:00',"
                " 3, 0, 0, 'FFF', 0)"
            )
        )
    engine.dispose()
    history = History(path, "key")
    for _ in range(2):
        history.open()
        last = history.last_look()
        assert last is not None
        assert last.id == "old"
        down = history.statuses()["L-BLB-1"]
        assert (down.state, down.red_since) == (State.DOWN, down.since)  # at least since then
    history.record_notified("slack", {"L-BLB-1": LastNotified(State.DOWN, NOW)})


def test_a_failed_migration_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails in the middle changes nothing."""
    path = tmp_path / "old.sqlite"
    History(path, "key").open()
    broken = (*history_schema._MIGRATIONS, ("CREATE TABLE half (a TEXT)", "NO SQL AT ALL"))
    monkeypatch.setattr(history_schema, "_MIGRATIONS", broken)
    monkeypatch.setattr(history_schema, "VERSION", len(broken))
    monkeypatch.setattr(history_schema.migrate, "__defaults__", (len(broken),))
    with pytest.raises(HistoryError):
        History(path, "key").open()
    monkeypatch.undo()
    history = History(path, "key")
    history.open()
    with history._engine.connect() as connection:
        assert not connection.execute(text("SELECT name FROM sqlite_master WHERE name = 'half'")).all()


def test_a_newer_history_is_refused(tmp_path: Path) -> None:
    """A history that a newer program wrote is not touched."""
    path = tmp_path / "new.sqlite"
    made = History(path, "key")
    made.open()
    with made._engine.begin() as connection:
        connection.execute(text("UPDATE opsverify_history SET version = 99"))
    with pytest.raises(HistoryError, match="schema version 99, written by a newer opsverify") as caught:
        History(path, "key").open()
    assert caught.value.newer


@pytest.mark.parametrize("content", [b"no database at all, but some text", b"\x00" * 4096])
def test_what_is_no_history_is_told(tmp_path: Path, content: bytes) -> None:
    """A file of something else is told by its name, and left as it is."""
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=r"letter\.txt"):
        History(path, "key").open()
    assert path.read_bytes() == content


def test_an_address_that_is_none(tmp_path: Path) -> None:
    """An address that cannot be read is told as the history's trouble."""
    with pytest.raises(HistoryError):
        History("postgresql://user:secret@host:no-port/db", "key")
