"""Readiness of a twin that this run started: its steady state holds, as its own checks judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.deadline import DeadlinePassed, eventually, seconds
from opsverify.model.verdict import Verdict, deciding
from opsverify.run.look import judged, observe

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta

    from opsverify.model.check import Check
    from opsverify.model.limits import Limits
    from opsverify.model.observation import ObservationSpec
    from opsverify.model.system import Site
    from opsverify.model.verdict import Outcome

__all__ = ["await_steady"]

_EVERY = seconds(0.25)


async def await_steady(site: Site, checks: Collection[Check], *, limits: Limits, within: timedelta) -> str:
    """Observe a connected twin until none of `checks` is red; returns "", or the red checks seen last when `within` is over.

    Active observations are left out, and nothing is kept as evidence: the run observes again afterwards.
    """
    specs = {spec.name: spec for spec in site.system.observations if not spec.active}
    judgeable = [check for check in checks if specs.keys() | {"limits"} >= set(check.asks)]
    needed = [spec for name, spec in specs.items() if any(name in check.asks for check in judgeable)]

    async def look() -> dict[str, Outcome]:
        return await _red_checks(site, judgeable, needed, limits)

    try:
        await eventually(
            look,
            lambda red: not red,
            expected="its steady state",
            within=within,
            every=_EVERY,
            shown=_red_text,
        )
    except DeadlinePassed as passed:
        return str(passed)
    return ""


async def _red_checks(
    site: Site, checks: Collection[Check], specs: Collection[ObservationSpec], limits: Limits
) -> dict[str, Outcome]:
    """What is red in one look, by check id."""
    outcomes = judged(checks, await observe(site, specs), limits)
    return {name: one for name, one in outcomes.items() if one.verdict in (Verdict.FAIL, Verdict.UNKNOWN)}


def _red_text(red: dict[str, Outcome]) -> str:
    lines = []
    for check, outcome in sorted(red.items()):
        finding = deciding(outcome.findings)
        lines.append(
            f"{check} {outcome.verdict} {outcome.reason}: {finding.observed if finding else outcome.explanation}"
        )
    return "; ".join(lines)
