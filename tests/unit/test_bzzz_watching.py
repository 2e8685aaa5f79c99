"""What is read of Prometheus's and Alertmanager's answers: whatever they are, a value that can be judged or a reason."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from checks.bzzz.monitoring import criteria
from opsverify.model.observation import Unobservable
from opsverify.model.text import clean_text
from opsverify.probes.http import MOST_BYTES, Http, Reply
from opsverify.probes.prometheus import Moment, api_data, duration_s, instant
from systems.bzzz.alerting.client import AlertmanagerClient
from systems.bzzz.alerting.target import AlertmanagerTarget
from systems.bzzz.monitoring.client import PrometheusClient
from systems.bzzz.monitoring.observations import health_scores
from systems.bzzz.monitoring.target import PrometheusTarget
from systems.bzzz.section import BzzzSection

if TYPE_CHECKING:
    from collections.abc import Awaitable

NOW = 1_800_000_000.0
ANY: TypeAdapter[Any] = TypeAdapter(Any)
UNHURRIED = settings(deadline=None)
"""Each example opens a loop of its own, which takes as long as a busy machine has it take."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
STAMPS = st.floats() | st.integers() | st.just(NOW)
NUMBERS = st.floats(allow_nan=False).map(str) | st.sampled_from(("1", "0.5", "+Inf", "1e999", "1", "NaN"))
HOSTS = st.sampled_from(("a:1", "b:1", "c:1"))
LABELS = st.fixed_dictionaries({}, optional={"instance": HOSTS, "job": st.sampled_from(("bzzz", "old"))})
OWN = st.fixed_dictionaries({"instance": HOSTS, "job": st.just("bzzz")}, optional={"slot": st.just("1")})
SERIES = st.fixed_dictionaries({"metric": OWN, "value": st.tuples(st.just(NOW), NUMBERS)})
ODD_SERIES = st.fixed_dictionaries({"metric": LABELS, "value": st.tuples(STAMPS, NUMBERS | JSON)})
VECTORS = st.lists(SERIES, max_size=5) | st.lists(SERIES | ODD_SERIES, max_size=3)
MOMENTS = st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.sampled_from(
    (
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "2027-01-15T08:00:00",
        "2027-01-15T08:00:00+02:00",
    )
)
LATELY = st.sampled_from(("2027-01-15T07:59:59Z", "2027-01-15T09:59:58+02:00", "2027-01-15T07:00:00Z"))


def target(labels: st.SearchStrategy[Any], moments: st.SearchStrategy[str], *intervals: str) -> Any:
    """What is scraped, last at one of these moments, and as often as that."""
    told = {"scrapeUrl": st.just("http://a:1/metrics"), "lastError": st.text(max_size=8)}
    health = st.sampled_from(("up", "up", "up", "down", "unknown"))
    return st.fixed_dictionaries(
        {**told, "labels": labels, "health": health, "lastScrape": moments},
        optional={"scrapeInterval": st.sampled_from(intervals)},
    )


TARGETS = st.lists(target(OWN, LATELY, "5s", "1m30s"), min_size=2, max_size=6) | st.lists(
    target(LABELS, LATELY | MOMENTS, "5s", "soon", ""), max_size=4
)
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.text(max_size=8),
            "type": st.sampled_from(("alerting", "recording")),
            "query": st.text(max_size=8),
            "health": st.sampled_from(("ok", "err", "unknown")),
        },
        optional={
            "lastEvaluation": MOMENTS,
            "duration": STAMPS,
            "state": st.sampled_from(("firing", "unknown", "sideways")),
        },
    ),
    max_size=3,
)
ALERTS = st.lists(
    st.fixed_dictionaries(
        {
            "labels": st.dictionaries(
                st.sampled_from(("alertname", "severity", "\x1b[2J")), st.text(max_size=8), max_size=3
            ),
            "startsAt": MOMENTS,
            "status": st.fixed_dictionaries(
                {
                    "state": st.sampled_from(("active", "suppressed", "unprocessed")),
                    "silencedBy": st.none() | st.lists(st.text(max_size=4), max_size=2),
                    "inhibitedBy": st.none() | st.lists(st.text(max_size=4), max_size=2),
                }
            ),
        },
        optional={"receivers": JSON},
    ),
    max_size=4,
)
SILENCES = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(max_size=8),
            "status": st.fixed_dictionaries({"state": st.sampled_from(("active", "pending", "expired"))}),
            "matchers": st.lists(
                st.fixed_dictionaries(
                    {
                        "name": st.text(max_size=8),
                        "value": st.text(max_size=8) | st.just("x" * 500),
                        "isRegex": st.booleans(),
                    },
                    optional={"isEqual": st.booleans()},
                ),
                max_size=3,
            ),
            "startsAt": MOMENTS,
            "endsAt": MOMENTS,
        },
        optional={"comment": st.text(max_size=8)},
    ),
    max_size=3,
)


class Told(Http):
    """Answers each page of an API, or each query, with a body; another query for the clock."""

    def __init__(self, **bodies: Any) -> None:
        self._bodies = bodies

    async def get(self, url: str, **_: Any) -> Reply:
        """The body."""
        parts = urlsplit(url)
        if parse_qs(parts.query).get("query") == ["time()"]:
            data: Any = {"resultType": "scalar", "result": [NOW, str(NOW)]}
            return reply({"status": "success", "data": data}, url=url)
        return reply(self._bodies[parts.path.rsplit("/", 1)[1]], url=url)


def reply(body: Any, *, url: str = "u", date: str = "") -> Reply:
    """A reply with this body as JSON, which may have NaN and numbers of any length; bytes are sent as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(url, 200, "application/json", raw[:MOST_BYTES], len(raw) > MOST_BYTES, date)


def prometheus(**bodies: Any) -> PrometheusClient:
    """A client of a Prometheus that answers so."""
    return PrometheusClient(Told(**bodies), PrometheusTarget(url="http://127.0.0.1:9090"))


def alertmanager(**bodies: Any) -> AlertmanagerClient:
    """A client of an Alertmanager that answers so."""
    return AlertmanagerClient(Told(**bodies), AlertmanagerTarget(url="http://127.0.0.1:9093"))


def success(data: Any) -> dict[str, Any]:
    """A success of Prometheus."""
    return {"status": "success", "data": data}


def vector(found: Any) -> dict[str, Any]:
    """The answer to an instant query."""
    return success({"resultType": "vector", "result": found})


def ask(asking: Awaitable[Any]) -> Any:
    """What is answered, or None where it is said why nothing is; nothing else may be raised."""

    async def asked() -> Any:
        with suppress(Unobservable):
            return await asking
        return None

    return asyncio.run(asked())


@UNHURRIED
@given(VECTORS, TARGETS)
def test_any_vector_gives_numbers_of_what_is_scraped_or_a_reason(found: Any, scraped: Any) -> None:
    """What is given to be judged is never empty, never NaN, and of targets that are up."""
    told = prometheus(query=vector(found), targets=success({"activeTargets": scraped}))
    seen = ask(told.current("q"))
    if seen is not None:
        up = {
            (t["labels"].get("job", ""), t["labels"].get("instance", ""))
            for t in scraped
            if t["health"] == "up"
        }
        assert seen.series
        assert not any(math.isnan(s.value) for s in seen.series)
        for sample in seen.series:
            job, instance = sample.labels.get("job", "bzzz"), sample.labels.get("instance")
            assert any(j == job and instance in (None, i) for j, i in up)
        assert len(seen.series) + len(seen.stale) == len(found)


def scored(host: st.SearchStrategy[str], *values: str) -> Any:
    """An agent's score."""
    value = st.tuples(st.just(NOW), st.sampled_from(values))
    return st.fixed_dictionaries({"metric": st.fixed_dictionaries({"instance": host}), "value": value})


AGENTS = ("a:1", "b:1", "c:1")
SCORES = st.lists(scored(HOSTS, "1", "0.8", "0.5", "0.3", "NaN", "2"), max_size=6) | st.tuples(
    *(scored(st.just(host), "1", "0.9", "0.8", "0.79") for host in AGENTS)
).map(list)
NODES = {host[0]: {"host": "127.0.0.1", "agent": "http://127.0.0.1:9"} for host in AGENTS}
SECTION = BzzzSection.model_validate({"nodes": NODES, "limits": {"peers": 0}})


@UNHURRIED
@given(SCORES)
def test_a_pass_is_of_every_agent_and_of_good_numbers_only(found: Any) -> None:
    """Whatever Prometheus has, the two checks on health pass together only where each of the agents tells a good score."""
    up = [
        {
            "labels": {"job": "bzzz", "instance": host},
            "scrapeUrl": "u",
            "health": "up",
            "lastError": "",
            "lastScrape": "2027-01-15T07:59:59Z",
        }
        for host in ("a:1", "b:1", "c:1")
    ]
    told = prometheus(query=vector(found), targets=success({"activeTargets": up}))
    bzzz: Any = SimpleNamespace(section=SECTION, prometheus=told)
    seen = ask(health_scores.function(bzzz))
    good = all(0.8 <= float(s["value"][1]) <= 1 for s in found)
    well = good and {s["metric"]["instance"] for s in found} == {*AGENTS}
    limits = bzzz.section.limits
    judged = (criteria.not_critical, criteria.not_degraded) if seen is not None else ()
    passed = [rule(seen, limits).holds is True for rule in judged]
    assert (passed == [True, True]) is well


@UNHURRIED
@given(JSON)
def test_any_json_is_an_answer_or_none(body: Any) -> None:
    """Arbitrary JSON for any page raises nothing but Unobservable."""
    for wrapped in (body, success(body), vector(body), success({"resultType": "matrix", "result": body})):
        pages = dict.fromkeys(("query", "query_range", "targets", "rules", "alertmanagers", "ready"), wrapped)
        client = prometheus(**pages, runtimeinfo=wrapped, buildinfo=wrapped)
        moment = datetime.fromtimestamp(NOW, UTC)
        ask(client.current("q"))
        ask(client.range("q", start=moment, end=moment, step=moment - moment))
        for question in (client.rules, client.alertmanagers, client.server, client.scraped):
            ask(question())
        manager = alertmanager(alerts=wrapped, silences=wrapped, status=wrapped, metrics=wrapped)
        for asked in (manager.alerts, manager.silences, manager.server, manager.notifications):
            ask(asked())


@UNHURRIED
@given(RULES, STAMPS)
def test_any_rules_have_ages_that_can_be_judged(found: Any, interval: Any) -> None:
    """Times of a rule are finite seconds, and its moments are reckoned by Prometheus's clock."""
    groups = {"groups": [{"name": "g", "interval": interval, "rules": found}]}
    seen = ask(prometheus(rules=success(groups)).rules())
    for rule in seen.rules if seen else ():
        assert 0 <= rule.interval_s < math.inf
        assert 0 <= rule.for_s < math.inf
        assert rule.state in {"firing", "pending", "inactive", ""}
        assert rule.evaluated_ago_s is None or math.isfinite(rule.evaluated_ago_s)


@UNHURRIED
@given(ALERTS)
def test_any_alert_is_told_in_one_clean_line(found: Any) -> None:
    """Every alert comes through with a name and a line of its own, whatever its labels are."""
    seen = ask(alertmanager(alerts=found).alerts())
    for alert in seen if seen is not None else ():
        assert alert.name
        assert alert.summary == clean_text(alert.summary)
        assert len(alert.summary.splitlines()) == 1
        assert alert.since.tzinfo is UTC
    assert seen is None or len(seen) == len(found)


@UNHURRIED
@given(SILENCES)
def test_any_silence_is_told_in_one_clean_line(found: Any) -> None:
    """Each silence that is not over comes through, and says what it mutes."""
    seen = ask(alertmanager(silences=found).silences())
    for silence in seen if seen is not None else ():
        assert len(silence.summary.splitlines()) == 1
        assert silence.matchers or silence.may_mute({"alertname": "any"})
    assert seen is None or len(seen) == sum(s["status"]["state"] != "expired" for s in found)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 3000), st.text(alphabet='ab"\\[]{},\u20ac', max_size=600))
def test_of_a_list_that_is_cut_the_beginning_is_read(count: int, filling: str) -> None:
    """Of alerts that fill more than 1 MiB those before the cut are given, in order and whole, and that there are more."""
    status = {"state": "active", "silencedBy": [], "inhibitedBy": []}
    one = {"startsAt": "2027-01-15T08:00:00Z", "status": status, "annotations": filling}
    found = [{**one, "labels": {"alertname": f"n{n}"}} for n in range(count)]
    alerts, whole = ask(alertmanager(alerts=found).first_alerts())
    assert [a.name for a in alerts] == [f"n{n}" for n in range(len(alerts))]
    assert whole is (len(json.dumps(found)) <= MOST_BYTES)
    # One more would not have fitted.
    assert len(alerts) == count if whole else len(json.dumps(found[: len(alerts) + 1])) - 1 > MOST_BYTES
    assert (ask(alertmanager(alerts=found).alerts()) is None) is not whole


@pytest.mark.parametrize(
    ("text", "sent", "failed"),
    [
        ('alertmanager_notifications_total{integration="email"} 3', {"email": 3}, {}),
        (
            """alertmanager_notifications_total{integration="email"} 1e+06
alertmanager_notifications_failed_total{integration="email",reason="a"} 1
alertmanager_notifications_failed_total{integration="email",reason="b"} 2""",
            {"email": 1e6},
            {"email": 3},
        ),
        ('alertmanager_notifications_total{integration="\x1b[2J"} 3', {"?": 3}, {}),
        ('alertmanager_notifications_total{integration="email"} NaN', None, None),
        ('alertmanager_notifications_total{integration="email"} 1.2.3', None, None),
        ('alertmanager_notifications_failed_total{integration="email"} 3', None, None),
        ("<html>", None, None),
    ],
)
def test_notifications_are_counted_by_integration(text: str, sent: Any, failed: Any) -> None:
    """Reasons of one integration are added up; what is no count, or not there, is not 0."""
    seen = ask(alertmanager(metrics=text.encode()).notifications())
    assert (seen and (seen.sent, seen.failed)) == (None if sent is None else (sent, failed))


@given(st.text(max_size=20) | st.from_regex(r"\A(\d{1,30}(ms|[ywdhms])){0,4}\Z"))
def test_a_duration_is_finite_seconds_or_none(text: str) -> None:
    """Whatever stands for a duration is a number of seconds, or refused as a ValueError or too large."""
    with suppress(ValueError, OverflowError):
        assert 0 <= duration_s(text) < math.inf


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1m30s", 90), ("15s", 15), ("500ms", 0.5), ("1h", 3600), ("1d1ms", 86400.001), ("0s", 0)],
)
def test_a_duration_is_read_as_prometheus_writes_it(text: str, seconds: float) -> None:
    """Units are added up."""
    assert duration_s(text) == pytest.approx(seconds)


@given(STAMPS)
def test_a_time_stamp_is_a_moment_to_reckon_with_or_none(stamp: float) -> None:
    """A moment of the next 3,000 years leaves room for any period added to it."""
    with suppress(Unobservable):
        assert instant(stamp).year < 9000


def test_moments_are_told_in_utc() -> None:
    """A server that writes its machine's zone is read in ours; a moment that no calendar has there is refused."""
    moments: TypeAdapter[datetime] = TypeAdapter(Moment)
    assert f"{moments.validate_python('2027-01-15T10:00:00+02:00'):%H:%M:%SZ}" == "08:00:00Z"
    for text in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "2027-01-15T10:00:00"):
        with pytest.raises(ValidationError):
            moments.validate_python(text)


def test_warnings_and_infos_are_kept_bounded_and_clean() -> None:
    """At most ten of both together, texts only, each of at most 300 characters and without escapes."""
    said = {"warnings": ["\x1b[2Jpartial", 7, "x" * 1000], "infos": ["info"] * 20}
    data, told = api_data(reply({**success([]), **said}), ANY)
    assert (data, told[0], told[2]) == ([], "partial", "info")
    assert told[1].startswith("x" * 300 + " …")
    assert len(told) == 9
    assert api_data(reply({**success([]), "warnings": "none", "infos": None}), ANY)[1] == ()


class Counting(Told):
    """Answers a moment later, and counts how many wait at a time."""

    waiting = most = 0

    async def get(self, url: str, **_: Any) -> Reply:
        """The body."""
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await asyncio.sleep(0.001)
        self.waiting -= 1
        return await super().get(url)


async def test_an_alertmanager_is_never_asked_more_than_it_answers() -> None:
    """A small one refuses more than eight questions at a time, of everybody: we ask four, and all are answered."""
    http = Counting(alerts=[])
    client = AlertmanagerClient(http, AlertmanagerTarget(url="http://127.0.0.1:9093"))
    found = await asyncio.gather(*(client.alerts() for _ in range(20)))
    assert found == [()] * 20
    assert http.most == 4
