"""What must hold of the election and of SLURP: pure rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.peers import Election, ElectionWindow, NodeSlurp, Roles, Slurp

__all__ = [
    "another_admin",
    "heartbeat_fresh",
    "leadership_steady",
    "led_by_the_admin",
    "one_admin",
    "queue_bounded",
]

ADMIN = "admin"


def one_admin(seen: Election) -> Finding:
    """Every node names the same admin, in the same term."""
    admins = {view.admin for view in seen.views}
    terms = {view.term for view in seen.views}
    nobody = [view.node for view in seen.views if view.admin is None]
    named = sorted(admin for admin in admins if admin is not None)
    reason = (
        str(seen.silent[0].kind)
        if not seen.views
        else "no-admin"
        if not named
        else "two-admins"
        if len(named) > 1
        else str(seen.silent[0].kind)
        if seen.silent
        else "admin-not-known"
        if nobody
        else "terms-differ"
        if len(terms) > 1
        else "stranger"
        if named[0] not in {view.node for view in seen.views}
        else "one-admin"
    )
    holds = reason == "one-admin"
    told = {
        "no-admin": "nobody is admin",
        "two-admins": f"{len(named)} admins: {', '.join(named)}",
        "admin-not-known": f"{named[0] if named else ''} is admin, which {', '.join(nobody)} does not know",
        "terms-differ": f"{named[0] if named else ''} is admin, in terms {', '.join(map(str, sorted(terms)))}",
        "stranger": f"the admin {named[0] if named else ''} is none of the nodes that answer",
    }
    views = tuple(map(str, (*seen.views, *seen.silent)))
    return Finding(
        holds=holds,
        reason=reason,
        expected="one admin, the same and in the same term on every node",
        observed=f"{named[0]} in term {min(terms)}, says each of {len(seen.views)} nodes"
        if holds
        else told.get(reason) or "; ".join(map(str, seen.silent)),
        details=(
            *(() if holds else views),
            *(f"first look: {line}" for line in seen.earlier),
            *(() if holds else (seen.elsewhere, seen.roles)),
        ),
    )


def heartbeat_fresh(seen: ElectionWindow, limits: BzzzLimits) -> Finding:
    """Every node has heard a heartbeat of the admin lately."""
    ages = {v.node: (v.at - v.heartbeat).total_seconds() for v in seen.last if v.heartbeat}
    old = {node: age for node, age in ages.items() if age > limits.heartbeat.value}
    never = [v.node for v in seen.last if v.heartbeat is None]
    holds = not (old or never or seen.silent)
    return Finding(
        holds=holds,
        reason="heartbeat-missing"
        if never
        else "heartbeat-old"
        if old
        else str(seen.silent[0].kind)
        if seen.silent
        else "fresh",
        expected=f"a heartbeat of the admin within {limits.heartbeat} on every node",
        observed=", ".join(
            [
                *(f"{node} {age:.1f} s ago" for node, age in ages.items()),
                *(f"{node} never" for node in never),
                *map(str, seen.silent),
            ]
        ),
        details=() if holds else tuple(map(str, seen.last)),
        limits=(limits.heartbeat.named("heartbeat"),),
    )


def leadership_steady(seen: ElectionWindow) -> Finding:
    """Admin and term are the same at both ends of the window."""
    first = {view.node: view for view in seen.first}
    moved = [
        (first[v.node], v)
        for v in seen.last
        if v.node in first and (first[v.node].admin, first[v.node].term) != (v.admin, v.term)
    ]
    return Finding(
        holds=not moved,
        reason="flapping" if moved else "steady",
        expected="the same admin and term at the beginning and at the end of the window",
        observed="; ".join(
            f"{a.node}: {a.admin or 'nobody'} in term {a.term}, then {b.admin or 'nobody'} in term {b.term}"
            for a, b in moved
        )
        or f"term {seen.last[0].term} all along"
        if seen.last
        else "no node seen",
        details=(seen.changes,) if seen.changes else (),
    )


def another_admin(seen: Roles) -> Finding:
    """At least two nodes on which an agent runs may become admin: the admin, and another one."""
    able = [node for node, roles in seen.roles.items() if ADMIN in roles]
    running = [node for node in able if not seen.running.excuses(node)]
    shown = "; ".join(f"{node}: {', '.join(roles) or 'no role'}" for node, roles in seen.roles.items())
    return Finding(
        holds=len(running) > 1,
        reason="another-may" if len(running) > 1 else "no-other-candidate" if running else "no-candidate",
        expected=f"at least two running nodes with the role {ADMIN} in {seen.config}",
        observed=f"{', '.join(running) or 'none'}; by the configuration {shown}",
        details=(str(seen.running),),
    )


def led_by_the_admin(seen: Slurp) -> Finding:
    """On every node SLURP is led by the admin that the node knows."""
    wrong = [
        view
        for view in seen.last
        if view.leader is None
        or view.leader != seen.admins.get(view.node)
        or view.leading != (view.leader == view.node)
    ]
    reason = (
        str(seen.silent[0].kind)
        if seen.silent and not wrong
        else "led-by-the-admin"
        if not wrong
        else "not-led"
        if any(view.leader is None or (view.leader == view.node and not view.leading) for view in wrong)
        else "led-by-another"
    )
    told = [
        f"{v.node}: led by {v.leader or 'nobody'}{'' if v.leading else ', not by itself'}, admin is {seen.admins.get(v.node) or 'nobody'}"
        for v in wrong
    ]
    return Finding(
        holds=not (wrong or seen.silent),
        reason=reason,
        expected="SLURP led by the admin, on every node",
        observed="; ".join([*told, *map(str, seen.silent)]) or f"led by {seen.last[0].leader}",
        details=tuple(map(str, seen.last)) if wrong else (),
    )


def queue_bounded(seen: Slurp, limits: BzzzLimits) -> Finding:
    """SLURP's queue is below its bound, and its dead letters are few and do not grow. The leader's own view has to be
    among those that were seen, where it is a node that does not answer.
    """
    first = {view.node: view for view in seen.first}
    full = [v for v in seen.last if v.backpressure or v.queue > limits.slurp_queue.value * v.capacity]
    many = [v for v in seen.last if v.dead_letters > limits.slurp_dead_letters.value]
    growing = [v for v in seen.last if v.dead_letters > _before(first, v).dead_letters]
    hidden = seen.silent if not any(view.leading for view in seen.last) else ()
    reason = (
        "queue-full"
        if full
        else "dead-letters-grow"
        if growing
        else "dead-letters"
        if many
        else str(hidden[0].kind)
        if hidden
        else "bounded"
    )
    return Finding(
        holds=reason == "bounded",
        reason=reason,
        expected=f"a queue below {limits.slurp_queue.value:.0%} of its bound; at most {limits.slurp_dead_letters}, and not more of them than before",
        observed="; ".join(map(str, (*seen.last, *hidden))),
        details=tuple(
            f"{v.node}: {_before(first, v).dead_letters} dead letters, then {v.dead_letters}" for v in growing
        ),
        limits=(
            limits.slurp_queue.named("slurp_queue"),
            limits.slurp_dead_letters.named("slurp_dead_letters"),
        ),
    )


def _before(first: dict[str, NodeSlurp], view: NodeSlurp) -> NodeSlurp:
    return first.get(view.node, view)
