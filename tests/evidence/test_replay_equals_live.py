"""Judging saved evidence says the same as judging live, with whatever limits."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsverify.model.limits import Window
from tests.evidence.recording import SYSTEMS, Case, checks_of, judged, limits_of, load, taken

if TYPE_CHECKING:
    from opsverify.model.limits import Limits
    from opsverify.model.observation import Observation

_FACTORS = st.sampled_from((0.0, 0.01, 0.5, 0.999, 1.0, 1.001, 2.0, 100.0))


@cache
def cases(system: str) -> list[tuple[Case, dict[str, Observation[Any]], Limits]]:
    """Every recorded case with what was observed and its limits."""
    specs = {spec.name: spec for spec in SYSTEMS[system].observations}
    return [
        (
            case,
            {name: taken(specs[name], saved) for name, saved in case.saved.items()},
            limits_of(system, case.limits),
        )
        for case in load(system)
    ]


@pytest.mark.parametrize("system", SYSTEMS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_replay_says_what_the_live_run_says(system: str, data: st.DataObject) -> None:
    """Verdict, reason and every finding are the same from a value as from what the journal keeps of it."""
    specs, checks = {spec.name: spec for spec in SYSTEMS[system].observations}, checks_of(system)
    case, live, limits = data.draw(st.sampled_from(cases(system)))
    thresholds = {
        name: limit
        for name in type(limits).model_fields
        if not isinstance(limit := getattr(limits, name), Window)
    }
    chosen = data.draw(st.dictionaries(st.sampled_from(sorted(thresholds)), _FACTORS, max_size=8))
    changed = {
        name: thresholds[name].model_copy(update={"value": thresholds[name].value * factor})
        for name, factor in chosen.items()
    }
    given_ = limits.model_copy(update=changed)
    saved = {
        name: {
            **case.saved[name],
            "value": None
            if seen.unobservable
            else json.loads(json.dumps(specs[name].adapter.dump_python(seen.value, mode="json"))),
        }
        for name, seen in live.items()
    }
    again = {name: taken(specs[name], each) for name, each in saved.items()}
    assert judged(checks[case.check], given_, again) == judged(checks[case.check], given_, live)
