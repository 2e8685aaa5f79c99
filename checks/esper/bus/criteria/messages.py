"""What must hold of the messages on the Oona bus: they decode and are signed alike, and one of our own is counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.bus.models import NewestEntries
    from systems.esper.limits import EsperLimits
    from systems.esper.nissa.models import CanaryRun

__all__ = ["canary_counted", "decodes"]

_PROBLEMS = (
    "signature-wrong",
    "signature-missing",
    "not-an-envelope",
    "undecodable",
    "unknown-type",
    "no-payload",
)
"""What can be wrong with an entry (systems/esper/bus/entries.py), the worst first."""


def decodes(newest: NewestEntries) -> Finding:
    """Every one of the newest entries is a bus envelope of a known type, signed as the others are."""
    bad, signed, unsigned, details = Counter[str](), 0, 0, list(newest.missing)
    unread = [name for name in newest.names if name not in newest.streams]
    short = [name for name, count in newest.counts.items() if len(newest.streams.get(name, ())) < count]
    for stream, entries in newest.streams.items():
        kinds = Counter(e.decoded.message_type or "?" for e in entries)
        details.append(
            f"{stream}: {len(entries)} newest: {', '.join(f'{n} {k}' for k, n in sorted(kinds.items())) or 'empty'}"
        )
        for entry in entries:
            signed += entry.decoded.signature != "missing"
            unsigned += entry.decoded.signature == "missing"
            if entry.decoded.problem:
                bad[entry.decoded.problem] += 1
                details.insert(0, f"{stream} {entry.id}: {entry.decoded.problem}: {entry.decoded.detail}")
    mixed = bool(signed and unsigned)
    if mixed and not bad:
        details.insert(
            0,
            f"{signed} signed and {unsigned} unsigned: some program has no secret, and a verifying consumer refuses its messages",
        )
    how = (
        "signatures verified"
        if newest.verified
        else f"{'signed, not verified: the target has no secret' if signed else 'unsigned'}"
    )
    return first_of(
        *(fail(problem, problem in bad) for problem in _PROBLEMS),
        fail("signatures-mixed", mixed),
        unknown("stream-missing", newest.missing or unread),
        unknown("part-missing", short),
        unknown("no-entries", not signed + unsigned),
        ok="decodes",
    ).finding(
        expected="every newest entry decodes, is of a known type, and verifies",
        observed=", ".join(f"{n} {k}" for k, n in bad.items())
        or ("signatures mixed" if mixed else f"{signed + unsigned} entries decode, {how}"),
        details=tuple(details),
    )


def canary_counted(run: CanaryRun, limits: EsperLimits) -> Finding:
    """The canary was delivered to Nissa's group, acknowledged, and counted by Nissa."""
    judged = first_of(
        fail("refused", run.refused),
        fail("not-delivered", not run.delivered),
        fail("not-acknowledged", not run.acknowledged),
        fail("not-counted", not run.counted),
        ok="counted",
    )
    told = {
        "refused": f"the bus refused it: {run.refused}",
        "not-delivered": "published, never delivered to the groups that read telemetry",
        "not-acknowledged": "delivered, never acknowledged",
        "not-counted": "acknowledged, never counted by Nissa",
    }.get(judged.reason, "counted")
    return judged.finding(
        expected=f"published, delivered, acknowledged and counted within {limits.canary}",
        observed=f"{told} after {run.waited_s:.1f} s",
        limits=(limits.canary.named("canary"),),
        details=(
            f"packet {run.packet}, entry {run.entry or 'none'}, {'signed' if run.signed else 'unsigned'}; left behind: {run.left_behind}",
        ),
    )
