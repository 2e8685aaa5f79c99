"""What the checks say when BZZZ's Alertmanager has very many alerts, odd ones, odd silences, or answers badly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.alerting import test_alerting
from opsverify.model.verdict import Verdict
from opsverify.servers.process import LOOPBACK, free_port
from systems.bzzz.incidents.alerts import ADMIN, HEALTH, PEERS
from tests.hostile.bzzz_looking import DEADLINE, PATIENT, section
from tests.hostile.bzzz_looking import patient_outcome as outcome
from tests.hostile.bzzz_looking import patient_verdict as verdict
from tests.hostile.bzzz_watchers import (
    AGENTS,
    CLOCK,
    NEEDED,
    ago,
    alert,
    alertmanager,
    as_v1,
    of_agents,
    prometheus,
    rule,
    rules,
    server,
    silence,
    vector,
    watched,
)
from tests.hostile.servers import ESCAPES, MIB, Act, Play, endless, page, resets, silent
from tests.hostile.tables import case
from tests.pace import Pace

if TYPE_CHECKING:
    from tests.hostile.servers import Stage

LOGIN = f"<!DOCTYPE html><title>Sign in</title>{ESCAPES}"
WELL, ACTIVE, MUTED, UNHEARD = (
    "PASS alertmanager-known",
    "FAIL alerts-active",
    "FAIL incident-muted",
    "FAIL watchdog-silent",
)
UNEXPECTED = "UNKNOWN unexpected-reply"
YOUNG, SETTLING = "UNKNOWN alertmanager-just-started", "UNKNOWN alertmanager-settling"
WATCHING = "UNKNOWN watching"
GONE = page({"code": "gone"}, status=410)
LONG = "x" * 100_000
NAME = {"name": "alertname", "value": PEERS, "isRegex": False}
ALL = {"name": "alertname", "value": ".*", "isRegex": True}


def there(*alerts: object) -> dict[str, Act]:
    """The Watchdog and these."""
    return {"v2/alerts": page([alert(), *alerts])}


def by_nobody(status: dict[str, object]) -> dict[str, Any]:
    """An incident's alert with this status."""
    return {**alert(PEERS), "status": status}


SAID: list[Any] = [
    case({}, WELL, id="well"),
    case({"v2/alerts": page([])}, UNHEARD, id="no alert at all"),
    case({"v2/alerts": page([alert(state="suppressed")])}, UNHEARD, id="a muted Watchdog"),
    case(
        {"v2/alerts": page([]), "v2/status": server(age_s=20)},
        YOUNG,
        id="no alert, but it has just started",
    ),
    case({"v2/status": server(age_s=20)}, WELL, id="it has just started, and heard the Watchdog"),
    case(
        {"v2/alerts": page([]), "v2/status": server(age_s=20, ahead_s=3600)},
        YOUNG,
        id="just started, by a clock that is an hour ahead",
    ),
    case(
        {"v2/alerts": page([]), "v2/status": server(age_s=20, ahead_s=-3600)},
        YOUNG,
        id="just started, by a clock that is an hour late",
    ),
    case(
        {"v2/alerts": page([]), "v2/status": server(age_s=600, ahead_s=3600)},
        UNHEARD,
        id="long up, by a clock that is an hour ahead",
    ),
    case({"v2/status": server(cluster="settling")}, SETTLING, id="it looks for its cluster"),
    case(
        {**there(alert(HEALTH)), "v2/status": server(cluster="settling")},
        ACTIVE,
        id="an alert while it looks for its cluster",
    ),
    case(
        {"v2/alerts": page([alert(HEALTH)]), "v2/status": server(age_s=20)},
        ACTIVE,
        id="an alert though it has just started",
    ),
    case({"v2/status": server(cluster="ready")}, WELL, id="its cluster is ready"),
    case({"v2/status": server(cluster=ESCAPES)}, WELL, id="its cluster is in an unknown state"),
    case({"v2/status": server(uptime="soon")}, UNEXPECTED, id="up since a word"),
    case({"v2/status": page({"cluster": {"status": "ready"}})}, UNEXPECTED, id="no version"),
    case(there(alert(HEALTH, severity="P0")), ACTIVE, id="P0"),
    case(there(alert(HEALTH, severity="P2")), WELL, id="P2"),
    case(there(alert(HEALTH)), ACTIVE, id="no severity"),
    case(there(alert(HEALTH, severity="purple")), ACTIVE, id="an unknown severity"),
    case(there(alert(HEALTH, state="unprocessed", severity="P1")), ACTIVE, id="not yet routed"),
    case(there(alert(None, severity="P1")), ACTIVE, id="no alertname"),
    case(there(alert("", severity="P1")), ACTIVE, id="an empty alertname"),
    case(there(alert(ESCAPES, severity=ESCAPES)), ACTIVE, id="terminal escapes"),
    case(there(alert(f"{HEALTH}\nPASS  all is well")), ACTIVE, id="a name of two lines"),
    case(there(alert(HEALTH, summary=LONG)), ACTIVE, id="a label of 100 kB"),
    case(there(alert(HEALTH, **{f"l{n}": "v" for n in range(2000)})), ACTIVE, id="2000 labels"),
    case(there(alert(PEERS, state="suppressed")), MUTED, id="muted by nobody"),
    case(there(alert("BZZZOther", state="suppressed")), WELL, id="muted, and no incident"),
    case(there(by_nobody({"state": "active", "silencedBy": None, "inhibitedBy": None})), ACTIVE, id="nulls"),
    case(there({**alert(PEERS), "receivers": None}), ACTIVE, id="no receivers"),
    case(
        there({**alert(PEERS), "startsAt": "9999-12-31T23:59:59-12:00"}),
        UNEXPECTED,
        id="since a moment beyond",
    ),
    case(there({**alert(PEERS), "startsAt": ago(60)[:-1]}), UNEXPECTED, id="since a moment without a zone"),
    case(
        there(by_nobody({"state": "purple", "silencedBy": [], "inhibitedBy": []})), UNEXPECTED, id="a state"
    ),
    case(there(alert(PEERS, severity=1)), UNEXPECTED, id="a severity that is no text"),
    case(there({}), UNEXPECTED, id="an empty alert"),
    case({"v2/alerts": page(LOGIN, kind="text/html")}, UNEXPECTED, id="HTML of a proxy"),
    case({"v2/alerts": page("null")}, UNEXPECTED, id="null"),
    case({"v2/alerts": page("[" * 100_000)}, UNEXPECTED, id="deeply nested"),
    case({"v2/alerts": page("[" * 2 * MIB)}, UNEXPECTED, id="deeply nested, 2 MiB"),
    case({"v2/alerts": page(f"[{' ' * 2 * MIB}]")}, UNEXPECTED, id="2 MiB of nothing"),
    case({"v2/alerts": endless(b'{"labels": ' * 6000)}, UNEXPECTED, id="endless"),
    case({"v2/alerts": page({}, status=401)}, "UNKNOWN denied", id="401"),
    case({"v2/silences": page({}, status=403)}, "UNKNOWN denied", id="403 for the silences"),
    case({"v2/alerts": page(LOGIN, status=502)}, "FAIL server-error", id="502 of a proxy"),
    case({"v2/status": page("not ready", status=503)}, "FAIL server-error", id="503"),
    case({"v2/alerts": GONE}, UNEXPECTED, id="neither v2 nor v1"),
    case({"v2/alerts": GONE, "v1/alerts": as_v1([alert()])}, WELL, id="v1 only, 410"),
    case(
        {"v2/alerts": page("gone", status=404), "v1/alerts": as_v1([alert(), alert(PEERS)])},
        ACTIVE,
        id="v1 only, 404, and an alert",
    ),
    case({"v2/alerts": GONE, "v1/alerts": page({"status": "error"})}, UNEXPECTED, id="v1 only, an error"),
    case({"v2/alerts": GONE, "v1/alerts": page(LOGIN, kind="text/html")}, UNEXPECTED, id="v1 only, HTML"),
    case({"v2/alerts": GONE, "v1/alerts": as_v1(["x" * MIB])}, UNEXPECTED, id="v1 only, more than 1 MiB"),
]


@pytest.mark.parametrize(("given", "expected"), SAID)
async def test_what_alertmanager_says_has_a_verdict(
    stage: Stage, given: dict[str, Act], expected: str
) -> None:
    """Alerts that fire fail, however they look; an answer that is none, or of one that knows nothing yet, is not judged."""
    part = watched(stage, manager=alertmanager(given))
    judged = await outcome(test_alerting.test_nothing_fires_and_alerting_works, part)
    assert f"{judged.verdict} {judged.reason}" == expected
    text = judged.model_dump_json()
    assert "\\u001b" not in text
    assert len(text) < 20_000
    for finding in judged.findings:
        assert "\n" not in "".join((finding.observed, *finding.details))


def flood(count: int, **labels: object) -> Act:
    """So many alerts, of some 1.2 kB each, and no Watchdog among them that could be read."""
    one = alert(HEALTH, state=str(labels.pop("state", "active")), annotations="y" * 180, **labels)
    return page(
        [{**one, "labels": {**one["labels"], "n": str(n)}, "generatorURL": "g" * 800} for n in range(count)]
    )


@pytest.mark.parametrize(
    ("count", "told"), [(500, "500 active"), (1500, "at least ")], ids=["within 1 MiB", "more than 1 MiB"]
)
async def test_a_flood_of_alerts_fails_in_time_and_in_short(stage: Stage, count: int, told: str) -> None:
    """A thousand alerts are a FAIL with a finding that can be read, also where their list is too long to be."""
    manager = alertmanager(
        {"v2/alerts": flood(count, severity="P0"), "v2/silences": page([silence(NAME)] * 1000)}
    )
    if count == 500:
        manager = alertmanager(
            {"v2/alerts": page([alert(), *[alert(HEALTH, n=str(n)) for n in range(count)]])}
        )
    with Pace() as pace:
        judged = await outcome(
            test_alerting.test_nothing_fires_and_alerting_works, watched(stage, manager=manager)
        )
    assert pace.times < 200
    assert f"{judged.verdict} {judged.reason}" == ACTIVE
    assert judged.findings[-1].observed.startswith(told)
    assert len(judged.model_dump_json()) < 40_000


@pytest.mark.parametrize(
    ("labels", "expected"),
    [({"severity": "P3"}, "UNKNOWN alerts-cut"), ({"state": "suppressed"}, MUTED)],
    ids=["milder", "muted"],
)
async def test_a_flood_of_which_none_counts_is_not_known(
    stage: Stage, labels: dict[str, object], expected: str
) -> None:
    """Where the list is too long to be read to its end, nobody knows what its end has; what its beginning has is known."""
    part = watched(stage, manager=alertmanager({"v2/alerts": flood(1500, **labels)}))
    assert await verdict(test_alerting.test_nothing_fires_and_alerting_works, part) == expected


DOWN: list[Any] = [
    case(None, "refused", id="refused"),
    case(silent, "silent", id="silent"),
    case(resets, "reset", id="reset"),
]


@pytest.mark.parametrize(("play", "kind"), DOWN)
async def test_an_alertmanager_that_does_not_serve(stage: Stage, play: Play | None, kind: str) -> None:
    """It fails the row on alerting."""
    url = f"http://{LOOPBACK}:{free_port()}" if play is None else stage.http(play)
    part = section(prometheus=watched(stage).prometheus, alertmanager={"url": url})
    deadline = DEADLINE if kind == "silent" else PATIENT
    assert (
        await verdict(test_alerting.test_nothing_fires_and_alerting_works, part, deadline=deadline)
        == f"FAIL {kind}"
    )


SILENCES: list[Any] = [
    case([], "PASS cleared", id="none"),
    case([silence(NAME)], "FAIL muted", id="of it"),
    case([silence(ALL)], "FAIL muted", id="of everything, by a pattern"),
    case([silence()], "FAIL muted", id="of everything, without a matcher"),
    case([silence(NAME, endsAt="9999-12-31T23:59:59Z")], "FAIL muted", id="without end"),
    case(
        [silence({**NAME, "value": "(Bzzz|BZZZ).*", "isRegex": True})],
        "FAIL muted",
        id="by a pattern nobody knows",
    ),
    case(
        [silence({**NAME, "value": "(" * 5000, "isRegex": True})],
        "FAIL muted",
        id="by a pattern that is none",
    ),
    case([silence({**NAME, "value": ADMIN, "isEqual": False})], "FAIL muted", id="of all but another"),
    case([silence({"name": "instance", "value": "oak", "isRegex": False})], "FAIL muted", id="of some node"),
    case([silence({**NAME, "value": ADMIN})], "PASS cleared", id="of another"),
    case([silence(NAME, state="pending")], "PASS cleared", id="yet to come"),
    case([silence(NAME, state="expired")], "PASS cleared", id="that has expired"),
    case([silence(NAME, endsAt=None)], UNEXPECTED, id="whose end is null"),
    case([silence(NAME, state="purple")], UNEXPECTED, id="of an unknown state"),
    case([silence({**NAME, "isRegex": "maybe"})], UNEXPECTED, id="with a matcher nobody knows"),
    case([silence(NAME, matchers=None)], UNEXPECTED, id="with no list of matchers"),
    case([silence(NAME, comment=f"{ESCAPES}{LONG}")] * 9, "FAIL muted", id="with a comment of 100 kB"),
    case([silence(ALL)] * 1000, "FAIL muted", id="a thousand"),
    case([silence(*[ALL] * 2000)], "FAIL muted", id="with 2000 matchers"),
    case({}, UNEXPECTED, id="no list"),
]


@pytest.mark.parametrize(("silences", "expected"), SILENCES)
async def test_an_alert_that_may_be_muted_has_not_cleared(
    stage: Stage, silences: object, expected: str
) -> None:
    """A silence in force that may mute the alert keeps it from being over; one that cannot, or is over, does not."""
    manager = alertmanager({"v2/silences": page(silences), "v2/alerts": page([])})
    given = {"bzzz_p2p_connected_peers": of_agents("5", "5", "5")}
    judged = await outcome(
        test_alerting.test_the_alert_on_peers_has_cleared, watched(stage, prometheus(given), manager)
    )
    assert f"{judged.verdict} {judged.reason}" == expected
    text = judged.model_dump_json()
    assert "\\u001b" not in text
    assert len(text) < 20_000


def fired(stamp: object) -> Act:
    """When it fired last."""
    return vector({"metric": {}, "value": [CLOCK.timestamp(), stamp]})


def peers_rule(**more: Any) -> Act:
    """All rules; that on peers like this."""
    return rules(*(rule(name, **(more if name == PEERS else {})) for name in NEEDED))


NOW = CLOCK.timestamp()
INPUT = "bzzz_p2p_connected_peers"
CLEARED: list[Any] = [
    case({}, "PASS cleared", id="over"),
    case({"ALERTS": vector()}, "UNKNOWN never-fired", id="it never fired"),
    case({"ALERTS": fired(str(NOW - 60))}, WATCHING, id="over since a minute"),
    case({"ALERTS": fired(str(NOW + 3600))}, WATCHING, id="it fired an hour ahead"),
    case({"ALERTS": fired("NaN")}, UNEXPECTED, id="it fired at NaN"),
    case({"ALERTS": fired("+Inf")}, UNEXPECTED, id="it fired at infinity"),
    case({"ALERTS": fired("253402300799")}, UNEXPECTED, id="it fired at the end of the calendar"),
    case({INPUT: vector()}, "UNKNOWN inputs-missing", id="nobody measures what it looks at"),
    case({INPUT: of_agents("NaN", "5", "5")}, "UNKNOWN inputs-missing", id="what it looks at is NaN"),
    case({"rules": peers_rule(state="firing")}, "FAIL still-firing", id="firing"),
    case({"rules": peers_rule(state="pending")}, "FAIL still-pending", id="pending"),
    case(
        {"rules": peers_rule(state="firing"), INPUT: vector(), "ALERTS": vector()},
        "FAIL still-firing",
        id="firing, and nothing else is known",
    ),
    case({"rules": peers_rule(health="err")}, "FAIL rule-failing", id="failing"),
    case({"rules": peers_rule(lastEvaluation=ago(600))}, "FAIL rule-failing", id="not evaluated lately"),
    case({"rules": peers_rule(lastEvaluation=ago(-600))}, "FAIL rule-failing", id="evaluated ahead"),
    case({"rules": peers_rule(type="recording", state=None)}, UNEXPECTED, id="a state of null"),
    case({"rules": rules(rule(ADMIN))}, "FAIL rule-missing", id="no rule"),
    case({"rules": peers_rule(duration=float("inf"))}, UNEXPECTED, id="it waits for ever"),
    case({"rules": page("Service Unavailable", status=503)}, "UNKNOWN server-error", id="503"),
]


@pytest.mark.parametrize(("given", "expected"), CLEARED)
async def test_an_alert_is_over_only_where_everything_says_so(
    stage: Stage, given: dict[str, Act], expected: str
) -> None:
    """Its rule works and is calm, it did fire, and what it looks at is measured; anything else is not over, or not known."""
    told = {INPUT: of_agents("5", "5", "5"), **given}
    part = watched(stage, prometheus(told), alertmanager({"v2/alerts": page([])}))
    assert await verdict(test_alerting.test_the_alert_on_peers_has_cleared, part) == expected


async def test_an_alert_that_alertmanager_still_has_is_not_over(stage: Stage) -> None:
    """Where Prometheus is calm and Alertmanager is not, it is not over, however many it has."""
    told = prometheus({INPUT: of_agents("5", "5", "5")})
    for alerts in (
        page([alert(PEERS, instance=AGENTS[0])]),
        page([alert(PEERS, n=str(n)) for n in range(1000)]),
    ):
        part = watched(stage, told, alertmanager({"v2/alerts": alerts}))
        judged = await outcome(test_alerting.test_the_alert_on_peers_has_cleared, part)
        assert (judged.verdict, judged.reason) == (Verdict.FAIL, "still-in-alertmanager")
        assert len(judged.model_dump_json()) < 20_000
