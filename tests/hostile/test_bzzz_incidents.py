"""Whether an incident is over, asked of a Prometheus and an Alertmanager that are away, empty or talk nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.incidents import test_incidents as checks
from tests.hostile.bzzz_looking import verdict
from tests.hostile.bzzz_watchers import (
    CLOCK,
    alert,
    alertmanager,
    data,
    of_agents,
    prometheus,
    series,
    vector,
    watched,
)
from tests.hostile.servers import ESCAPES, Act, Play, page, resets, silent
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.servers import Stage

HEALTH = checks.test_system_health_is_no_longer_critical
CHECKS: dict[str, tuple[Callable[..., None], str]] = {
    "bzzz_system_health_score": (HEALTH, "PASS not-critical"),
    "bzzz_p2p_connected_peers": (checks.test_the_partition_is_over, "PASS enough-peers"),
    "bzzz_election_state": (checks.test_the_election_works_again, "PASS one-admin"),
    "bzzz_dht_replication_factor": (checks.test_content_is_replicated_again, "PASS replicated"),
    "process_resident_memory_bytes": (checks.test_memory_is_back_under_its_limit, "PASS memory-back"),
}
WELL: dict[str, Act] = {
    "bzzz_p2p_connected_peers": of_agents("5", "5", "5"),
    "bzzz_election_state": of_agents("0", "1", "0"),
    "bzzz_dht_replication_factor": of_agents("3", "3", "3"),
    "process_resident_memory_bytes": of_agents("1000", "1000", "1000"),
}
CALM = alertmanager({"v2/alerts": page([])})


async def judged(stage: Stage, given: dict[str, Act], manager: Play = CALM) -> dict[str, str]:
    """What each of the five concludes."""
    part = watched(stage, prometheus({**WELL, **given}), manager)
    return {name: await verdict(check, part) for name, (check, _) in CHECKS.items()}


async def test_all_incidents_are_over(stage: Stage) -> None:
    """Where all is well and nothing alerts each of them is over."""
    assert await judged(stage, {}) == {name: passed for name, (_, passed) in CHECKS.items()}


ANSWERS = [
    case(vector(), "UNKNOWN empty", id="no series"),
    case(of_agents("NaN", "NaN", "NaN"), "UNKNOWN empty", id="NaN"),
    case(of_agents("5", "NaN", "5"), "UNKNOWN empty", id="one NaN"),
    case(data({"resultType": "matrix", "result": []}), "UNKNOWN unexpected-reply", id="a matrix"),
    case(page(f"<html>{ESCAPES}", kind="text/html"), "UNKNOWN unexpected-reply", id="HTML"),
    case(page("starting", status=503, kind="text/plain"), "UNKNOWN server-error", id="it starts"),
    case(page({}, status=401), "UNKNOWN denied", id="401"),
    case(vector(series("5", instance="gone:1")), "UNKNOWN precondition", id="of an agent that is gone"),
]


@pytest.mark.parametrize(("act", "expected"), ANSWERS)
async def test_what_prometheus_does_not_tell_is_not_over(stage: Stage, act: Act, expected: str) -> None:
    """Without current figures of its own no incident is over, and none is going on."""
    assert await judged(stage, dict.fromkeys(CHECKS, act)) == dict.fromkeys(CHECKS, expected)


MANAGERS = [
    # Of two that are asked at once nobody knows which is away.
    case(silent, "UNKNOWN silent", id="says nothing"),
    case(resets, "UNKNOWN reset", id="resets"),
    case(alertmanager({"v2/alerts": page("[{}]")}), "UNKNOWN unexpected-reply", id="alerts that are none"),
    case(alertmanager({"v2/alerts": page({}, status=500)}), "UNKNOWN server-error", id="500"),
    case(alertmanager({"v2/alerts": page([alert("A", "suppressed")])}), "FAIL still-alerting", id="muted"),
]


@pytest.mark.parametrize(("manager", "expected"), MANAGERS)
async def test_figures_alone_end_no_incident(stage: Stage, manager: Play, expected: str) -> None:
    """Good figures do not speak for an Alertmanager that is away, and an alert that is muted still alerts."""
    part = watched(stage, prometheus(WELL), manager)
    assert await verdict(HEALTH, part) == expected


async def test_a_critical_score_stands_without_its_causes(stage: Stage) -> None:
    """Where no component tells why, or none is ill, an agent that is critical is so all the same."""
    low = {"bzzz_system_health_score": of_agents("0.1", "1", "1")}
    for components in (vector(), page({}, status=500), of_agents("1", "1", "1"), of_agents("NaN", "1", "1")):
        part = watched(stage, prometheus({**low, "bzzz_component_health_score": components}), CALM)
        assert await verdict(HEALTH, part) == "FAIL critical-unexplained"


@pytest.mark.parametrize("odd", ["+Inf", "-1"])
async def test_figures_that_are_none_end_no_incident(stage: Stage, odd: str) -> None:
    """What cannot be measured speaks for nothing, but an agent that is critical beside it is critical."""
    given = {name: of_agents(odd, odd, odd) for name in CHECKS if name != "process_resident_memory_bytes"}
    assert "PASS" not in " ".join((await judged(stage, given)).values()).replace("PASS memory-back", "")
    beside = {"bzzz_system_health_score": of_agents("0.1", odd, "1")}
    assert (await judged(stage, beside))["bzzz_system_health_score"] == "FAIL critical-unexplained"


async def test_the_third_agent_is_not_forgotten(stage: Stage) -> None:
    """Where two of three agents tell, each incident stays open, but for what those two have decided."""
    two = {name: of_agents("3", "3") for name in CHECKS}
    seen = await judged(stage, {**two, "bzzz_system_health_score": of_agents("1", "1")})
    assert seen.pop("bzzz_election_state") == "FAIL two-admins"
    assert set(seen.values()) == {"UNKNOWN part-missing"}


def firing(*points: object) -> Act:
    """An incident's alert over time."""
    found = {"metric": {"alertname": "BZZZNoAdminElected"}, "values": list(points)}
    return data({"resultType": "matrix", "result": [found] if points else []})


def measured(count: int) -> Act:
    """The health was measured at so many instants before now."""
    points = [[CLOCK.timestamp() - n, "3"] for n in range(count)]
    return data({"resultType": "matrix", "result": [{"metric": {}, "values": points}]})


NOW = CLOCK.timestamp()
WATCHES = [
    case(firing(), measured(61), {}, "PASS held", id="calm all along"),
    case(firing([NOW, str(NOW - 30)]), measured(61), {}, "FAIL fired-again", id="it fired since"),
    case(firing([NOW, str(NOW - 90)]), measured(61), {}, "PASS held", id="it fired before"),
    case(firing([NOW, "NaN"]), measured(61), {}, "UNKNOWN unexpected-reply", id="a time that is none"),
    case(firing(), measured(30), {}, "UNKNOWN not-measured", id="half of it not measured"),
    case(firing(), firing(), {}, "UNKNOWN not-measured", id="nothing measured"),
    case(firing(), page({}, status=500), {}, "UNKNOWN server-error", id="500"),
    case(firing(), measured(61), {"watched": 3600}, "UNKNOWN watching", id="watching"),
    case(firing([NOW, str(NOW - 30)]), measured(0), {"watched": 3600}, "FAIL fired-again", id="fired while watching"),
]  # fmt: skip


@pytest.mark.parametrize(("fired", "scores", "limits", "expected"), WATCHES)
async def test_a_recovery_that_is_watched(
    stage: Stage, fired: Act, scores: Act, limits: dict[str, Any], expected: str
) -> None:
    """A minute that was watched is held by what was measured in it; what fired in it is never waited out."""
    acts = {"ALERTS": fired, "bzzz_system_health_score": scores}
    part = watched(stage, prometheus(acts))
    given = part.limits.model_copy(
        update={
            "watched": part.limits.watched.model_copy(update={"value": float(limits.get("watched", 60))}),
        }
    )
    recovered = CLOCK.fromtimestamp(NOW - 60, CLOCK.tzinfo)
    part = part.model_copy(update={"limits": given, "recovered_at": recovered})
    assert await verdict(checks.test_the_recovery_holds, part) == expected
