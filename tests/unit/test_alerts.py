"""Nissa's alert rules, with their habit of starting anew at every packet that lacks their metric."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from fixtures.esper.twin.alerts import RULES, AlertRule, NissaAlerts, Objectives

SLOW = {"tolaria.training.latency_ms": 25.0}
FAST = {"tolaria.training.latency_ms": 9.0}
TAMIYO = {"tamiyo.validation_loss": 0.2}
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def seen(*packets: dict[str, float]) -> NissaAlerts:
    """Build alerts that have seen these packets."""
    alerts = NissaAlerts()
    for packet in packets:
        alerts.observe(packet)
    return alerts


def test_three_slow_packets_in_a_row_fire() -> None:
    """The third slow packet in a row fires, and the summary has the shape of the real one."""
    assert seen(SLOW, SLOW).active == {}
    third = {"tolaria.training.latency_ms": 30.0}
    assert seen(SLOW, SLOW, third, SLOW).summary() == {
        "training_latency_high": {
            "metric": "tolaria.training.latency_ms",
            "value": 30.0,
            "routes": ["pagerduty", "slack"],
        }
    }


def test_an_interleaved_packet_of_another_source_resets() -> None:
    """Six slow packets with another source's packets between them never fire."""
    assert seen(*[SLOW, TAMIYO] * 6).active == {}


def test_a_packet_of_another_source_clears_an_active_alert() -> None:
    """A packet that lacks the rule's metric clears its alert."""
    assert seen(SLOW, SLOW, SLOW, TAMIYO).active == {}


def test_a_packet_without_metrics_changes_nothing() -> None:
    """A packet without metrics neither counts nor resets."""
    assert "training_latency_high" in seen(SLOW, {}, SLOW, {}, SLOW, {}).active


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_only_a_value_above_the_threshold_breaches(rule: AlertRule) -> None:
    """The threshold itself and NaN do not fire; the next number above it does, in as many packets as the rule says."""
    above = math.nextafter(rule.threshold, math.inf)
    assert seen(*[{rule.metric: rule.threshold}] * 5).active == {}
    assert seen(*[{rule.metric: math.nan}] * 5).active == {}
    assert seen(*[{rule.metric: above}] * (rule.consecutive - 1)).active == {}
    assert set(seen(*[{rule.metric: above}] * rule.consecutive).active) == {rule.name}


def test_one_activation_is_sent_once_to_each_route() -> None:
    """An alert is sent once per activation, and again only after it was cleared."""
    alerts = seen(SLOW, SLOW, SLOW, SLOW, SLOW)
    assert alerts.sent == {"pagerduty": ["training_latency_high"], "slack": ["training_latency_high"]}
    for packet in (FAST, SLOW, SLOW, SLOW):
        alerts.observe(packet)
    assert alerts.sent["slack"] == ["training_latency_high"] * 2


def test_an_objective_counts_samples_of_one_packet() -> None:
    """Objective and actual value in the same packet are a sample; above the objective is a violation."""
    objectives = Objectives()
    objectives.observe({"slo.latency_objective": 18.0, "slo.latency_actual": 25.0}, NOW)
    assert objectives.summary() == {"latency": {"total": 1, "violations": 1, "burn_rate": 1.0}}
    objectives.observe({"slo.latency_objective": 18.0, "slo.latency_actual": 18.0}, NOW)
    objectives.observe({"slo.latency_objective": 18.0}, NOW)
    objectives.observe({"slo.latency_actual": 99.0}, NOW)
    assert objectives.summary() == {"latency": {"total": 2, "violations": 1, "burn_rate": 0.5}}
    assert objectives.breached("latency")


def test_an_objective_forgets_after_720_hours() -> None:
    """A sample older than 720 hours no longer counts."""
    objectives = Objectives()
    objectives.observe({"slo.x_objective": 1.0, "slo.x_actual": 2.0}, NOW)
    objectives.observe({"slo.x_objective": 1.0, "slo.x_actual": 0.5}, NOW + timedelta(hours=721))
    assert objectives.summary() == {"x": {"total": 1, "violations": 0, "burn_rate": 0.0}}
