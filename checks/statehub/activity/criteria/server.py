"""Criteria of activity-core's PostgreSQL server, and of the sweep's definition in it."""

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
    """The definition exists once, is enabled, and has the fields that the runbook promises."""
    p = definition.promised
    pairs = (
        ("name", definition.name, p.name),
        ("trigger", definition.cron, p.cron),
        ("timezone", definition.timezone, p.timezone),
        ("misfire", definition.misfire, p.misfire),
        ("id", definition.id, p.id),
    )
    troubles = [
        (key, f"{key} is {value!r}, expected {right!r}") for key, value, right in pairs if value != right
    ]
    if definition.found > 1:
        troubles.append(("ambiguous", f"{definition.found} definitions have this id or name"))
    if not definition.enabled:
        troubles.insert(0, ("disabled", "the definition is disabled (enabled = false): nothing is scheduled"))
    if not definition.found:
        troubles = [
            ("not-synced", f"no definition with id {p.id} or name {p.name!r}: the sync job did not write it")
        ]
    changed = f", last changed {at(definition.changed)}" if definition.changed else ""
    problems = by_reason(troubles, _DEFINITION)
    return first_of(*(fail(reason, problems[reason]) for reason in _DEFINITION), ok="as-promised").finding(
        expected=f"{p.name!r}, {p.cron} {p.timezone}, misfire {p.misfire}, enabled",
        observed=f"{troubles[0][1] if troubles else 'as promised'}{changed}",
        details=(
            *(text for _, text in troubles[1:]),
            *([f"trigger: {definition.trigger}"] if definition.found else []),
        ),
    )


def same_server(servers: Bracketed[ActivityServer]) -> Finding:
    """The database server that answered first is the one that answered last."""
    same = servers.first.identity == servers.last.identity
    return first_of(fail("server-replaced", not same), ok="same-server").finding(
        expected="the same PostgreSQL server (system_identifier, start time) from start to end of the run",
        observed=servers.first.identity
        if same
        else f"{servers.first.identity}, then {servers.last.identity}",
    )


def current(server: ActivityServer, limits: StateHubLimits) -> Finding:
    """The database's clock and ours agree, and a standby is not far behind its primary."""
    skew, late = limits.skew.duration, server.behind if server.standby else timedelta(0)
    lag = (
        ""
        if not server.standby
        else ", standby without any replayed transaction"
        if server.behind is None
        else f", standby {server.behind.total_seconds():.0f} s behind its primary"
    )
    return first_of(
        fail("clock-skew", not abs(server.ahead) <= skew),
        fail("behind", late is None or not late <= limits.standby.duration),
        unknown("standby-ahead", late is not None and not late >= -skew),
        ok="current",
    ).finding(
        expected=f"database clock within {limits.skew} of ours; a standby at most {limits.standby} behind its primary",
        observed=f"database clock {signed(server.ahead)} against ours{lag}",
        limits=(limits.skew.named("skew"), limits.standby.named("standby")),
    )


def takes_writes(server: ActivityServer) -> Finding:
    """The database accepts writes: runs that activity-core cannot record look like sweeps that stopped."""
    refuses = server.refuses_writes and not server.standby
    return first_of(
        fail("refuses-writes", refuses), fine("standby", server.standby), ok="takes-writes"
    ).finding(
        expected="a database that accepts writes (a standby is read-only)",
        observed="default_transaction_read_only is on for all roles"
        if refuses
        else "standby, read-only"
        if server.standby
        else "default_transaction_read_only is not on for all roles",
    )
