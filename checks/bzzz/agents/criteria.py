"""Criteria of the agents' API: health, components, UCXI's address checks, task flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown
from systems.bzzz.agents.models import ComponentState
from systems.bzzz.agents.ucxl import MALFORMED

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.bzzz.agents.models import Boundary, Components, Health, Refusal, Repeated, TaskFlow
    from systems.bzzz.limits import BzzzLimits

__all__ = ["data_flows", "every_component_healthy", "handled_once", "malformed_refused", "says_healthy"]

_OK, _CLIENT_ERRORS, _SERVER_ERROR = 200, range(400, 500), 500


def says_healthy(health: Health, *, worse: bool) -> Finding:
    """The API reports itself healthy. `worse` judges unhealthy, otherwise degraded."""
    unhealthy, degraded = health.state is ComponentState.UNHEALTHY, health.state is ComponentState.DEGRADED
    judged = (
        first_of(fail("unhealthy", unhealthy), fine("degraded", degraded), ok="healthy")
        if worse
        else first_of(fail("degraded", degraded), fine("unhealthy", unhealthy), ok="healthy")
    )
    return judged.finding(
        expected="a status that is not unhealthy (degraded is judged by B-API-1b)"
        if worse
        else "status healthy (ok, pass, up)",
        observed=f"/health answered status {health.word!r} with HTTP {health.status}",
        details=() if judged.holds else (health.shown,),
    )


def every_component_healthy(components: Components) -> Finding:
    """Every component's check is healthy, by a status that is known."""
    ill = [c for c in components.components if c.state is not ComponentState.HEALTHY]
    named = ", ".join(f"{c.name} {c.state}" for c in ill)
    observed = (
        f"{len(ill)} of {len(components.components)} components not healthy: {named}"
        if ill
        else f"{len(components.components)} of {components.listed} components healthy: {', '.join(c.name for c in components.components)}"
    )
    strange = [f"status not recognised: {each}" for each in components.strange]
    return first_of(
        fail("component-unhealthy", ill and ill[0].state is ComponentState.UNHEALTHY),
        fail("component-degraded", ill),
        unknown("unexpected-reply", strange or not components.components),
        unknown("part-missing", len(components.components) + len(components.strange) < components.listed),
        ok="all-healthy",
    ).finding(
        expected="every component check healthy",
        observed=observed if ill else "; ".join((observed, *strange)),
        details=(*map(str, ill), *strange),
    )


def _refusal_text(refusal: Refusal) -> str:
    return f"{refusal.address!r} ({refusal.meant}): HTTP {refusal.status} {refusal.code or 'without a UCXL code'}"


def malformed_refused(boundary: Boundary) -> Finding:
    """UCXI refuses every malformed address with HTTP 4xx and a UCXL code, and no well-formed one as malformed."""
    broken = [r for r in (*boundary.malformed, boundary.well_formed) if r.status >= _SERVER_ERROR]
    taken = [r for r in boundary.malformed if r.status not in _CLIENT_ERRORS and r not in broken]
    missing = [r for r in boundary.malformed if r.status == 404]  # noqa: PLR2004 -- HTTP: looked up, so it was accepted
    codeless = [r for r in boundary.malformed if r.status in _CLIENT_ERRORS and not r.code]
    good = boundary.well_formed
    refused = [] if good.status in {_OK, 404} or good in broken else [good]
    unasked = {*MALFORMED.values()} - {r.meant for r in boundary.malformed}
    return first_of(
        fail("malformed-accepted", taken),
        fail("malformed-looked-up", missing),
        fail("refuses-well-formed", refused),
        fail("no-ucxl-code", codeless),
        unknown("server-error", broken),
        unknown("part-missing", unasked),
        ok="refused",
    ).finding(
        expected="every malformed address refused with HTTP 4xx and a UCXL code; a well-formed address that does not exist: 404",
        observed=f"{len(taken) + len(missing)} of {len(boundary.malformed)} malformed addresses accepted, {len(codeless)} refused without a UCXL code, {len(broken)} answered with HTTP 5xx; well-formed address: HTTP {good.status} {good.code}".strip(),
        details=tuple(map(_refusal_text, dict.fromkeys((*taken, *missing, *codeless, *broken, *refused)))),
    )


def data_flows(flow: TaskFlow, limits: BzzzLimits) -> Finding:
    """A task request yields a UCXL address that UCXI resolves to the task's own content."""
    judged = first_of(
        fail("task-refused", flow.refused),
        fail("no-address", not flow.address),
        fail("malformed-address", not flow.well_formed),
        fail("not-resolved", not flow.resolved),
        fail("other-content", not flow.holds_task),
        ok="resolved",
    )
    answer = f"HTTP {flow.status} {flow.code}".strip()
    observed = {
        "task-refused": f"the task request was refused: {' '.join(flow.refused.split())}",
        "no-address": "the reply to the task request holds no UCXL address",
        "malformed-address": f"{flow.address} is not a well-formed UCXL address; UCXI answered {answer}",
        "not-resolved": f"{flow.address} does not resolve: UCXI answered {answer} after {flow.took_s:.1f} s",
        "other-content": f"{flow.address} resolves, but its content does not name the task",
        "resolved": f"{flow.address} resolved {flow.took_s:.2f} s after the request",
    }
    return judged.finding(
        expected="task request → PubSub → coordinator → SLURP → DHT → UCXI resolves its address",
        observed=observed[judged.reason],
        details=(
            f"task {flow.task}: POST /api/tasks answered HTTP {flow.accepted}",
            *(
                ["PubSub and the coordinator accepted the task; SLURP, DHT or UCXI lost it"]
                if flow.address and not flow.resolved
                else []
            ),
        ),
        limits=(limits.task_flow.named("task_flow"),),
    )


def handled_once(repeated: Repeated) -> Finding:
    """The same event sent again is recognised as a duplicate, and changes nothing."""
    return first_of(
        fail("handled-again", repeated.times > 1),
        unknown("not-handled", repeated.times < 1),
        unknown("second-refused", repeated.second == "refused"),
        ok="handled-once",
    ).finding(
        expected="the same event, sent twice, handled once",
        observed=f"handled {repeated.times} time{'' if repeated.times == 1 else 's'}; the second request was answered {repeated.said}",
        details=(f"task {repeated.task}",),
    )
