"""Recorded evidence, check by check: what a check was judged from, once for each verdict and reason that it ever had."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.judge import judge
from systems.bzzz.system import BZZZ
from systems.esper.system import ESPER
from systems.statehub.system import STATEHUB
from tests.detection.parts import PARTS
from tests.detection.recordings import HEALTHY, load_all, stale, taken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opsverify.model.check import Check
    from opsverify.model.limits import Limits
    from opsverify.model.observation import Observation
    from opsverify.model.system import System
    from opsverify.model.verdict import Outcome

__all__ = ["SYSTEMS", "Case", "checks_of", "judged", "limits_of", "load", "taken"]

_SHOWN = 5
SYSTEMS: Mapping[str, System] = {"bzzz": BZZZ, "esper": ESPER, "statehub": STATEHUB}


@dataclass(frozen=True, slots=True)
class Case:
    """A check with the limits and the saved observations that it was judged from, and what came of it.

    `saved` has for each observation its saved value (JSON), why there is none (kind and text), when, its window in seconds,
    and the replies that it was read from, where they came by HTTP or from Redis. `section` is the target's, as its file has it.
    """

    check: str
    verdict: str
    reason: str
    limits: Mapping[str, float]
    saved: Mapping[str, Mapping[str, Any]]
    section: Mapping[str, Any]


def checks_of(system: str) -> Mapping[str, Check]:
    """Every check of a system but its drills, by id."""
    return PARTS[system].checks


def limits_of(system: str, values: Mapping[str, float]) -> Limits:
    """The system's table of limits with these values."""
    table: type[Limits] = SYSTEMS[system].section.model_fields["limits"].annotation  # type: ignore[assignment]
    return table.model_validate({k: v for k, v in values.items() if k in table.model_fields})


def judged(check: Check, limits: Limits, seen: Mapping[str, Observation[Any]]) -> Outcome:
    """The outcome of a check on these observations."""
    return judge(check, {name: limits if name == "limits" else seen[name] for name in check.asks})


def load(system: str) -> tuple[Case, ...]:
    """One case for each check, verdict and reason that any recording of a system has; of several the first, in health first.

    Skips where a recording is stale: what it would have shown is not known.
    """
    part = PARTS[system]
    old = [fault.name if fault else HEALTHY for fault in (None, *part.faults) if stale(part, fault)]
    if old:
        shown = ", ".join(old[:_SHOWN])
        pytest.skip(f"{len(old)} recordings are stale ({shown}); tox run -e detection -- --stale")
    return _load(system)


@cache
def _load(system: str) -> tuple[Case, ...]:
    return tuple(sorted(_cases(system), key=lambda case: (case.check, case.verdict, case.reason)))


def _cases(system: str) -> Iterator[Case]:
    part, met = PARTS[system], set[tuple[str, str, str]]()
    limits = {name: limit.value for name, limit in part.limits_now}
    for recording in sorted(load_all(part), key=lambda each: each.name != HEALTHY):
        for check, outcome in recording.outcomes.items():
            key = check, outcome.verdict.value, outcome.reason
            if key in met or outcome.verdict.value == "SKIP":
                continue
            met.add(key)
            saved = {name: recording.all_saved[name] for name in part.checks[check].asks if name != "limits"}
            yield Case(*key, limits=limits, saved=saved, section=recording.section)
