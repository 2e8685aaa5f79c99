"""Nissa's latency rule as the suite follows it on the stream: the same as the twin's Nissa, whatever is published."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures.esper.twin.alerts import NissaAlerts
from systems.esper.bus.entries import Decoded
from systems.esper.bus.models import Entry
from systems.esper.tolaria.observations import _by_rule, _reset_by
from systems.esper.training.telemetry import LATENCY, Telemetry, evidence

NOW = 1_800_000_000_000
SLOW, FAST = {LATENCY: 25.0}, {LATENCY: 12.0}
OTHER: dict[str, float] = {"tamiyo.loss_delta": 0.0}
NOTHING: dict[str, float] = {}


def stream(*published: dict[str, float], age_ms: int = 60_000) -> Telemetry:
    """A stream of packets with these metrics, a millisecond apart, the first of them so old."""
    entries = [
        Entry(
            id=f"{NOW - age_ms + number}-0",
            decoded=Decoded(
                problem="",
                signature="missing",
                message_type="TELEMETRY",
                source="any",
                packet_id=f"p{number}",
                metrics=metrics,
            ),
        )
        for number, metrics in enumerate(published)
    ]
    return Telemetry(now_ms=NOW, stream="t", read=len(entries), packets=evidence(entries))


@given(st.lists(st.sampled_from([SLOW, FAST, OTHER, NOTHING]), min_size=1, max_size=30))
def test_the_rule_is_that_of_nissa(published: list[dict[str, float]]) -> None:
    """On packets that Nissa has long had, the rule gives exactly what Nissa shows."""
    nissa = NissaAlerts()
    for metrics in published:
        nissa.observe(metrics)
    assert _by_rule(stream(*published), behind_ms=1000) == ("training_latency_high" in nissa.active,)


def test_what_nissa_may_not_have_had_yet_leaves_both_open() -> None:
    """Within the time that Nissa may be behind, the alert may be as it was and as it will be."""
    assert _by_rule(stream(SLOW, SLOW, SLOW, age_ms=100), behind_ms=1000) == (False, True)
    assert _by_rule(stream(SLOW, SLOW, SLOW, OTHER, age_ms=100), behind_ms=1000) == (False, True)
    assert _by_rule(stream(FAST, FAST, OTHER, age_ms=100), behind_ms=1000) == (False,)


def test_the_packet_that_cleared_the_alert_is_named() -> None:
    """The first packet with a metric and without a slow latency resets it; one without metrics does not."""
    published = stream(SLOW, SLOW, SLOW, NOTHING, OTHER, FAST)
    third = published.packets[2].entry
    assert _reset_by(published, third).startswith("packet p4 of any")
    assert _reset_by(stream(SLOW, SLOW, SLOW), third) == ""
