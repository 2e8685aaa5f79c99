"""Criteria of activity-core's server and of the sweep's definition."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks.statehub.formatting import at, by_reason, signed
from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.observation import Bracketed
    from opsverify.model.verdict import Finding
    from systems.statehub.activity.models import ActivityServer, Definition
    from systems.statehub.section import StateHubLimits

__all__ = ["current", "promised_definition", "same_server", "takes_writes"]
_DEFINITION = ("not-synced", "disabled", "name", "trigger", "timezone", "misfire", "id", "ambiguous")


def promised_definition(definition: Definition) -> Finding:
    """The definition is there once, enabled, and says what the runbook promises."""
    p = definition.promised
    pairs = (
        ("name", definition.name, p.name),
        ("trigger", definition.cron, p.cron),
        ("timezone", definition.timezone, p.timezone),
        ("misfire", definition.misfire, p.misfire),
        ("id", definition.id, p.id),
    )
    troubles = [
        (key, f"{key} is {seen!r}; should be {right!r}") for key, seen, right in pairs if seen != right
    ]
    if definition.found > 1:
        troubles.append(("ambiguous", f"{definition.found} definitions have this id or name"))
    if not definition.enabled:
        troubles.insert(0, ("disabled", "the definition is disabled: nothing is scheduled"))
    if not definition.found:
        troubles = [("not-synced", f"no definition with id {p.id} or name {p.name!r}: the sync did not run")]
    changed = f", last changed {at(definition.changed)}" if definition.changed else ""
    found = by_reason(troubles, _DEFINITION)
    return first_of(*(fail(reason, found[reason]) for reason in _DEFINITION), ok="as-promised").finding(
        expected=f"{p.name!r}, {p.cron} {p.timezone}, misfire {p.misfire}, enabled",
        observed=f"{', '.join(key for key, _ in troubles)} not as promised{changed}"
        if troubles
        else f"as promised{changed}",
        details=(
            *(told for _, told in troubles),
            *([f"trigger: {definition.trigger}"] if definition.found else []),
        ),
    )


def same_server(seen: Bracketed[ActivityServer]) -> Finding:
    """The database server that answered first is the one that answered last."""
    same = seen.first.identity == seen.last.identity
    return first_of(fail("server-replaced", not same), ok="same-server").finding(
        expected="one PostgreSQL (cluster and start) from start to end of the run",
        observed=seen.first.identity if same else f"{seen.first.identity}, then {seen.last.identity}",
    )


def current(server: ActivityServer, limits: StateHubLimits) -> Finding:
    """The database's clock and ours agree, and a standby is not far behind its primary."""
    skew, late = limits.skew.duration, server.behind if server.standby else timedelta(0)
    lag = (
        ""
        if not server.standby
        else ", a standby that has replayed nothing"
        if server.behind is None
        else f", a standby {server.behind.total_seconds():.0f} s behind its primary"
    )
    return first_of(
        fail("clock-skew", not abs(server.ahead) <= skew),
        fail("behind", late is None or not late <= limits.standby.duration),
        unknown("standby-ahead", late is not None and not late >= -skew),
        ok="current",
    ).finding(
        expected=f"its clock within {limits.skew} of ours, a standby within {limits.standby} of its primary",
        observed=f"clock {signed(server.ahead)}{lag}",
        limits=(limits.skew.named("skew"), limits.standby.named("standby")),
    )


def takes_writes(server: ActivityServer) -> Finding:
    """The database takes what activity-core writes: runs that are not written down look like sweeps that stopped."""
    refuses = server.refuses_writes and not server.standby
    return first_of(
        fail("refuses-writes", refuses), fine("standby", server.standby), ok="takes-writes"
    ).finding(
        expected="a database that takes writes (a standby is one to read from)",
        observed="default_transaction_read_only is on for everybody"
        if refuses
        else "a standby"
        if server.standby
        else "transactions may write",
    )
