"""Runs out of packets: whatever order they come in and however often, it is the same last run."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from systems.esper.bus.entries import Decoded
from systems.esper.bus.models import Entry
from systems.esper.training.telemetry import CANARY_SOURCE, Telemetry, evidence, is_completion, runs

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = 1_800_000_000_000


def packet(
    source: str, epoch: int, made: int, *, completion: bool = False, packet_id: str = "", **more: object
) -> Decoded:
    """A packet of the real kind: its id repeats from run to run, its timestamp does not."""
    metrics = {f"{source}.training.loss": 0.0, f"{source}.training.latency_ms": 0.0}
    if not completion:
        metrics = dict.fromkeys(metrics, 0.2) | {f"{source}.epoch_hook.latency_ms": 6.3}
    return Decoded.model_validate(
        {
            "problem": "",
            "signature": "missing",
            "message_type": "TELEMETRY",
            "source": source,
            "packet_id": packet_id or f"training-run-epoch-{epoch}",
            "metrics": metrics,
            "issued_at": NOON + timedelta(milliseconds=made),
            **more,
        }
    )


def run_of(epochs: int, begin: int, source: str = "tolaria") -> list[Decoded]:
    """A whole run: its epochs and the packet that completes it."""
    made = [packet(source, epoch, begin + epoch) for epoch in range(epochs)]
    return [*made, packet(source, epochs, begin + epochs, completion=True)]


def reading(said: list[Decoded], first: int = NOW - 1000) -> Telemetry:
    """The telemetry stream that holds these packets in this order."""
    entries = [Entry(id=f"{first + number}-0", decoded=one) for number, one in enumerate(said)]
    return Telemetry(now_ms=NOW, stream="t", read=len(entries), packets=evidence(reversed(entries)))


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    again=st.integers(0, 3),
    order=st.randoms(use_true_random=False),
)
def test_the_last_run_is_the_same_in_any_order(lengths: list[int], again: int, order: random.Random) -> None:
    """Any interleaving, repetition and order of packets gives the runs that were made."""
    made = [run_of(length, 100 * number) for number, length in enumerate(lengths)]
    others = [packet("tamiyo", n, 7 * n) for n in range(5)]
    published = [p for run in made for p in run for _ in range(again + 1)] + others
    order.shuffle(published)
    found = runs(reading(published).of("tolaria"))
    assert [[p.message for p in run] for run in found] == made


def test_a_republished_history_adds_nothing_and_makes_nothing_younger() -> None:
    """A packet that is published again counts once, and is as old as when it came first."""
    first, second = run_of(3, 0), run_of(3, 100)
    found = reading([*first, *first, *second]).of("tolaria")
    assert [p.message for p in found] == [*first, *second]
    assert found[0].age_s(NOW) == 1.0
    assert [len(run) for run in runs(found)] == [4, 4]


def test_a_run_that_never_completed_ends_where_the_next_begins() -> None:
    """Without a completion packet the next run begins at the epoch that is not beyond the last."""
    died, next_run = run_of(3, 0)[:2], run_of(3, 100)
    found = runs(reading([*died, *next_run]).of("tolaria"))
    assert [[p.epoch for p in run] for run in found] == [[0, 1], [0, 1, 2, 3]]


def test_a_completion_packet_is_no_epoch() -> None:
    """No hook, loss 0, latency 0 is the end of a run; a loss that is missing is not 0."""
    telemetry = reading(run_of(1, 0))
    assert [is_completion(p) for p in telemetry.of("tolaria")] == [False, True]
    bare = reading([packet("tolaria", 0, 0, metrics={"tolaria.training.latency_ms": 0.0})])
    assert not is_completion(bare.packets[0])


def test_what_is_no_evidence_is_left_out() -> None:
    """Our own canary, entries with a problem and other messages are not evidence."""
    canary = packet(CANARY_SOURCE, 0, 0)
    forged = packet("tolaria", 0, 0, problem="signature-wrong")
    state = packet("tolaria", 0, 0, message_type="SYSTEM_STATE")
    assert reading([canary, forged, state]).packets == ()


def test_a_time_in_the_future_does_not_stay_the_newest_for_ever() -> None:
    """A packet that says it was made in the year 9999 is as new as its entry, no newer."""
    far = packet("tolaria", 0, 0, packet_id="far", issued_at=datetime(9999, 12, 31, tzinfo=UTC))
    near = packet("tolaria", 1, 0, issued_at=None)
    assert [p.message for p in reading([far, near]).of("tolaria")] == [far, near]


def test_packets_without_a_time_or_a_number_are_kept_each() -> None:
    """Packets that carry neither timestamp nor epoch stand as they came, none of them dropped."""
    said = [packet("simic", 0, 0, packet_id="simic-metrics", issued_at=None) for _ in range(3)]
    found = reading(said).of("simic")
    assert [p.at_ms for p in found] == [NOW - 1000, NOW - 999, NOW - 998]
    assert found[0].epoch is None
    assert len(runs(found)) == 1
