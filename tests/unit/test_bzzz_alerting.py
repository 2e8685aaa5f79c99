"""The rules of BZZZ's alerts, of their rules, and of those who are told of them, at their boundaries."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.criteria import alerting
from fixtures.bzzz.incidents import HEALTH, INCIDENTS, PEERS
from fixtures.bzzz.limits import BzzzLimits
from fixtures.bzzz.seen.alerts import (
    Alert,
    AlertmanagerSeen,
    Alerts,
    Cleared,
    Matcher,
    Notifications,
    Silence,
    TestAlert,
)
from fixtures.bzzz.seen.monitoring import Rule, Rules, Watching

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
SERVER = AlertmanagerSeen(version="0.25.0", api="v2", started=NOW, at=NOW)
NEEDED = (HEALTH, PEERS)


def alert(name: str, severity: str = "P0", **more: Any) -> Alert:
    """An active alert."""
    told = {"state": more.pop("state", "active"), "since": NOW}
    for key in ("silenced_by", "inhibited_by"):
        told[key] = more.pop(key, ())
    return Alert.model_validate({"name": name, "labels": {"severity": severity, **more}, **told})


def alerts(*found: Alert, watchdog: str = "Watchdog", silences: tuple[Silence, ...] = ()) -> Alerts:
    """What Alertmanager has."""
    return Alerts(
        at=NOW,
        watchdog=watchdog,
        server=SERVER,
        matchers=('alertname=~"BZZZ.*"',),
        alerts=found,
        silences=silences,
    )


def silence(*matchers: Matcher, name: str = "s1") -> Silence:
    """A silence in force."""
    return Silence(
        id=name,
        state="active",
        matchers=matchers,
        starts=NOW,
        ends=NOW + timedelta(hours=1),
        by="tony",
        comment="why",
    )


@pytest.mark.parametrize(
    ("severity", "rank"),
    [
        ("P0", 0),
        ("critical", 0),
        ("P1", 1),
        (" HIGH ", 1),
        ("p2", 2),
        ("warning", 2),
        ("info", 3),
        ("none", 3),
        ("", 0),
        ("P4", 0),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER P}3", 0),
    ],
)
def test_an_unknown_severity_counts_as_the_worst(severity: str, rank: int) -> None:
    """Each known word has its rank, however it is written; any other is the worst."""
    assert alert("x", severity).rank == rank


@pytest.mark.parametrize(("gate", "counted"), [(0, 1), (1, 2), (2, 3), (3, 4)])
def test_what_is_at_the_gate_counts(gate: int, counted: int) -> None:
    """An alert of the gate's severity counts, a milder one is listed and does not; the Watchdog and the muted never do."""
    seen = alerts(
        *(alert(f"BZZZ{n}", f"P{n}") for n in range(4)),
        alert("Watchdog"),
        alert("BZZZMuted", state="suppressed"),
    )
    found = alerting.nothing_fires(seen, BzzzLimits.model_validate({"alert_gate": gate}))
    assert (found.holds, found.reason) == (False, "alerts-active")
    assert found.observed.startswith(f"{counted} active: BZZZ0")
    assert sum(line.startswith("milder, not counted: BZZZ") for line in found.details) == 4 - counted


def test_milder_alerts_and_silences_are_listed_where_nothing_fires() -> None:
    """A pass names what is milder, and every silence with its end."""
    seen = alerts(alert("BZZZMild", "P3"), silences=(silence(Matcher(name="alertname", value="x")),))
    found = alerting.nothing_fires(seen, LIMITS)
    assert (found.holds, found.observed) == (True, "none; 1 milder: BZZZMild")
    assert found.details[-1] == (
        "silence s1 active until 2026-06-21 13:00:00Z by tony: why; on alertname='x'"
    )


def test_five_thousand_alerts_are_judged_in_time_that_grows_with_their_number() -> None:
    """Where everything fires at once the finding is there at once, and can be read."""
    seen = alerts(*(alert(f"BZZZ{n}", instance=str(n)) for n in range(5000)))
    begun = time.thread_time()
    found = alerting.nothing_fires(seen, LIMITS)
    assert time.thread_time() - begun < 0.5
    assert found.observed.startswith("5000 active: BZZZ0, BZZZ1, ")
    assert found.details[-1] == "and 4980 more"


def test_without_a_watchdog_an_alert_without_a_name_counts() -> None:
    """Where the target names no Watchdog, nothing is taken for it."""
    assert not alerting.nothing_fires(alerts(alert("(no alertname)"), watchdog=""), LIMITS).holds
    assert alerting.watchdog_fires(alerts(watchdog="")).reason == "no-watchdog"


@pytest.mark.parametrize(
    ("state", "reason"),
    [("active", "watchdog-fires"), ("suppressed", "watchdog-silent"), ("unprocessed", "watchdog-silent")],
)
def test_the_watchdog_has_to_be_active(state: str, reason: str) -> None:
    """A Watchdog that is muted or not routed proves nothing."""
    assert alerting.watchdog_fires(alerts(alert("Watchdog", state=state))).reason == reason


def test_only_a_muted_incident_fails_and_by_whom_is_told() -> None:
    """Other alerts may be muted; of an incident's the silence, its end and who made it are told, or the alert that inhibits."""
    other = alert("BZZZOther", state="suppressed", silenced_by=("s1",))
    assert alerting.nothing_is_muted(alerts(other), INCIDENTS).holds
    assert alerting.nothing_is_muted(alerts(alert(PEERS)), INCIDENTS).holds
    muted = alert(PEERS, state="suppressed", silenced_by=("s1",), inhibited_by=("f00",))
    found = alerting.nothing_is_muted(alerts(other, muted, silences=(silence(),)), INCIDENTS)
    assert (found.holds, found.reason, len(found.details)) == (False, "incident-muted", 1)
    assert found.details[0].startswith(
        "silence s1 until 2026-06-21 13:00:00Z by tony: why; inhibited by f00: BZZZInsufficientPeers"
    )


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
    found = alerting.rules_hear_silence(watching(rule(query=query), rule("Other", query="x < 1")))
    assert found.holds is hears
    assert len("".join(found.details)) < 1000


SENT = Notifications(sent={"webhook": 3}, failed={"webhook": 1})


@pytest.mark.parametrize(
    ("sent", "failed", "heard", "ended", "reason"),
    [
        (4, 1, True, True, "test-alert-heard"),
        (3, 1, True, True, "test-alert-heard"),
        (4, 1, False, True, "test-alert-unheard"),
        (4, 1, None, True, "test-alert-heard"),
        (3, 1, None, True, "test-alert-unheard"),
        (4, 2, None, True, "test-alert-unheard"),
        (math.nan, 1, None, True, "test-alert-unheard"),
        (1, 0, None, True, "test-alert-unheard"),
        (4, 1, True, False, "test-alert-left"),
        (3, 1, None, False, "test-alert-unheard"),
    ],
)
def test_a_test_alert_is_heard_by_its_receiver(
    sent: float, failed: float, reason: str, *, heard: bool | None, ended: bool
) -> None:
    """The receiver's own word counts; without it one notification more, and no failure more; and it has to be over."""
    after = Notifications(sent={"webhook": sent}, failed={"webhook": failed})
    seen = TestAlert(id="f00", before=SENT, after=after, took_s=1, heard=heard, ended=ended)
    found = alerting.heard(seen, LIMITS)
    assert (found.holds, found.reason) == (reason == "test-alert-heard", reason)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "cleared"),
        ({"muted_by": ("s",)}, "muted"),
        ({"muted_by": ("s",), "active": ("a",)}, "still-in-alertmanager"),
        ({"active": ("a",), "state": "pending"}, "still-pending"),
        ({"state": "firing", "muted_by": ("s",)}, "still-firing"),
        ({"state": "firing", "trouble": ("err",)}, "rule-failing"),
        ({"state": "missing", "trouble": ("err",)}, "rule-missing"),
    ],
)
def test_an_alert_is_over_where_nothing_is_left_of_it(more: dict[str, Any], reason: str) -> None:
    """What makes the rest worthless is told first: no rule, one that fails, then what fires, is left, or is muted."""
    told = {
        "alert": PEERS,
        "at": NOW,
        "rules": ("g: x",),
        "trouble": (),
        "state": "inactive",
        "active": (),
        "muted_by": (),
    }
    found = alerting.alerts_cleared(Cleared.model_validate({**told, **more}), LIMITS)
    assert (found.holds, found.reason) == (reason == "cleared", reason)


PATTERNS = st.from_regex(r"\A[a-zA-Z|]{0,6}(\.[*+])?[a-zA-Z|]{0,6}\Z")
WORDS = st.text("aBz|.*(", max_size=6)


@given(value=PATTERNS | WORDS, text=WORDS, equal=st.booleans())
def test_a_matcher_that_is_not_known_may_match(value: str, text: str, *, equal: bool) -> None:
    """A plain matcher is exact; a pattern is never said not to match where it does, and one that is not simple may."""
    assert Matcher(name="n", value=value, equal=equal).may_match(text) is ((value == text) is equal)
    try:
        matches = re.fullmatch(value, text) is not None
    except re.error:
        matches = equal
    assert Matcher(name="n", value=value, regex=True, equal=equal).may_match(text) or matches is not equal


@pytest.mark.parametrize(
    ("matchers", "mutes"),
    [
        ((), True),
        ((Matcher(name="alertname", value=PEERS),), True),
        ((Matcher(name="alertname", value=HEALTH),), False),
        ((Matcher(name="alertname", value="BZZZ.+", regex=True), Matcher(name="severity", value="P1")), True),
        ((Matcher(name="alertname", value=PEERS), Matcher(name="severity", value="P3")), False),
        ((Matcher(name="instance", value="oak"),), True),
        ((Matcher(name="alertname", value="BZZZ.*", regex=True, equal=False),), False),
    ],
)
def test_a_silence_may_mute_what_none_of_its_matchers_excludes(
    matchers: tuple[Matcher, ...], *, mutes: bool
) -> None:
    """Every matcher on a label that is known has to hold; a label that is not known may be anything."""
    assert silence(*matchers).may_mute({"alertname": PEERS, "severity": "P1"}) is mutes
