"""Criteria of the election and of SLURP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsverify.model.verdict import Finding
    from systems.bzzz.agents.models import NotAnswering
    from systems.bzzz.election.models import Election, ElectionWindow, NodeElection, NodeSlurp, Roles, Slurp
    from systems.bzzz.limits import BzzzLimits

__all__ = [
    "another_admin",
    "heartbeat_fresh",
    "leadership_steady",
    "led_by_the_admin",
    "one_admin",
    "queue_bounded",
]

ADMIN = "admin"
UNREACHABLE = ("refused", "silent", "reset", "server-error", "certificate-expired")
"""Errors of asking a node's agent that are the system's fault: here they are FAIL, not UNKNOWN."""


def _nodes(views: Iterable[NodeElection | NodeSlurp | NotAnswering]) -> set[str]:
    return {each.node for each in views}


def _gone(window: ElectionWindow | Slurp) -> list[str]:
    """The nodes that answered at the beginning of a window, or run an agent, and are missing at its end."""
    answered = _nodes(window.last) | _nodes(window.silent)
    return sorted({*(_nodes(window.first) - answered), *window.running.without(answered)})


def one_admin(election: Election) -> Finding:
    """Every node names the same admin, in the same term."""
    terms = {view.term for view in election.views}
    nobody = [view.node for view in election.views if view.admin is None]
    named = sorted({view.admin for view in election.views if view.admin is not None})
    unseen = election.running.without(_nodes(election.views) | _nodes(election.silent))
    judged = first_of(
        fail("no-admin", election.views and not named),
        fail("two-admins", len(named) > 1),
        *(fail(kind, [s for s in election.silent if s.kind == kind]) for kind in UNREACHABLE),
        fail("admin-not-known", nobody),
        fail("terms-differ", len(terms) > 1),
        fail("stranger", named and named[0] not in {view.node for view in election.views}),
        unknown("part-missing", election.silent or unseen or not election.views),
        ok="one-admin",
    )
    texts = {
        "one-admin": f"{named[0]} in term {min(terms)} on all {len(election.views)} nodes" if named else "",
        "no-admin": "no node names an admin",
        "two-admins": f"{len(named)} admins: {', '.join(named)}",
        "admin-not-known": f"{named[0] if named else ''} is admin, but no admin is known on {', '.join(nobody)}",
        "terms-differ": f"{named[0] if named else ''} is admin, but the nodes are in terms {', '.join(map(str, sorted(terms)))}",
        "stranger": f"admin {named[0] if named else ''} is not among the nodes that answer",
    }
    views = (*map(str, (*election.views, *election.silent)), election.elsewhere, election.roles)
    earlier = [f"first sample: {line}" for line in election.earlier]
    return judged.finding(
        expected="one admin, the same and in the same term on every node",
        observed=texts.get(judged.reason)
        or "; ".join([*map(str, election.silent), *(f"no answer from {node}" for node in unseen)])
        or "no node answered",
        details=tuple(earlier if judged.holds else (*views[:-2], *earlier, *views[-2:])),
    )


def heartbeat_fresh(window: ElectionWindow, limits: BzzzLimits) -> Finding:
    """Every node received a heartbeat of the admin recently."""
    ages = {v.node: (v.at - v.heartbeat).total_seconds() for v in window.last if v.heartbeat}
    never = [v.node for v in window.last if v.heartbeat is None]
    left = _gone(window)
    judged = first_of(
        fail("heartbeat-missing", never),
        fail("heartbeat-old", [age for age in ages.values() if not age <= limits.heartbeat.value]),
        *(fail(kind, [s for s in window.silent if s.kind == kind]) for kind in UNREACHABLE),
        unknown("from-the-future", [age for age in ages.values() if -age > limits.clock_ahead.value]),
        unknown("part-missing", window.silent or left or not window.last),
        ok="fresh",
    )
    heard = [
        *(f"{node} {age:.1f} s ago" for node, age in ages.items()),
        *(f"{node} never" for node in never),
        *(f"{node} no longer answers" for node in left),
        *map(str, window.silent),
    ]
    return judged.finding(
        expected=f"a heartbeat of the admin within {limits.heartbeat} on every node",
        observed=f"newest heartbeat: {', '.join(heard)}" if heard else "no node answered",
        details=() if judged.holds else tuple(map(str, window.last)),
        limits=(limits.heartbeat.named("heartbeat"), limits.clock_ahead.named("clock_ahead")),
    )


def leadership_steady(window: ElectionWindow) -> Finding:
    """Admin and term are the same at both ends of the window."""
    first = {view.node: view for view in window.first}
    moved = [
        (first[v.node], v)
        for v in window.last
        if v.node in first and (first[v.node].admin, first[v.node].term) != (v.admin, v.term)
    ]
    once = sorted({view.node for view in window.first} ^ {view.node for view in window.last})
    changes = [
        *(
            f"{a.node}: {a.admin or 'nobody'} in term {a.term}, then {b.admin or 'nobody'} in term {b.term}"
            for a, b in moved
        ),
        *(f"{node} answered at only one end of the window" for node in once),
    ]
    return first_of(
        fail("flapping", moved), unknown("part-missing", once or not window.last), ok="steady"
    ).finding(
        expected="the same admin and term at the beginning and at the end of the window",
        observed="; ".join(changes)
        or (
            f"admin {window.last[0].admin or 'nobody'} in term {window.last[0].term} throughout"
            if window.last
            else "no node answered"
        ),
        details=(window.changes,) if window.changes else (),
    )


def another_admin(roles: Roles) -> Finding:
    """At least two nodes on which an agent runs may become admin: the admin, and another one."""
    able = [node for node, given in roles.roles.items() if ADMIN in given]
    running = [node for node in able if not roles.running.excuses(node)]
    shown = "; ".join(f"{node}: {', '.join(given) or 'no role'}" for node, given in roles.roles.items())
    return first_of(
        fail("no-candidate", not running),
        fail("no-other-candidate", len(running) == 1),
        unknown("running-not-known", roles.running.nodes is None),
        ok="another-may",
    ).finding(
        expected=f"at least two running nodes with the role {ADMIN} in {roles.config}",
        observed=f"{', '.join(running) or 'none'}; {roles.running}; roles in {roles.config}: {shown}",
    )


def led_by_the_admin(slurp: Slurp) -> Finding:
    """On every node SLURP is led by the admin that the node knows."""
    unled = [v for v in slurp.last if v.leader is None or (v.leader == v.node and not v.leading)]
    another = [
        v
        for v in slurp.last
        if v not in unled
        and (v.leader != slurp.admins.get(v.node, v.leader) or v.leading != (v.leader == v.node))
    ]
    without_admin = [v.node for v in slurp.last if v.node not in slurp.admins]
    left = _gone(slurp)
    wrong = [v for v in slurp.last if v in unled or v in another]
    lines = [
        *(
            f"{v.node}: leader {v.leader or 'nobody'}, {'leading' if v.leading else 'not leading'} itself, admin {slurp.admins.get(v.node) or 'nobody'}"
            for v in wrong
        ),
        *map(str, slurp.silent),
        *(f"{node} did not answer who is admin" for node in without_admin),
        *(f"{node} no longer answers" for node in left),
    ]
    return first_of(
        fail("not-led", unled),
        fail("led-by-another", another),
        *(fail(kind, [s for s in slurp.silent if s.kind == kind]) for kind in UNREACHABLE),
        unknown("part-missing", slurp.silent or without_admin or left or not slurp.last),
        ok="led-by-the-admin",
    ).finding(
        expected="SLURP led by the admin, on every node",
        observed="; ".join(lines) or (f"led by {slurp.last[0].leader}" if slurp.last else "no node answered"),
        details=tuple(map(str, slurp.last)) if wrong else (),
    )


def queue_bounded(slurp: Slurp, limits: BzzzLimits) -> Finding:
    """SLURP's queue is below its bound, and its dead letters are few and do not grow. Silent nodes count only where the
    leader is not among those that answered.
    """
    first = {view.node: view for view in slurp.first}
    full = [v for v in slurp.last if v.backpressure or not v.queue <= limits.slurp_queue.value * v.capacity]
    many = [v for v in slurp.last if not v.dead_letters <= limits.slurp_dead_letters.value]
    growing = [v for v in slurp.last if v.node in first and v.dead_letters > first[v.node].dead_letters]
    once = [v.node for v in slurp.last if v.node not in first]
    left = _gone(slurp)
    late = [
        *(f"{node} did not answer at the beginning of the window" for node in once),
        *(f"{node} no longer answers at its end" for node in left),
    ]
    hidden = slurp.silent if not any(view.leading for view in slurp.last) else ()
    return first_of(
        fail("queue-full", full),
        fail("dead-letters-grow", growing),
        fail("dead-letters", many),
        *(fail(kind, [s for s in hidden if s.kind == kind]) for kind in UNREACHABLE),
        unknown("part-missing", hidden or once or left or not slurp.last),
        ok="bounded",
    ).finding(
        expected=f"queue below {100 * limits.slurp_queue.value:g}% of its capacity; at most {limits.slurp_dead_letters}, and not growing",
        observed="; ".join([*map(str, (*slurp.last, *hidden)), *late]) or "no node answered",
        details=tuple(
            f"{v.node}: {first[v.node].dead_letters} dead letters, then {v.dead_letters}" for v in growing
        ),
        limits=(
            limits.slurp_queue.named("slurp_queue"),
            limits.slurp_dead_letters.named("slurp_dead_letters"),
        ),
    )
