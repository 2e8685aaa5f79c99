"""Looks at a target inside this process: the real clients, gatherer, evidence and judge, with short deadlines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from checks.esper import test_infra, test_nissa, test_oona
from fixtures.esper.client import open_esper
from fixtures.esper.observations import OBSERVATIONS
from fixtures.esper.system import ESPER
from fixtures.esper.target import EsperSection
from opsverify.arming import Arming
from opsverify.check import check_of
from opsverify.deadline import seconds
from opsverify.gathering import Gatherer
from opsverify.judge import judge
from opsverify.redaction import Redactor
from opsverify.system import Site

if TYPE_CHECKING:
    from opsverify.check import Check
    from opsverify.observation import Observation, ObservationSpec
    from opsverify.verdict import Outcome

__all__ = ["CHECKS", "LIMITS", "look", "outcomes", "section", "verdicts"]

LIMITS = {"window": 0.2, "settle": 0.3, "canary": 1}
DEADLINE = 1.0


def _checks() -> list[Check]:
    found = []
    for module in (test_infra, test_oona, test_nissa):
        functions = [f for name, f in vars(module).items() if name.startswith("test_")]
        found += [check_of(f) for f in functions]
    return found


CHECKS = {check.id: check for check in _checks()}


def section(redis: str, nissa: str, **more: Any) -> EsperSection:
    """The section of a target with these addresses, and limits that keep a test short."""
    given = {"redis": {"url": redis, **more.pop("login", {})}, "nissa": {"url": nissa}, "limits": LIMITS, "workload": "idle"}
    return EsperSection.model_validate({**given, **more})


async def look(
    part: EsperSection, names: set[str] | None = None, *, deadline: float = DEADLINE
) -> dict[str, Observation[Any]]:
    """Gather the observations called `names` (all of them without it); what was seen must be fit for the journal."""
    site = Site(system=ESPER, section=part, arming=Arming(target="hostile", owned=False))
    specs = [replace(s, deadline=seconds(deadline)) for s in OBSERVATIONS if names is None or s.name in names]
    async with open_esper(part) as client:
        site.client = client
        return await Gatherer({"esper": site}, _saved).gather(specs)


def _saved(spec: ObservationSpec, seen: Observation[Any]) -> None:
    if seen.unobservable is None:
        value = spec.adapter.dump_python(seen.value, mode="json")
        assert spec.adapter.validate_python(json.loads(json.dumps(Redactor({}).data(value)))) is not None


async def outcomes(part: EsperSection, *, deadline: float = DEADLINE) -> dict[str, Outcome]:
    """The outcome of every check, by id."""
    seen: dict[str, Any] = await look(part, deadline=deadline)
    given = {**seen, "limits": part.limits}
    names = {check.id: check.function.__code__.co_varnames[: check.function.__code__.co_argcount] for check in CHECKS.values()}
    return {check.id: judge(check, {n: given[n] for n in names[check.id]}) for check in CHECKS.values()}


async def verdicts(part: EsperSection, *, deadline: float = DEADLINE) -> dict[str, str]:
    """Verdict and reason of every check, by id, as one text each: `UNKNOWN silent`."""
    judged = await outcomes(part, deadline=deadline)
    return {check: f"{outcome.verdict} {outcome.reason}" for check, outcome in judged.items()}
