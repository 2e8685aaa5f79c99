"""Less evidence never looks better: what was red on recorded evidence is not green on less of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from pydantic import ValidationError

from opsverify.verdict import Verdict
from tests.evidence.reasons import ONLY_TROUBLES
from tests.evidence.recording import SYSTEMS, checks_of, judged, limits_of, load, taken
from tests.evidence.weaken import weaken

_MOST = 12


@cache
def better(system: str) -> dict[tuple[str, str], set[str]]:
    """Observation and place → by which check, reason and way less of it turned green what was not."""
    specs = {spec.name: spec for spec in SYSTEMS[system].observations}
    checks, found = checks_of(system), dict[tuple[str, str], set[str]]()
    for case in load(system):
        if case.verdict not in (Verdict.FAIL, Verdict.UNKNOWN):
            continue
        check, limits = checks[case.check], limits_of(system, case.limits)
        seen = {name: taken(specs[name], saved) for name, saved in case.saved.items()}
        for name, saved in case.saved.items():
            if saved["unobservable"]:
                continue
            for weaker in weaken(saved["value"], _MOST):
                try:
                    value = taken(specs[name], {**saved, "value": weaker.value})
                except ValidationError:
                    continue  # no reply can be read as this
                if (
                    judged(check, limits, {**seen, name: replace(seen[name], outcome=value.outcome)}).verdict
                    is Verdict.PASS
                ):
                    found.setdefault((name, weaker.where), set()).add(
                        f"{case.check} {case.verdict} {case.reason} {weaker.how}"
                    )
    return found


@pytest.mark.parametrize("system", SYSTEMS)
def test_less_evidence_never_looks_better(system: str) -> None:
    """Without any one element, at any other time, with any number that is none, nothing red turns green.

    But where an element is the trouble itself: what the server lists only while it is there. Each such place has its reason.
    """
    found = {place: ways for place, ways in better(system).items() if place not in ONLY_TROUBLES}
    assert found == {}, "\n".join(f"{place}: {sorted(ways)[:4]}" for place, ways in sorted(found.items()))


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_exception_is_one(system: str) -> None:
    """A place that is excepted is one where evidence was seen to be the trouble itself."""
    names = {spec.name for spec in SYSTEMS[system].observations}
    excepted = {place for place in ONLY_TROUBLES if place[0] in names}
    assert excepted - better(system).keys() == set()
