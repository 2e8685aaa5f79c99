"""A PASS stays PASS without an element of its evidence only where a written reason says why that element did not matter."""

from __future__ import annotations

import re
from functools import cache

import pytest
from pydantic import ValidationError

from opsverify.model.verdict import Verdict
from tests.evidence.recording import SYSTEMS, checks_of, judged, limits_of, load, taken
from tests.evidence.unjudged import UNJUDGED, why_unjudged
from tests.evidence.weaken import weaken

pytestmark = pytest.mark.slow

_MOST = 6
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+:\d+")  # each twin has its own


@cache
def unmissed(system: str) -> frozenset[tuple[str, str]]:
    """Observation and place of all that some way of weakening takes from evidence without any check's noticing."""
    specs, checks = {spec.name: spec for spec in SYSTEMS[system].observations}, checks_of(system)
    noticed: dict[tuple[str, str, str], bool] = {}
    for case in load(system):
        if case.verdict != Verdict.PASS:
            continue
        limits = limits_of(system, case.limits)
        seen = {name: taken(specs[name], saved) for name, saved in case.saved.items()}
        for name, saved in case.saved.items():
            for weaker in weaken(saved["value"], _MOST) if saved["unobservable"] is None else ():
                key = name, _ADDRESS.sub("*", weaker.where), weaker.how
                if noticed.get(key):
                    continue
                try:
                    less = taken(specs[name], {**saved, "value": weaker.value})
                except ValidationError:
                    continue  # no reply can be read as this
                outcome = judged(checks[case.check], limits, {**seen, name: less})
                noticed[key] = outcome.verdict is not Verdict.PASS
    return frozenset(key[:2] for key, turned in noticed.items() if not turned)


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_nobody_misses_has_its_reason(system: str) -> None:
    """Each place without which every check still passes is one that a reason was written for."""
    assert {each for each in unmissed(system) if why_unjudged(*each) is None} == set()


def test_each_reason_is_needed() -> None:
    """A reason for a place that some check misses, or that is no more, goes."""
    used = {why_unjudged(*each) for system in SYSTEMS for each in unmissed(system)}
    assert [row for row in UNJUDGED if row not in used] == []
