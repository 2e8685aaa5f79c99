"""What the checks say of rates, counts and ranges that BZZZ's Prometheus tells, and of those that it does not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.alerting import test_alerting
from checks.bzzz.incidents import test_incidents as incidents
from checks.bzzz.monitoring import test_monitoring as checks
from tests.hostile.bzzz_looking import verdict
from tests.hostile.bzzz_watchers import (
    AGENTS,
    CLOCK,
    NEEDED,
    data,
    of_agents,
    prometheus,
    target,
    targets,
    vector,
    watched,
)
from tests.hostile.servers import Act, page
from tests.hostile.tables import case

if TYPE_CHECKING:
    from tests.hostile.servers import Stage

LOGIN = "<!DOCTYPE html><title>Sign in</title>"
UNEXPECTED, EMPTY, LACKING = "UNKNOWN unexpected-reply", "UNKNOWN empty", "UNKNOWN precondition"
PART = "UNKNOWN part-missing"
SCORES = "bzzz_system_health_score"
NOW = CLOCK.timestamp()


def others(**more: Any) -> Act:
    """Two targets that are well, and the third like this."""
    return targets(target(AGENTS[0]), target(AGENTS[1]), target(AGENTS[2], **more))


RATES: list[Any] = [
    case({"checks_failed": of_agents("0", "0", "1")}, "FAIL sli-missed", id="failures"),
    case({"checks_passed": of_agents("0", "0", "0")}, "UNKNOWN no-checks", id="nothing over nothing"),
    case({"checks_failed": vector()}, EMPTY, id="no failed at all"),
    case({"checks_failed": of_agents("0", "-1", "0")}, PART, id="a negative rate"),
    case({"checks_passed": of_agents("+Inf", "1", "1")}, PART, id="an infinite rate"),
    case({"checks_failed": of_agents("-1", "-1", "-1")}, UNEXPECTED, id="negative rates only"),
    case(
        {"checks_passed": of_agents("1", "1"), "checks_failed": of_agents("0", "0")},
        PART,
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
    case({"targets": others(health="down")}, PART, id="one is not asked"),
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
    assert (
        await verdict(test_alerting.test_notifications_leave, watched(stage, prometheus(given))) == expected
    )


STEP_S = 86400 / 500


def matrix(*found: tuple[dict[str, str], dict[int, str]]) -> Act:
    """Series over the day that is watched: labels, and value by the number of the step."""
    return data(
        {
            "resultType": "matrix",
            "result": [
                {
                    "metric": labels,
                    "values": [[NOW - 86400 + n * STEP_S, value] for n, value in points.items()],
                }
                for labels, points in found
            ],
        }
    )


GAPPED = "UNKNOWN not-measured"
WHOLE = dict.fromkeys(range(501), "3")
GAPS = {n: "3" for n in range(501) if n % 10}
WATCHED: list[Any] = [
    case(matrix(({}, WHOLE)), matrix(), "PASS held", id="whole, and calm"),
    case(matrix(({}, GAPS)), matrix(), GAPPED, id="a tenth of it lacks"),
    case(
        matrix(({}, GAPS), ({"job": "2"}, GAPS)), matrix(), GAPPED, id="a tenth lacks of each of two series"
    ),
    case(matrix(), matrix(), GAPPED, id="never measured"),
    case(
        matrix(({}, GAPS)),
        matrix(({"alertname": NEEDED[0]}, {7: str(NOW - 7200)})),
        "FAIL fired-again",
        id="gaps, and an incident",
    ),
    case(
        matrix(({}, WHOLE)),
        matrix(({"alertname": NEEDED[0]}, {0: str(NOW - 86400 - 60)})),
        "PASS held",
        id="an incident that was over before",
    ),
    case(matrix(({}, WHOLE)), matrix(({}, {7: "NaN"})), UNEXPECTED, id="an incident at NaN"),
    case(matrix(({}, WHOLE)), vector(), UNEXPECTED, id="a vector"),
    case(matrix(({}, WHOLE)), page(LOGIN, kind="text/html"), UNEXPECTED, id="HTML of a proxy"),
]


@pytest.mark.parametrize(("scores", "fired", "expected"), WATCHED)
async def test_a_day_with_gaps_was_not_watched(stage: Stage, scores: Act, fired: Act, expected: str) -> None:
    """Calm counts only where it was measured all along; an incident counts whatever else was measured."""
    part = watched(stage, prometheus({SCORES: scores, "ALERTS": fired}))
    part = part.model_copy(update={"recovered_at": CLOCK - timedelta(days=2)})
    assert await verdict(incidents.test_the_recovery_holds, part) == expected
