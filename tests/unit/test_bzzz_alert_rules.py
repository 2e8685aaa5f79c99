"""The rules of BZZZ's alerting rules, and of an incident's alert that should be over, at their boundaries."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from checks.bzzz.alerting import criteria as alerting
from opsverify.model.observation import ErrorKind, Unobservable
from systems.bzzz.alerting import observations
from systems.bzzz.alerting.models import Cleared
from systems.bzzz.incidents.alerts import HEALTH, PEERS
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.monitoring.models import PrometheusSeen, Rule, Rules, Sample, Samples, Watching

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
NEEDED = (HEALTH, PEERS)
SECOND = timedelta(seconds=1)


def rule(name: str = HEALTH, **more: Any) -> Rule:
    """A rule that is well, evaluated every 15 s."""
    told = {"group": "g", "kind": "alerting", "query": "x < 1 or absent(x)", "health": "ok", "error": ""}
    times = {"for_s": 60, "interval_s": 15, "evaluated_ago_s": 1}
    return Rule.model_validate({"name": name, "state": "inactive", "labels": {}, **told, **times, **more})


def watching(*rules: Rule, managers: tuple[str, ...] = ("http://m",)) -> Watching:
    """What Prometheus has loaded."""
    return Watching(rules=Rules(at=NOW, rules=rules), alertmanagers=managers, needed=NEEDED)


def test_prometheus_has_to_know_an_alertmanager() -> None:
    """Without one its alerts go to nobody."""
    assert alerting.alertmanager_known(watching()).holds
    assert alerting.alertmanager_known(watching(managers=())).reason == "no-alertmanager"


def test_each_needed_rule_has_to_be_one_that_alerts() -> None:
    """One that lacks, or only records, is named."""
    assert alerting.rules_loaded(watching(rule(HEALTH), rule(PEERS))).holds
    found = alerting.rules_loaded(watching(rule(HEALTH), rule(PEERS, kind="recording")))
    assert (found.holds, found.observed) == (False, f"missing: {PEERS}")


AT_MOST_S = LIMITS.rule_intervals.value * 15 + LIMITS.rule_slack.value


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "rules-healthy"),
        ({"evaluated_ago_s": AT_MOST_S}, "rules-healthy"),
        ({"evaluated_ago_s": math.nextafter(AT_MOST_S, math.inf)}, "rules-not-evaluated"),
        ({"evaluated_ago_s": -AT_MOST_S}, "rules-healthy"),
        ({"evaluated_ago_s": math.nextafter(-AT_MOST_S, -math.inf)}, "rules-not-evaluated"),
        ({"evaluated_ago_s": None}, "rules-not-evaluated"),
        ({"evaluated_ago_s": math.nan}, "rules-not-evaluated"),
        ({"health": "unknown", "evaluated_ago_s": None}, "rules-not-evaluated"),
        ({"health": "err", "error": "many-to-many"}, "rules-failing"),
        ({"health": "err", "evaluated_ago_s": None}, "rules-failing"),
        ({"health": ""}, "rules-failing"),
        ({"name": "Other", "health": "err"}, "rules-healthy"),
        ({"name": "bzzz:dht_success_rate", "kind": "recording", "health": "err"}, "rules-failing"),
    ],
)
def test_a_rule_has_to_be_evaluated_lately(more: dict[str, Any], reason: str) -> None:
    """Three intervals and the slack are lately, no more, and no more ahead; a failure outranks an age; others' rules do not count."""
    found = alerting.rules_evaluated(watching(rule(**more), rule(PEERS)), LIMITS)
    assert (found.holds, found.reason) == (reason == "rules-healthy", reason)
    assert found.holds or more.get("name", HEALTH) in found.details[0]


NEVER = {"evaluated_ago_s": None, "health": "unknown"}


@pytest.mark.parametrize(
    ("taken_s", "more", "evaluated", "cleared"),
    [
        (0, NEVER, "rules-not-due", "rules-not-due"),
        (AT_MOST_S, NEVER, "rules-not-due", "rules-not-due"),
        (math.nextafter(AT_MOST_S, math.inf) + 1e-3, NEVER, "rules-not-evaluated", "rule-failing"),
        (-1, NEVER, "rules-not-evaluated", "rule-failing"),
        (None, NEVER, "rules-not-evaluated", "rule-failing"),
        (0, {**NEVER, "health": "err"}, "rules-failing", "rule-failing"),
        (0, {"evaluated_ago_s": 600}, "rules-not-evaluated", "rule-failing"),
    ],
)
def test_a_rule_that_is_not_yet_due_is_not_late(
    taken_s: float | None, more: dict[str, Any], evaluated: str, cleared: str
) -> None:
    """As long as it may take to be evaluated again, nobody knows of one that Prometheus has just taken; no longer."""
    taken = None if taken_s is None else NOW - timedelta(seconds=taken_s)
    one = Rules(at=NOW, rules=(rule(PEERS, **more),), taken=taken)
    seen = watching(rule(), *one.rules).model_copy(
        update={"rules": one.model_copy(update={"rules": (rule(), *one.rules)})}
    )
    judged = alerting.rules_evaluated(seen, LIMITS), alerting.alerts_cleared(standing(rules=one), LIMITS)
    holds = None if evaluated == "rules-not-due" else False
    assert [(f.reason, f.holds) for f in judged] == [(evaluated, holds), (cleared, holds)]


def test_no_rule_at_all_is_not_well() -> None:
    """Of rules that are not there none is healthy, and none hears silence."""
    assert alerting.rules_evaluated(watching(), LIMITS).reason == "no-rules"
    assert alerting.rules_evaluated(watching(), LIMITS).holds is None


@pytest.mark.parametrize(
    ("query", "hears"),
    [
        ("x < 1 or absent(x)", True),
        ("x < 1 OR absent (x)", True),
        ("x < 1\n  or on() absent(x)", True),
        ("x < 1 or ignoring (a, b) (absent_over_time(x[5m]))", True),
        ("absent(x) or x < 1", True),
        ("(absent(x)) or (x < 1)", True),
        ("x < 1", False),
        ("x < 1 and absent(y)", False),
        ("x < 1 unless absent(y)", False),
        ("x < 1 or vector(0)", False),
        ("factor absent(x)", False),
        ("x < 1 or absentee(x)", False),
        (f"{'x + ' * 4000}x < 1 or absent(x)", True),
        ("or (" * 5000, False),
    ],
)
def test_a_rule_hears_silence_by_an_absent_on_either_side(query: str, *, hears: bool) -> None:
    """An `or` with `absent` makes a rule hear silence, wherever it stands; nothing else does, and no text takes long."""
    seen = watching(rule(query=query), rule(PEERS), rule("Other", query="x < 1"))
    found = alerting.rules_hear_silence(seen)
    assert (found.holds, found.reason) == (
        hears,
        "rules-hear-silence" if hears else "rules-without-absent",
    )
    assert len("".join(found.details)) < 1000


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ((), "rules-missing"),
        ((rule(),), "rules-missing"),
        ((rule(), rule(PEERS, kind="recording")), "rules-missing"),
        ((rule(query="x < 1"),), "rules-without-absent"),
    ],
)
def test_a_rule_that_is_not_loaded_hears_nothing(rules: tuple[Rule, ...], reason: str) -> None:
    """Of rules that lack nobody can say that they hear silence; one that is deaf is so without the others."""
    found = alerting.rules_hear_silence(watching(*rules))
    assert (found.holds, found.reason) == (None if reason == "rules-missing" else False, reason)


CLEAR = LIMITS.cleared_for.duration


def standing(**more: Any) -> Cleared:
    """An alert that is over since as long as it has to be."""
    told = {
        "alert": PEERS,
        "rules": Rules(at=NOW, rules=(rule(PEERS),)),
        "active": (),
        "muted_by": (),
        "fired_at": NOW - CLEAR,
        "inputs": ("a 5",),
        "missing": (),
    }
    return Cleared.model_validate({**told, **more})


def loaded(*found: Rule) -> dict[str, Any]:
    """The rules of its name."""
    return {"rules": Rules(at=NOW, rules=found)}


SLOW = rule(PEERS, for_s=600)
"""Twice as long as it waits is longer than any alert has to be clear."""


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "cleared"),
        ({"muted_by": ("s",)}, "muted"),
        ({"muted_by": ("s",), "active": ("a",)}, "still-in-alertmanager"),
        ({"active": ("a",), **loaded(rule(PEERS, state="pending"))}, "still-pending"),
        ({"muted_by": ("s",), **loaded(rule(PEERS), rule(PEERS, state="firing"))}, "still-firing"),
        (loaded(rule(PEERS, state="firing", health="err")), "rule-failing"),
        (loaded(rule(PEERS), rule(PEERS, evaluated_ago_s=math.nextafter(AT_MOST_S, 99))), "rule-failing"),
        (loaded(rule(PEERS, evaluated_ago_s=AT_MOST_S)), "cleared"),
        (loaded(), "rule-missing"),
        ({"missing": ("empty",), "inputs": ()}, "inputs-missing"),
        ({"inputs": ()}, "inputs-missing"),
        ({"missing": ("empty",), **loaded(rule(PEERS, state="firing"))}, "still-firing"),
        ({"fired_at": None}, "never-fired"),
        ({"fired_at": None, "active": ("a",)}, "still-in-alertmanager"),
        ({"fired_at": NOW - CLEAR + SECOND}, "watching"),
        ({"fired_at": NOW - CLEAR - SECOND}, "cleared"),
        ({"fired_at": NOW + SECOND}, "watching"),
        ({"fired_at": NOW - 2 * timedelta(seconds=600), **loaded(SLOW)}, "cleared"),
        ({"fired_at": NOW - 2 * timedelta(seconds=600) + SECOND, **loaded(SLOW)}, "watching"),
        ({"fired_at": NOW - SECOND, "muted_by": ("s",)}, "muted"),
    ],
)
def test_an_alert_is_over_where_nothing_is_left_of_it(more: dict[str, Any], reason: str) -> None:
    """What makes the rest worthless is told first: no rule, one that fails, then what fires, is left, or is muted; then
    what nobody knows: whether it is measured, did fire, and stays clear.
    """
    found = alerting.alerts_cleared(standing(**more), LIMITS)
    known = {"cleared": True, "inputs-missing": None, "never-fired": None, "watching": None}
    assert (found.holds, found.reason) == (known.get(reason, False), reason)
    assert found.observed


class World:
    """What stands for a client: an alert that fired so long ago; each look is counted."""

    def __init__(self, ago_s: float | None, **more: Any) -> None:
        self.looks, self._ago_s, self._more = 0, ago_s, more
        self.section = SimpleNamespace(limits=LIMITS)
        self.prometheus = SimpleNamespace(
            rules=self._rules, current=self._current, vector=self._vector, server=self._server
        )
        self.alertmanager = SimpleNamespace(alerts=self._none, silences=self._none)

    async def _rules(self) -> Rules:
        self.looks += 1
        return Rules(at=NOW, rules=(rule(HEALTH, state="firing"), rule(PEERS, **self._more)))

    async def _current(self, query: str) -> Samples:
        raise Unobservable(ErrorKind.EMPTY, f"no series for {query}")

    async def _vector(self, query: str) -> Samples:
        stamps = [] if self._ago_s is None else [NOW.timestamp() - self._ago_s]
        series = tuple(Sample(labels={}, value=stamp, at=NOW) for stamp in stamps)
        return Samples(query=query, at=NOW, series=series)

    async def _server(self) -> PrometheusSeen:
        return PrometheusSeen(version="2", started=NOW, configured=NOW - SECOND)

    async def _none(self, *_matchers: str) -> tuple[()]:
        return ()


@pytest.mark.parametrize(
    ("ago_s", "more", "looks"),
    [
        (0.01, {}, 2),
        (0.0, {}, 2),
        (60, {}, 1),
        (-1, {}, 1),
        (None, {}, 1),
        (0.01, {"state": "firing"}, 1),
        (0.01, NEVER, 2),
    ],
)
def test_an_alert_that_fired_moments_ago_is_looked_at_once_more(
    ago_s: float | None, more: dict[str, Any], looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is calm, and whatever the limits are; only rules of its name count, and what is not measured is missing."""
    monkeypatch.setattr(observations, "_MOMENTS", timedelta(seconds=0.05))
    world = World(ago_s, **more)

    async def look() -> Cleared:
        cleared: Cleared = await observations.cleared_peers.function(world)
        return cleared

    seen = asyncio.run(look())
    assert (world.looks, [r.name for r in seen.rules.rules]) == (looks, [PEERS])
    assert seen.fired_at == (None if ago_s is None else NOW - timedelta(seconds=ago_s))
    assert seen.rules.taken == (NOW - SECOND if more == NEVER else None)
    assert (seen.inputs, seen.missing) == ((), ("empty: no series for bzzz_p2p_connected_peers",))
