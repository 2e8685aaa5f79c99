"""What a series of rounds means, and how long a duration is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.commands.watch import Round, Watch, verdict_of
from opsverify.model.exit_codes import Exit
from opsverify.run.options import duration

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 21, tzinfo=UTC)


def rounds(*statuses: int) -> list[Round]:
    """Rounds that ended so."""
    return [
        Round(number=n, started=START + timedelta(minutes=n), status=s, took=timedelta(seconds=1))
        for n, s in enumerate(statuses, 1)
    ]


@pytest.mark.parametrize(
    ("statuses", "status", "over"),
    [
        ((0,), 0, False),
        ((10, 10), 10, False),
        ((10, 12), 12, False),
        ((10, 0, 0), 0, False),
        ((10, 0, 10), 10, True),
        ((0, 12, 0), 12, False),
        ((0, 13), 12, False),
        ((0, 12, 10), 10, True),
        ((12, 0, 11), 11, False),
        ((16, 16), 16, False),
        ((10, 16), 10, False),
        ((0, 16, 0), 0, False),
        ((0, 4), 4, True),
        ((10, 14), 14, True),
        ((0, 3), 3, True),
        ((0, -9), 12, False),
        ((10, -9), 12, False),
    ],
)
def test_the_verdict_of_a_series(statuses: tuple[int, ...], status: int, *, over: bool) -> None:
    """Relapse is a gated FAIL after a green round; a blind round after it is a gap; a busy one tells nothing."""
    told, meaning, ends = verdict_of(rounds(*statuses))
    assert (int(told), ends) == (status, over), meaning


@given(st.lists(st.sampled_from([0, 2, 3, 4, 10, 11, 12, 13, 14, 15, 16]), min_size=1))
def test_0_is_only_what_was_seen(statuses: list[int]) -> None:
    """A watch is 0 only if it ended green, and every round that looked since the first green one was green."""
    told, _, _ = verdict_of(rounds(*statuses))
    if told is Exit.HOLDS:
        looked = [s for s in statuses if s != Exit.BUSY]
        since = looked[next(i for i, s in enumerate(looked) if s in (0, 11)) :]
        assert set(since) <= {0, 11}
        assert looked[-1] == 0


@pytest.mark.parametrize(
    ("text", "expected"), [("20s", 20), ("5m", 300), ("24h", 86400), ("1.5h", 5400), ("2d", 172800)]
)
def test_a_duration(text: str, expected: float) -> None:
    """A number with its unit is a duration."""
    assert duration(text).total_seconds() == expected


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 min", "0s", "nan s", "1e3s"])
def test_no_duration(text: str) -> None:
    """Anything else is refused with what is right."""
    with pytest.raises(ValueError, match="such as 20s, 5m or 24h"):
        duration(text)


def test_a_watch_that_is_stopped_while_it_saves_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal between making the link to the newest round and putting it in its place costs nothing."""
    watch = object.__new__(Watch)
    watch.reports, watch.folder = tmp_path, tmp_path / "watch-1"
    watch.whole = watch.every = timedelta(seconds=1)
    watch.folder.mkdir()
    watch.rounds = [replace(rounds(0)[0], folder=watch.folder / "round")]

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            watch.save(Exit.HOLDS, "green")
    watch.save(Exit.INTERRUPTED, "interrupted")
    assert json.loads((watch.folder / "watch.json").read_text(encoding="utf-8"))["exit_status"] == 2
    assert (tmp_path / "latest").readlink().name == "round"
