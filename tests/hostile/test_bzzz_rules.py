"""What the checks say of BZZZ's rules where they lack, fail or are late, and of a Prometheus that does not serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.alerting import test_alerting
from checks.bzzz.monitoring import test_monitoring as checks
from opsverify.model.deadline import seconds
from opsverify.servers.process import LOOPBACK, free_port
from systems.bzzz.alerting import observations as alerting
from tests.hostile.bzzz_looking import DEADLINE, PATIENT, outcome, section, verdict
from tests.hostile.bzzz_watchers import (
    NEEDED,
    ago,
    data,
    prometheus,
    rule,
    rules,
    watched,
)
from tests.hostile.servers import ESCAPES, Act, Play, closes, page, resets, silent
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.servers import Stage

UNEXPECTED, NOT_DUE, DENIED = "UNKNOWN unexpected-reply", "UNKNOWN rules-not-due", "UNKNOWN denied"


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
    case({"rules": rules(*needed(**NEVER)), "status/runtimeinfo": JUST_NOW}, NOT_DUE, id="one not yet"),
    case(
        {"rules": rules(*needed(**NEVER, state="unknown")), "status/runtimeinfo": JUST_NOW},
        NOT_DUE,
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
    judged = await outcome(
        test_alerting.test_nothing_fires_and_alerting_works, watched(stage, prometheus(given))
    )
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
    deadline = DEADLINE if kind == "silent" else PATIENT
    for check in values:
        assert await verdict(check, part, deadline=deadline) == f"UNKNOWN {kind}"
    assert (
        await verdict(test_alerting.test_nothing_fires_and_alerting_works, part, deadline=deadline)
        == f"FAIL {kind}"
    )
