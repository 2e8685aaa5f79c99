"""What of an earlier run an observation is compared with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsverify.evidence.baseline import Baseline, earlier_value
from opsverify.evidence.replay import SavedRun
from systems.bzzz.capacity.models import Latency, Percentiles
from systems.bzzz.capacity.observations import dht_latency_before
from tests.unit.reports import report

AT = datetime(2026, 11, 20, tzinfo=UTC)
THEN = Latency(at=AT, window_s=300, operations=(Percentiles(operation="put", p50=0.01, p95=0.02, count=30),))
SAVED: dict[str, Any] = {
    "value": THEN.model_dump(mode="json"),
    "unobservable": None,
    "surfaces": ["prometheus"],
    "observed_at": AT.isoformat(),
    "took": 0.1,
    "source": [],
    "identity": "",
    "backend": "",
    "window": 0,
}
KEY = "ab12"


def earlier(key: str = KEY, **saved: Any) -> Baseline:
    """A run of the target with this key that saved this of its latency."""
    run = SavedRun(
        run={"at": AT.isoformat()}, records={"dht_latency": {**SAVED, **saved}} if saved else {}, whole=True
    )
    return Baseline(Path("reports/one"), report().model_copy(update={"target_key": key}), run)


def test_an_earlier_value_of_the_same_target_is_given_whole() -> None:
    """What was saved then is what is compared with now."""
    assert earlier_value(earlier(took=0.1), dht_latency_before, KEY) == THEN


@pytest.mark.parametrize(
    "run",
    [
        None,
        earlier("cd34", took=0.1),
        earlier("", took=0.1),
        earlier(),
        earlier(unobservable={"kind": "silent", "seen": "no answer"}),
        earlier(value={"at": "soon"}),
    ],
    ids=["no run", "another target", "a target nobody knows", "saved none", "not seen then", "another shape"],
)
def test_what_is_no_earlier_value_is_none(run: Baseline | None) -> None:
    """Another target's latency, and one that was not seen, is nothing to compare with."""
    assert earlier_value(run, dht_latency_before, KEY) is None


def test_only_an_observation_that_asks_for_one_gets_an_earlier_value() -> None:
    """The others are compared with nothing."""
    assert earlier_value(earlier(took=0.1), replace(dht_latency_before, baseline=None), KEY) is None
