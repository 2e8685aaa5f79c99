"""Looks at a target inside this process: the real clients, gatherer, evidence and judge, with short deadlines."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opsverify.evidence.redaction import Redactor
from opsverify.model.arming import Arming
from opsverify.model.deadline import seconds
from opsverify.model.judge import judge
from opsverify.model.observation import ErrorKind
from opsverify.run.look import connected, observe
from systems.esper.section import EsperSection
from systems.esper.system import ESPER
from tests.declared import checks_declared

if TYPE_CHECKING:
    from opsverify.model.check import Check
    from opsverify.model.observation import Observation, ObservationSpec
    from opsverify.model.verdict import Outcome

__all__ = ["CHECKS", "LIMITS", "checks_of", "down", "look", "outcomes", "section", "verdicts"]

LIMITS = {"window": 0.05, "settle": 0.2, "canary": 1}
PATIENT = 12.0


CHECKS = {check.id: check for check in checks_declared("esper").values() if not check.drill}
_SPECS = {spec.name: spec for spec in ESPER.observations}


def _asks(check: Check) -> list[str]:
    return list(inspect.signature(check.function).parameters)


def checks_of(surface: str) -> set[str]:
    """The checks that ask this surface, but for those that act on it."""
    specs = {check.id: [_SPECS[name] for name in _asks(check) if name in _SPECS] for check in CHECKS.values()}
    return {
        check
        for check, asked in specs.items()
        if any(surface in spec.surfaces for spec in asked) and not any(spec.active for spec in asked)
    }


def down(surface: str, kind: ErrorKind) -> dict[str, str]:
    """What every check that asks this surface says where it cannot be observed for this reason."""

    def verdict(check: Check) -> str:
        return "FAIL" if check.unreachable == "fail" and kind.unreachable else "UNKNOWN"

    # The other surfaces are not part of a hostile site; a check that also needs one of them is not judged there.
    elsewhere = {
        check
        for other in set(EsperSection.surfaces) - {"redis", "nissa", surface}
        for check in checks_of(other)
    }
    return {check: f"{verdict(CHECKS[check])} {kind}" for check in checks_of(surface) - elsewhere}


def section(redis: str, nissa: str, **more: Any) -> EsperSection:
    """The section of a target with these addresses, and limits that keep a test short."""
    given = {
        "redis": {"url": redis, **more.pop("login", {})},
        "nissa": {"url": nissa},
        "limits": LIMITS,
        "workload": "idle",
    }
    others = dict.fromkeys(
        set(EsperSection.surfaces) - {"redis", "nissa"} - more.keys(), "not part of this test"
    )
    return EsperSection.model_validate({**given, "absent": others, **more})


async def look(
    part: EsperSection, names: set[str] | None = None, *, deadline: float = PATIENT
) -> dict[str, Observation[Any]]:
    """Gather the observations called `names` (all of them without it); what was seen must be fit for the journal."""
    specs = [
        replace(s, deadline=seconds(deadline)) for s in ESPER.observations if names is None or s.name in names
    ]
    async with connected(ESPER, part, arming=Arming(target="hostile", owned=False)) as site:
        return await observe(site, specs, on_done=_saved)


def _saved(spec: ObservationSpec, seen: Observation[Any]) -> None:
    if seen.unobservable is None:
        value = spec.adapter.dump_python(seen.value, mode="json")
        assert spec.adapter.validate_python(json.loads(json.dumps(Redactor({}).data(value)))) is not None


def _within(check: Check, part: EsperSection) -> bool:
    """Whether the section configures every surface that the check asks."""
    surfaces = {s for name in _asks(check) if name in _SPECS for s in _SPECS[name].surfaces}
    return surfaces <= part.addresses().keys()


async def outcomes(part: EsperSection, *, deadline: float = PATIENT) -> dict[str, Outcome]:
    """The outcome of every check of the surfaces that the section configures, by id."""
    checks = [check for check in CHECKS.values() if _within(check, part)]
    asked = {name for check in checks for name in _asks(check)}
    given: dict[str, Any] = {**await look(part, asked, deadline=deadline), "limits": part.limits}
    return {check.id: judge(check, {name: given[name] for name in _asks(check)}) for check in checks}


async def verdicts(part: EsperSection, *, deadline: float = PATIENT) -> dict[str, str]:
    """Verdict and reason of every check, by id, as one text each: `UNKNOWN silent`."""
    judged = await outcomes(part, deadline=deadline)
    return {check: f"{outcome.verdict} {outcome.reason}" for check, outcome in judged.items()}
