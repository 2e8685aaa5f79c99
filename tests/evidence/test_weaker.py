"""Less evidence never looks better: what was red on recorded evidence is not green on less of it."""

from __future__ import annotations

from functools import cache

import pytest
from pydantic import ValidationError

from opsverify.model.verdict import Verdict
from tests.evidence.reasons import UNNOTICED, reason_for
from tests.evidence.recording import SYSTEMS, Case, checks_of, judged, limits_of, load, taken
from tests.evidence.weaken import ANOTHERS, weaken

pytestmark = pytest.mark.slow

_MOST = 6


@cache
def better(system: str) -> dict[tuple[str, str], set[str]]:
    """Observation and place → by which check, reason and way less of it turned green what was not."""
    specs = {spec.name: spec for spec in SYSTEMS[system].observations}
    checks, found = checks_of(system), dict[tuple[str, str], set[str]]()
    # Several checks were judged from one observation: it is weakened once for all of them.
    judged_from: dict[tuple[str, int], list[Case]] = {}
    for case in load(system):
        if case.verdict in (Verdict.FAIL, Verdict.UNKNOWN):
            for name, saved in case.saved.items():
                judged_from.setdefault((name, id(saved)), []).append(case)
    for (name, _), cases in judged_from.items():
        saved = cases[0].saved[name]
        if saved["unobservable"]:
            continue
        rest = [
            (case, limits_of(system, case.limits), {n: taken(specs[n], s) for n, s in case.saved.items()})
            for case in cases
        ]
        for weaker in weaken(saved["value"], _MOST):
            try:
                less = taken(specs[name], {**saved, "value": weaker.value})
            except ValidationError:
                continue  # no reply can be read as this
            for case, limits, seen in rest:
                outcome = judged(checks[case.check], limits, {**seen, name: less})
                if outcome.verdict is Verdict.PASS and not outcome.reason.endswith(ANOTHERS):
                    found.setdefault((name, weaker.where), set()).add(
                        f"{case.check} {case.verdict} {case.reason} {weaker.how}"
                    )
    return found


@pytest.mark.parametrize("system", SYSTEMS)
def test_less_evidence_never_looks_better(system: str) -> None:
    """Without any one element, at any other time, with any number that is none, nothing red turns green.

    But where nobody could tell from what is left; each such place has its reason.
    """
    found = {place: ways for place, ways in better(system).items() if not reason_for(*place, UNNOTICED)}
    assert found == {}, "\n".join(f"{place}: {sorted(ways)[:4]}" for place, ways in sorted(found.items()))


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_exception_is_one(system: str) -> None:
    """A place that has a reason is one where less evidence was seen to look better."""
    names = {spec.name for spec in SYSTEMS[system].observations}
    excepted = {place for place in UNNOTICED if place[0] in names}
    assert excepted - {reason_for(*place, UNNOTICED) for place in better(system)} == set()
