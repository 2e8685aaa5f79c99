"""Looks at a BZZZ inside this process: the real clients, gatherer and judge, with short deadlines."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from opsverify.evidence.redaction import Redactor
from opsverify.model.arming import Arming
from opsverify.model.check import check_of
from opsverify.model.deadline import seconds
from opsverify.run.look import connected, judged, observe
from systems.bzzz.section import BzzzSection
from systems.bzzz.system import BZZZ

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsverify.model.observation import Observation, ObservationSpec
    from opsverify.model.verdict import Outcome

__all__ = [
    "DEADLINE",
    "LIMITS",
    "PATIENT",
    "outcome",
    "patient_outcome",
    "patient_verdict",
    "section",
    "verdict",
]

DEADLINE, PATIENT = 1.5, 12.0
"""Seconds until what does not answer is silent; and for what is no silence, on a machine that may be loaded."""
LIMITS = {"confirm": 0.1, "peers_window": 0.05, "bootstrap_hold": 0.3, "peers": 0}


def section(**given: Any) -> BzzzSection:
    """The section of a target with these surfaces and no others."""
    absent = dict.fromkeys(set(BzzzSection.surfaces) - given.keys(), "not part of this test")
    return BzzzSection.model_validate({"limits": LIMITS, "absent": absent, **given})


async def outcome(
    check: Callable[..., None], part: BzzzSection, *, owned: bool = False, deadline: float = PATIENT
) -> Outcome:
    """What a check concludes of this target, where every action is armed if it is `owned`, and none otherwise; what was
    seen must be fit for the journal.
    """
    asked = list(inspect.signature(check).parameters)
    specs = [replace(spec, deadline=seconds(deadline)) for spec in BZZZ.observations if spec.name in asked]
    async with connected(BZZZ, part, arming=Arming(target="hostile", owned=owned)) as site:
        seen = await observe(site, specs, on_done=_saved)
    declared = check_of(check)
    return judged([declared], seen, part.limits)[declared.id]


async def verdict(
    check: Callable[..., None], part: BzzzSection, *, owned: bool = False, deadline: float = PATIENT
) -> str:
    """Its verdict and reason as one text: `UNKNOWN silent`."""
    concluded = await outcome(check, part, owned=owned, deadline=deadline)
    return f"{concluded.verdict} {concluded.reason}"


patient_outcome, patient_verdict = partial(outcome, deadline=PATIENT), partial(verdict, deadline=PATIENT)


def _saved(spec: ObservationSpec, seen: Observation[Any]) -> None:
    if seen.unobservable is None:
        value = spec.adapter.dump_python(seen.value, mode="json")
        assert spec.adapter.validate_python(json.loads(json.dumps(Redactor({}).data(value)))) is not None
