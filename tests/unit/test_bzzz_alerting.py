"""The rules of BZZZ's alerts, of their rules, and of those who are told of them, at their boundaries."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.alerting import criteria as alerting
from systems.bzzz.alerting.models import (
    Alert,
    AlertmanagerStatus,
    Alerts,
    Matcher,
    Notifications,
    Silence,
    TestAlert,
)
from systems.bzzz.incidents.alerts import HEALTH, INCIDENTS, PEERS
from systems.bzzz.limits import BzzzLimits
from tests.pace import Pace

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
SETTLE = LIMITS.alerting_settle.duration
SERVER = AlertmanagerStatus(version="0.25.0", api="v2", started=NOW - SETTLE, at=NOW, cluster="ready")
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
        whole=True,
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
    assert sum(line.startswith("below the gate, not counted: BZZZ") for line in found.details) == 4 - counted


def test_milder_alerts_and_silences_are_listed_where_nothing_fires() -> None:
    """A pass names what is milder, and every silence with its end."""
    seen = alerts(alert("BZZZMild", "P3"), silences=(silence(Matcher(name="alertname", value="x")),))
    found = alerting.nothing_fires(seen, LIMITS)
    assert (found.holds, found.observed) == (True, "none; 1 below the gate: BZZZMild")
    assert found.details[-1] == (
        "silence s1 active until 2026-06-21 13:00:00Z by tony: why; on alertname='x'"
    )


def test_five_thousand_alerts_are_judged_in_time_that_grows_with_their_number() -> None:
    """Where everything fires at once the finding is there at once, and can be read."""
    seen = alerts(*(alert(f"BZZZ{n}", instance=str(n)) for n in range(5000)))
    with Pace() as pace:
        found = alerting.nothing_fires(seen, LIMITS)
    assert pace.times < 100
    assert found.observed.startswith("5000 active: BZZZ0, BZZZ1, ")
    assert found.details[-1] == "and 4980 more"


def test_without_a_watchdog_an_alert_without_a_name_counts() -> None:
    """Where the target names no Watchdog, nothing is taken for it."""
    assert not alerting.nothing_fires(alerts(alert("(no alertname)"), watchdog=""), LIMITS).holds
    assert alerting.watchdog_fires(alerts(watchdog=""), LIMITS).reason == "no-watchdog"


@pytest.mark.parametrize(
    ("state", "reason"),
    [("active", "watchdog-fires"), ("suppressed", "watchdog-silent"), ("unprocessed", "watchdog-silent")],
)
def test_the_watchdog_has_to_be_active(state: str, reason: str) -> None:
    """A Watchdog that is muted or not routed proves nothing."""
    assert alerting.watchdog_fires(alerts(alert("Watchdog", state=state)), LIMITS).reason == reason


def test_a_watchdog_that_is_not_there_is_silent() -> None:
    """Where Alertmanager has had the time to hear of it."""
    assert alerting.watchdog_fires(alerts(), LIMITS).reason == "watchdog-silent"


SECOND = timedelta(seconds=1)
YOUNG = SERVER.model_copy(update={"started": NOW - SETTLE + SECOND})
OLD = SERVER.model_copy(update={"started": NOW - SETTLE - SECOND})
AHEAD = SERVER.model_copy(update={"started": NOW + SECOND})
SETTLING = SERVER.model_copy(update={"cluster": "settling"})
READY = SERVER.model_copy(update={"cluster": "ready"})


@pytest.mark.parametrize(
    ("server", "whole", "watchdog", "reasons"),
    [
        (READY, True, True, ("watchdog-fires", "none-muted", "no-alert")),
        (READY, True, False, ("watchdog-silent", "none-muted", "no-alert")),
        (OLD, True, False, ("watchdog-silent", "none-muted", "no-alert")),
        (YOUNG, True, True, ("watchdog-fires", "none-muted", "no-alert")),
        (YOUNG, True, False, ("alertmanager-just-started",) * 3),
        (AHEAD, True, False, ("alertmanager-just-started",) * 3),
        (SETTLING, True, True, ("alertmanager-settling",) * 3),
        (SETTLING, True, False, ("alertmanager-settling",) * 3),
        (READY, False, True, ("watchdog-fires", "alerts-cut", "alerts-cut")),
    ],
)
def test_calm_is_told_by_an_alertmanager_that_knows_of_everything(
    server: AlertmanagerStatus, reasons: tuple[str, ...], *, whole: bool, watchdog: bool
) -> None:
    """Until it has settled, heard of everything and told it whole, what it does not tell is no calm; what it does, counts."""

    def found(*there: Alert) -> tuple[tuple[str, bool | None], ...]:
        seen = alerts(*([alert("Watchdog")] if watchdog else []), *there)
        seen = seen.model_copy(update={"server": server, "whole": whole})
        judged = (
            alerting.watchdog_fires(seen, LIMITS),
            alerting.nothing_is_muted(seen, INCIDENTS, LIMITS),
            alerting.nothing_fires(seen, LIMITS),
        )
        return tuple((f.reason, f.holds) for f in judged)

    known = {"watchdog-fires": True, "none-muted": True, "no-alert": True, "watchdog-silent": False}
    assert found() == tuple((reason, known.get(reason)) for reason in reasons)
    bad = found(alert(PEERS), alert(HEALTH, state="suppressed"))
    assert bad[1:] == (("incident-muted", False), ("alerts-active", False))


def test_only_a_muted_incident_fails_and_by_whom_is_told() -> None:
    """Other alerts may be muted; of an incident's the silence, its end and who made it are told, or the alert that inhibits."""
    other = alert("BZZZOther", state="suppressed", silenced_by=("s1",))
    assert alerting.nothing_is_muted(alerts(other), INCIDENTS, LIMITS).holds
    assert alerting.nothing_is_muted(alerts(alert(PEERS)), INCIDENTS, LIMITS).holds
    muted = alert(PEERS, state="suppressed", silenced_by=("s1",), inhibited_by=("f00",))
    found = alerting.nothing_is_muted(alerts(other, muted, silences=(silence(),)), INCIDENTS, LIMITS)
    assert (found.holds, found.reason, len(found.details)) == (False, "incident-muted", 1)
    assert found.details[0].startswith(
        "silence s1 until 2026-06-21 13:00:00Z by tony: why; inhibited by f00: BZZZInsufficientPeers"
    )


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
