"""What the checks say when BZZZ's Prometheus starts, has no data, or answers badly."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz import test_monitoring as checks
from fixtures.bzzz.observations import alerting
from fixtures.servers.process import LOOPBACK, free_port
from opsverify.deadline import seconds
from tests.hostile.bzzz_looking import outcome, section, verdict
from tests.hostile.bzzz_watchers import (
    AGENTS,
    CLOCK,
    NEEDED,
    ago,
    data,
    of_agents,
    prometheus,
    rule,
    rules,
    series,
    target,
    targets,
    vector,
    watched,
)
from tests.hostile.servers import ESCAPES, MIB, Act, Play, closes, endless, page, resets, silent
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.servers import Stage

LOGIN = f"<!DOCTYPE html><title>Sign in</title>{ESCAPES}"
UNEXPECTED, EMPTY, LACKING = "UNKNOWN unexpected-reply", "UNKNOWN empty", "UNKNOWN precondition"
STARTING, DENIED = "UNKNOWN server-error", "UNKNOWN denied"
CRITICAL, GOOD = "FAIL health-critical", "PASS not-critical"
SCORES, COMPONENTS = "bzzz_system_health_score", "bzzz_component_health_score"
NOW = CLOCK.timestamp()


def refusal(status: int, kind: str) -> Act:
    """An error of Prometheus's API."""
    return page({"status": "error", "errorType": kind, "error": "query timed out"}, status=status)


def sample(*value: object) -> Act:
    """A vector of one series with this for its instant and value."""
    return data(
        {"resultType": "vector", "result": [{"metric": {"instance": AGENTS[0]}, "value": list(value)}]}
    )


BAD_ANSWERS = [
    case(page("Service Unavailable", status=503, kind="text/plain"), STARTING, id="503: it starts"),
    case(refusal(503, "timeout"), STARTING, id="503: a query that took too long"),
    case(page(LOGIN, status=502, kind="text/html"), STARTING, id="502 of a proxy"),
    case(refusal(422, "execution"), UNEXPECTED, id="422: a query that cannot be executed"),
    case(refusal(400, "bad_data"), UNEXPECTED, id="400: a query that it does not take"),
    case(refusal(200, "internal"), UNEXPECTED, id="200 and an error"),
    case(page({"data": {"resultType": "vector", "result": []}}), UNEXPECTED, id="no status"),
    case(page(LOGIN, kind="text/html"), UNEXPECTED, id="HTML of a proxy"),
    case(page('{"status": "success", "data": {"resultType"'), UNEXPECTED, id="JSON that ends early"),
    case(page("[" * 100_000), UNEXPECTED, id="deeply nested"),
    case(page("null"), UNEXPECTED, id="null"),
    case(page(f'{{"status": "success", "data": "{"x" * 2 * MIB}"}}'), UNEXPECTED, id="2 MiB"),
    case(endless(b" " * 65536), UNEXPECTED, id="endless"),
    case(page({}, status=302, headers=("Location: /login",)), UNEXPECTED, id="a redirect"),
    case(page({}, status=401), DENIED, id="401"),
    case(page({}, status=403), DENIED, id="403"),
    case(data({"resultType": "matrix", "result": []}), UNEXPECTED, id="a matrix"),
    case(data({"resultType": "scalar", "result": [NOW, "1"]}), UNEXPECTED, id="a scalar"),
    case(data({"resultType": "vector", "result": None}), UNEXPECTED, id="no list"),
    case(vector(), EMPTY, id="no data yet, or no such metric"),
    case(sample(NOW, 1.0), UNEXPECTED, id="a value that is no text"),
    case(sample(NOW, *[True]), UNEXPECTED, id="true"),
    case(sample(NOW, "healthy"), UNEXPECTED, id="a word"),
    case(sample(NOW, "1", "2"), UNEXPECTED, id="three of two"),
    case(sample(float("nan"), "1"), UNEXPECTED, id="an instant of NaN"),
    case(sample(1e300, "1"), UNEXPECTED, id="an instant beyond any"),
    case(sample(10**400, "1"), UNEXPECTED, id="an instant of 400 digits"),
]


@pytest.mark.parametrize(("act", "expected"), BAD_ANSWERS)
async def test_a_bad_answer_is_not_judged(stage: Stage, act: Act, expected: str) -> None:
    """No check passes or fails by an answer that is none; who is in the way says so."""
    queries = (
        SCORES,
        COMPONENTS,
        "checks_passed",
        "checks_failed",
        "bzzz_errors_total",
        "notifications_failed",
    )
    part = watched(stage, prometheus(dict.fromkeys(queries, act)))
    for check in (
        checks.test_no_agent_is_critical,
        checks.test_no_agent_is_degraded,
        checks.test_health_checks_pass,
        checks.test_errors_are_few,
        checks.test_notifications_leave,
    ):
        assert await verdict(check, part) == expected, check.__name__


SCORED = [
    case(of_agents("1", "1", "0.9"), GOOD, id="well"),
    case(of_agents("1", "1", "0.49"), CRITICAL, id="one critical"),
    case(of_agents("1", "NaN", "1"), EMPTY, id="NaN"),
    case(of_agents("1", "+Inf", "1"), UNEXPECTED, id="+Inf"),
    case(of_agents("1", "-Inf", "1"), UNEXPECTED, id="-Inf"),
    case(of_agents("100", "97", "100"), UNEXPECTED, id="percent"),
    case(of_agents("1", "1"), LACKING, id="an agent of which nobody knows"),
    case(of_agents("1", "0.1"), CRITICAL, id="one unknown, and one critical"),
    case(
        vector(*(series("1", instance=AGENTS[0], slot=str(n)) for n in range(3))),
        LACKING,
        id="three series of one agent",
    ),
    case(
        vector(*(series("1", instance=who, slot=str(n)) for who in AGENTS for n in range(3))),
        GOOD,
        id="three series of each",
    ),
    case(
        vector(*(series("1", instance=who) for who in AGENTS), series("0.1", instance=AGENTS[0], slot="old")),
        CRITICAL,
        id="several of one, one of them critical",
    ),
    case(
        vector(
            *(series("1", instance=who) for who in AGENTS),
            series("1", instance="manager:9093", job="alertmanager"),
        ),
        LACKING,
        id="more than run",
    ),
    case(
        vector(*(series("1", instance=who, job="gone") for who in AGENTS)),
        LACKING,
        id="of a job that has gone",
    ),
    case(vector(series("1")), LACKING, id="one for all, nobody's"),
]


@pytest.mark.parametrize(("act", "expected"), SCORED)
async def test_each_agent_has_one_score(stage: Stage, act: Act, expected: str) -> None:
    """Every series is judged, and a pass takes as many agents as run; a value that is no score is not judged."""
    assert (
        await verdict(checks.test_no_agent_is_critical, watched(stage, prometheus({SCORES: act}))) == expected
    )


@pytest.mark.parametrize(
    ("scores", "expected"),
    [(of_agents("1", "1", "1"), EMPTY), (of_agents("1", "1", "0.1"), CRITICAL)],
    ids=["all well", "one critical"],
)
async def test_a_critical_score_stands_without_its_components(
    stage: Stage, scores: Act, expected: str
) -> None:
    """A low score fails also where no component says why; a good one without components is not believed."""
    part = watched(stage, prometheus({SCORES: scores, COMPONENTS: vector()}))
    assert await verdict(checks.test_no_agent_is_critical, part) == expected


def others(**more: Any) -> Act:
    """Two targets that are well, and the third like this."""
    return targets(target(AGENTS[0]), target(AGENTS[1]), target(AGENTS[2], **more))


TARGETS = [
    case(targets(), LACKING, id="nothing is scraped"),
    case(targets(target(AGENTS[0]), target(AGENTS[1])), LACKING, id="one is not scraped any more"),
    case(others(health="down", lastError="refused"), LACKING, id="one is down"),
    case(others(health="unknown", lastScrape="0001-01-01T00:00:00Z"), LACKING, id="one was never scraped"),
    case(others(lastScrape=ago(18)), LACKING, id="one was scraped more than three intervals ago"),
    case(others(lastScrape=ago(18), scrapeInterval="1m"), GOOD, id="one is scraped each minute"),
    case(others(lastScrape=ago(-3600)), LACKING, id="one was scraped an hour ahead: the clock was set back"),
    case(others(lastScrape=ago(1).replace("Z", "+00:00")), GOOD, id="another way to write its zone"),
    case(others(lastScrape="9999-12-31T23:59:59-12:00"), UNEXPECTED, id="a moment beyond the calendar"),
    case(others(lastScrape=ago(1).removesuffix("Z")), UNEXPECTED, id="a moment without a zone"),
    case(others(scrapeInterval="soon"), UNEXPECTED, id="an interval that is none"),
    case(others(scrapeInterval="9" * 5000 + "y"), UNEXPECTED, id="an interval of 5000 digits"),
    case(others(health="purple"), UNEXPECTED, id="an unknown word"),
    case(others(labels=["job"]), UNEXPECTED, id="labels that are a list"),
    case(data({"activeTargets": None}), UNEXPECTED, id="no list"),
    case(data([]), UNEXPECTED, id="another shape"),
    case(
        targets(*(target(who) for who in AGENTS), target(AGENTS[2], health="down")),
        GOOD,
        id="one scraped twice, once in vain",
    ),
    case(page("Service Unavailable", status=503), STARTING, id="503"),
]


@pytest.mark.parametrize(("act", "expected"), TARGETS)
async def test_what_is_not_scraped_now_is_no_data(stage: Stage, act: Act, expected: str) -> None:
    """Prometheus answers with what it had for five minutes: only what is scraped now is judged."""
    part = watched(stage, prometheus({"targets": act}))
    assert await verdict(checks.test_no_agent_is_critical, part) == expected


async def test_the_stale_twin_of_a_series_hides_nothing(stage: Stage) -> None:
    """Where two jobs measure one agent and one of them is gone, the other's value is judged, and the finding says so."""
    scores = (series("0.1" if who == AGENTS[0] else "1", instance=who) for who in AGENTS)
    old = series("1", instance=AGENTS[0], job="old")
    part = watched(stage, prometheus({SCORES: vector(*scores, old)}))
    judged = await outcome(checks.test_no_agent_is_critical, part)
    assert f"{judged.verdict} {judged.reason}" == CRITICAL
    assert any(line.startswith(f"stale, left out: {AGENTS[0]}") for line in judged.findings[0].details)


RATES: list[Any] = [
    case({"checks_failed": of_agents("0", "0", "1")}, "FAIL sli-missed", id="failures"),
    case({"checks_passed": of_agents("0", "0", "0")}, EMPTY, id="nothing over nothing"),
    case({"checks_failed": vector()}, EMPTY, id="no failed at all"),
    case({"checks_failed": of_agents("0", "-1", "0")}, UNEXPECTED, id="a negative rate"),
    case({"checks_passed": of_agents("+Inf", "1", "1")}, UNEXPECTED, id="an infinite rate"),
    case(
        {"checks_passed": of_agents("1", "1"), "checks_failed": of_agents("0", "0")},
        LACKING,
        id="one agent makes none",
    ),
    case(
        {"checks_passed": of_agents("1", "1"), "checks_failed": of_agents("1", "1")},
        "FAIL sli-missed",
        id="one makes none, the others fail",
    ),
]


@pytest.mark.parametrize(("given", "expected"), RATES)
async def test_health_checks_of_all_agents_count(stage: Stage, given: dict[str, Act], expected: str) -> None:
    """Compliance is that of every agent that runs; failures fail also where one is unknown."""
    assert await verdict(checks.test_health_checks_pass, watched(stage, prometheus(given))) == expected


ERRORS: list[Any] = [
    case({"bzzz_errors_total": of_agents("0", "0", "0.2")}, "FAIL errors-many", id="many"),
    case({"bzzz_errors_total": of_agents("0")}, "PASS errors-few", id="two have counted none"),
    case({"targets": others(health="down")}, LACKING, id="one is not asked"),
    case(
        {"bzzz_errors_total": of_agents("9", "0"), "targets": others(health="down")},
        "FAIL errors-many",
        id="one is not asked, another has many",
    ),
    case({"bzzz_errors_total": of_agents("+Inf")}, UNEXPECTED, id="an infinite rate"),
    case({"bzzz_errors_total": of_agents("-1")}, UNEXPECTED, id="a negative rate"),
]


@pytest.mark.parametrize(("given", "expected"), ERRORS)
async def test_errors_of_all_agents_count(stage: Stage, given: dict[str, Act], expected: str) -> None:
    """Few errors are few only where every agent that runs is asked."""
    assert await verdict(checks.test_errors_are_few, watched(stage, prometheus(given))) == expected


def notified(**values: str) -> Act:
    """Notifications by integration; a `_2` after its name is another series of it."""
    return vector(
        *({"metric": {"integration": n.split("_")[0]}, "value": [NOW, v]} for n, v in values.items())
    )


NOTIFIED: list[Any] = [
    case({"notifications_failed": notified(webhook="0", email="2")}, "FAIL notifications-failed", id="email"),
    case(
        {"notifications_failed": notified(webhook="2", webhook_2="0")},
        "FAIL notifications-failed",
        id="two series of one",
    ),
    case({"notifications_failed": notified(webhook="NaN")}, EMPTY, id="NaN"),
    case({"notifications_failed": vector()}, EMPTY, id="not counted"),
    case({"targets": targets(*map(target, AGENTS))}, LACKING, id="Alertmanager is not scraped"),
]


@pytest.mark.parametrize(("given", "expected"), NOTIFIED)
async def test_notifications_are_counted(stage: Stage, given: dict[str, Act], expected: str) -> None:
    """One integration that fails is a failure; what is not counted is not judged."""
    assert await verdict(checks.test_notifications_leave, watched(stage, prometheus(given))) == expected


def needed(**more: Any) -> list[dict[str, Any]]:
    """The rules that have to be there; the first of them like this."""
    return [rule(NEEDED[0], **more), *(rule(name) for name in NEEDED[1:])]


JUST_NOW = data({"startTime": ago(86400), "lastConfigTime": ago(3)})
NEVER = {"health": "unknown", "lastEvaluation": "0001-01-01T00:00:00Z"}
RULES: list[Any] = [
    case({"rules": rules(*needed())}, "PASS alertmanager-known", id="well"),
    case({"rules": data({"groups": []})}, "FAIL rules-missing", id="no rules"),
    case({"rules": rules(*needed()[1:])}, "FAIL rules-missing", id="one missing"),
    case({"rules": rules(*needed(type="recording"))}, "FAIL rules-missing", id="one that only records"),
    case({"rules": rules(*needed(health="err", lastError=ESCAPES))}, "FAIL rules-failing", id="one fails"),
    case({"rules": rules(*needed(lastEvaluation=ago(600)))}, "FAIL rules-not-evaluated", id="one is old"),
    case({"rules": rules(*needed(lastEvaluation=ago(-600)))}, "FAIL rules-not-evaluated", id="one is ahead"),
    case({"rules": rules(*needed(**NEVER))}, "FAIL rules-not-evaluated", id="one never"),
    case({"rules": rules(*needed(**NEVER)), "status/runtimeinfo": JUST_NOW}, LACKING, id="one not yet"),
    case(
        {"rules": rules(*needed(**NEVER, state="unknown")), "status/runtimeinfo": JUST_NOW},
        LACKING,
        id="one not yet, of a newer Prometheus",
    ),
    case({"rules": rules(*needed(state="sideways"))}, UNEXPECTED, id="an unknown state"),
    case({"rules": rules(*needed(), interval=float("nan"))}, UNEXPECTED, id="an interval of NaN"),
    case({"rules": rules(*needed(), interval=-15)}, UNEXPECTED, id="a negative interval"),
    case({"rules": rules(*needed(duration=1e300))}, UNEXPECTED, id="a duration beyond any"),
    case({"rules": rules(*needed(query=None))}, UNEXPECTED, id="no expression"),
    case({"rules": data({"groups": None})}, UNEXPECTED, id="no list"),
    case({"rules": page("Service Unavailable", status=503)}, "FAIL server-error", id="503"),
    case({"rules": page({}, status=403)}, DENIED, id="403"),
    case({"alertmanagers": data({"activeAlertmanagers": []})}, "FAIL no-alertmanager", id="tells nobody"),
    case(
        {"alertmanagers": data({"activeAlertmanagers": [{}]})}, UNEXPECTED, id="an Alertmanager without url"
    ),
]


@pytest.mark.parametrize(("given", "expected"), RULES)
async def test_rules_have_to_be_there_and_work(
    stage: Stage, given: dict[str, Act], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that is missing, fails or was not evaluated is a FAIL; before it is due nobody knows."""
    monkeypatch.setattr(alerting, "_REDISCOVERY", seconds(0.1))
    judged = await outcome(checks.test_nothing_fires_and_alerting_works, watched(stage, prometheus(given)))
    assert f"{judged.verdict} {judged.reason}" == expected
    assert "\x1b" not in judged.model_dump_json()


DOWN: list[Any] = [
    case(None, "refused", id="refused"),
    case(silent, "silent", id="silent"),
    case(resets, "reset", id="reset"),
    case(closes, "reset", id="closed"),
]


@pytest.mark.parametrize(("play", "kind"), DOWN)
async def test_a_prometheus_that_does_not_serve(stage: Stage, play: Play | None, kind: str) -> None:
    """It fails the row on alerting, whose part it is; what is judged by its values is not known."""
    url = f"http://{LOOPBACK}:{free_port()}" if play is None else stage.http(play)
    other = watched(stage)
    part = section(
        prometheus={"url": url},
        alertmanager=other.alertmanager,
        nodes={n: {"host": LOOPBACK, "agent": node.agent} for n, node in other.nodes.items()},
    )
    values: tuple[Callable[..., None], ...] = (checks.test_no_agent_is_critical, checks.test_errors_are_few)
    for check in values:
        assert await verdict(check, part) == f"UNKNOWN {kind}"
    assert await verdict(checks.test_nothing_fires_and_alerting_works, part) == f"FAIL {kind}"


@pytest.mark.parametrize(("key", "word"), [("warnings", "partial"), ("infos", "might not be a counter")])
async def test_what_prometheus_warns_of_is_in_the_finding(stage: Stage, key: str, word: str) -> None:
    """Warnings and infos of an answer are shown, clean and bounded, before all else."""
    said = {key: [f"PromQL: {ESCAPES}{word}", "y" * 5000, 7, *["z"] * 100]}
    given = {
        SCORES: of_agents("1", "1", "1", **said),
        "bzzz_errors_total": of_agents("0", "0", "0", **said),
        "checks_passed": of_agents("1", "1", "1", **said),
        "notifications_total": vector({"metric": {}, "value": [0, "0"]}, **said),
    }
    for check in (
        checks.test_no_agent_is_critical,
        checks.test_errors_are_few,
        checks.test_health_checks_pass,
        checks.test_notifications_leave,
    ):
        (finding,) = (await outcome(check, watched(stage, prometheus(given)))).findings
        assert finding.details[0].startswith("Prometheus warns: PromQL: ")
        assert finding.details[0].endswith(word)
        assert "\x1b" not in "".join(finding.details)
        assert len("".join(finding.details)) < 5000


async def test_a_huge_answer_is_judged_in_time_and_told_in_short(stage: Stage) -> None:
    """Thousands of series of as many targets, half of them stale: judged within a second, and a finding that can be read."""
    many = [f"h{n}:1" for n in range(4000)]
    part = watched(
        stage,
        prometheus(
            {
                SCORES: vector(*(series("0.1", instance=who) for who in many)),
                "targets": targets(*(target(who) for who in many[:2000])),
            }
        ),
    )
    begun = time.perf_counter()
    judged = await outcome(checks.test_no_agent_is_critical, part)
    assert time.perf_counter() - begun < 3
    assert f"{judged.verdict} {judged.reason}" == CRITICAL
    assert len(judged.model_dump_json()) < 20_000
