"""What must hold of BZZZ's own health and of UCXI's boundary: pure rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixtures.bzzz.seen.api import State
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.api import Boundary, Components, Health, Refusal, Repeated, TaskFlow

__all__ = ["data_flows", "every_component_healthy", "handled_once", "malformed_refused", "says_healthy"]

_OK, _CLIENT_ERRORS = 200, range(400, 500)


def says_healthy(health: Health, *, worse: bool) -> Finding:
    """The API calls itself healthy. `worse` judges unhealthy, otherwise degraded."""
    fails = health.state is (State.UNHEALTHY if worse else State.DEGRADED)
    return Finding(
        holds=not fails,
        reason=str(health.state),
        expected="status healthy (ok, pass, up)"
        if not worse
        else "a status that is not unhealthy (degraded is judged by B-API-1b)",
        observed=f"status {health.word!r} with HTTP {health.status}",
        details=(health.shown,) if fails else (),
    )


def every_component_healthy(seen: Components) -> Finding:
    """Every component's check is healthy, and says so in words that are known."""
    ill = [c for c in seen.components if c.state is not State.HEALTHY]
    named = ", ".join(f"{c.name} {c.state}" for c in ill)
    return Finding(
        holds=not ill,
        reason=f"component-{ill[0].state}" if ill else "all-healthy",
        expected="every component check healthy",
        observed=f"{named} of {len(seen.components)} components"
        if ill
        else f"{len(seen.components)} components healthy: {', '.join(c.name for c in seen.components)}",
        details=(*map(str, ill), *(f"not understood: {each}" for each in seen.strange)),
    )


def _told(refusal: Refusal) -> str:
    return f"{refusal.meant}: HTTP {refusal.status} {refusal.code or 'without a UCXL code'}, for {refusal.address!r}"


def malformed_refused(seen: Boundary) -> Finding:
    """UCXI refuses every malformed address with the 400 family and a UCXL code, and no well-formed one as malformed."""
    taken = [r for r in seen.malformed if r.status not in _CLIENT_ERRORS]
    missing = [r for r in seen.malformed if r.status == 404]  # noqa: PLR2004 -- HTTP: looked up, so it was let in
    codeless = [r for r in seen.malformed if r.status in _CLIENT_ERRORS and not r.code]
    good = seen.well_formed
    refused_all = good.status not in {_OK, 404}
    reasons = [
        *(["malformed-accepted"] if taken else []),
        *(["malformed-looked-up"] if missing and not taken else []),
        *(["refuses-well-formed"] if refused_all else []),
        *(["no-ucxl-code"] if codeless else []),
    ]
    return Finding(
        holds=not reasons,
        reason=reasons[0] if reasons else "refused",
        expected="every malformed address refused with the 400 family and a UCXL code; a well-formed one that names nothing: 404",
        observed=f"{len(taken) + len(missing)} of {len(seen.malformed)} malformed addresses let in, {len(codeless)} refused without a UCXL code; well-formed: HTTP {good.status} {good.code}",
        details=tuple(map(_told, (*taken, *missing, *codeless, *([good] if refused_all else [])))),
    )


def data_flows(flow: TaskFlow, limits: BzzzLimits) -> Finding:
    """A task request comes out as content under a UCXL address that UCXI resolves, and that is its own."""
    reasons = [
        *(["task-refused"] if flow.refused else []),
        *(["no-address"] if not flow.refused and not flow.address else []),
        *(["malformed-address"] if flow.address and not flow.well_formed else []),
        *(["not-resolved"] if flow.address and not flow.resolved else []),
        *(["other-content"] if flow.resolved and not flow.holds_task else []),
    ]
    return Finding(
        holds=not reasons,
        reason=reasons[0] if reasons else "resolved",
        expected="task request → PubSub → coordinator → SLURP → DHT → UCXI resolves its address",
        observed=f"resolved {flow.took_s:.2f} s after the request: {flow.address}"
        if not reasons
        else flow.refused
        or f"{flow.address or 'no address'}: HTTP {flow.status} {flow.code} after {flow.took_s:.1f} s",
        details=(
            f"task {flow.task}: HTTP {flow.accepted}",
            *(
                ["taken by PubSub and the coordinator; then SLURP, DHT or UCXI lost it"]
                if flow.address and not flow.resolved
                else []
            ),
        ),
        limits=(limits.task_flow.named("task_flow"),),
    )


def handled_once(seen: Repeated) -> Finding:
    """The same event sent again is recognised, and changes nothing."""
    again = seen.times > 1
    return Finding(
        holds=not again,
        reason="handled-again" if again else "handled-once",
        expected="the same event, sent twice, handled once",
        observed=f"handled {seen.times} times; the second request: {seen.said}",
        details=(f"task {seen.task}",),
    )
