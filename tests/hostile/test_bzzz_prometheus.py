"""What the checks say when BZZZ's Prometheus starts, has no data, or answers badly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.alerting import test_alerting
from checks.bzzz.monitoring import test_monitoring as checks
from tests.hostile.bzzz_looking import patient_outcome as outcome
from tests.hostile.bzzz_looking import patient_verdict as verdict
from tests.hostile.bzzz_watchers import (
    AGENTS,
    CLOCK,
    ago,
    data,
    of_agents,
    prometheus,
    series,
    target,
    targets,
    vector,
    watched,
)
from tests.hostile.servers import ESCAPES, MIB, Act, endless, page
from tests.hostile.tables import case
from tests.pace import Pace

if TYPE_CHECKING:
    from tests.hostile.servers import Stage

LOGIN = f"<!DOCTYPE html><title>Sign in</title>{ESCAPES}"
UNEXPECTED, EMPTY, LACKING = "UNKNOWN unexpected-reply", "UNKNOWN empty", "UNKNOWN precondition"
PART, NO_COMPONENTS = "UNKNOWN part-missing", "UNKNOWN no-components"
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
        test_alerting.test_notifications_leave,
    ):
        assert await verdict(check, part) == expected, check.__name__


SCORED = [
    case(of_agents("1", "1", "0.9"), GOOD, id="well"),
    case(of_agents("1", "1", "0.49"), CRITICAL, id="one critical"),
    case(of_agents("1", "NaN", "1"), EMPTY, id="NaN"),
    case(of_agents("1", "+Inf", "1"), PART, id="+Inf"),
    case(of_agents("1", "-Inf", "1"), PART, id="-Inf"),
    case(of_agents("0.1", "+Inf", "1"), CRITICAL, id="one odd, and one critical"),
    case(of_agents("100", "97", "100"), UNEXPECTED, id="percent"),
    case(of_agents("0.6", "1"), PART, id="one unknown, and one degraded"),
    case(of_agents("1", "1"), PART, id="an agent of which nobody knows"),
    case(of_agents("1", "0.1"), CRITICAL, id="one unknown, and one critical"),
    case(
        vector(*(series("1", instance=AGENTS[0], slot=str(n)) for n in range(3))),
        PART,
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
        PART,
        id="more than run",
    ),
    case(
        vector(*(series("1", instance=who, job="gone") for who in AGENTS)),
        LACKING,
        id="of a job that has gone",
    ),
    case(vector(series("1")), PART, id="one for all, nobody's"),
]


@pytest.mark.parametrize(("act", "expected"), SCORED)
async def test_each_agent_has_one_score(stage: Stage, act: Act, expected: str) -> None:
    """Every series is judged, and a pass takes as many agents as run; a value that is no score is not judged."""
    assert (
        await verdict(checks.test_no_agent_is_critical, watched(stage, prometheus({SCORES: act}))) == expected
    )


@pytest.mark.parametrize(
    ("scores", "expected"),
    [(of_agents("1", "1", "1"), NO_COMPONENTS), (of_agents("1", "1", "0.1"), CRITICAL)],
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
    case(targets(target(AGENTS[0]), target(AGENTS[1])), PART, id="one is not scraped any more"),
    case(others(health="down", lastError="refused"), PART, id="one is down"),
    case(others(health="unknown", lastScrape="0001-01-01T00:00:00Z"), PART, id="one was never scraped"),
    case(others(lastScrape=ago(18)), PART, id="one was scraped more than three intervals ago"),
    case(others(lastScrape=ago(18), scrapeInterval="1m"), GOOD, id="one is scraped each minute"),
    case(others(lastScrape=ago(-3600)), PART, id="one was scraped an hour ahead: the clock was set back"),
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
        test_alerting.test_notifications_leave,
    ):
        (finding,) = (await outcome(check, watched(stage, prometheus(given)))).findings
        assert finding.details[0].startswith("Prometheus warns: PromQL: ")
        assert finding.details[0].endswith(word)
        assert "\x1b" not in "".join(finding.details)
        assert len("".join(finding.details)) < 5000


async def test_a_huge_answer_is_judged_in_time_and_told_in_short(stage: Stage) -> None:
    """Thousands of series of as many targets, half of them stale: judged at once, with a finding that can be read."""
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
    with Pace() as pace:
        judged = await outcome(checks.test_no_agent_is_critical, part)
    assert pace.times < 300
    assert f"{judged.verdict} {judged.reason}" == CRITICAL
    assert len(judged.model_dump_json()) < 20_000
