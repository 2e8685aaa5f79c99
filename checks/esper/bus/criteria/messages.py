"""Criteria of the messages on the Oona bus: decoding, signatures, and the canary message."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.bus.models import NewestEntries
    from systems.esper.limits import EsperLimits
    from systems.esper.nissa.models import CanaryMessage

__all__ = ["canary_counted", "decodes"]

_PROBLEMS = (
    "signature-wrong",
    "signature-missing",
    "not-an-envelope",
    "undecodable",
    "unknown-type",
    "no-payload",
)
"""Problems of an entry (systems/esper/bus/entries.py), the worst first."""


def decodes(newest: NewestEntries) -> Finding:
    """Every one of the newest entries is a bus envelope of a known type, signed as the others are."""
    bad, signed, unsigned, details = Counter[str](), 0, 0, list(newest.missing)
    unread = [name for name in newest.names if name not in newest.streams]
    short = [name for name, count in newest.counts.items() if len(newest.streams.get(name, ())) < count]
    for stream, entries in newest.streams.items():
        kinds = Counter(e.decoded.message_type or "?" for e in entries)
        details.append(
            f"{stream}: newest {len(entries)} entries: {', '.join(f'{n} {k}' for k, n in sorted(kinds.items())) or 'none'}"
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
            f"{signed} entries signed, {unsigned} unsigned: a producer runs without ESPER_LEYLINE_SECRET, and consumers that verify reject its messages",
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
        expected="every newest entry decodes, has a known message type, and is signed like the others (verified if the target has the secret)",
        observed=f"of {signed + unsigned} newest entries {', '.join(f'{n} {k}' for k, n in bad.items())}"
        if bad
        else f"{signed} entries signed, {unsigned} unsigned"
        if mixed
        else f"{signed + unsigned} newest entries decode, {how}",
        details=tuple(details),
    )


def canary_counted(run: CanaryMessage, limits: EsperLimits) -> Finding:
    """The canary was delivered to Nissa's group, acknowledged, and counted by Nissa."""
    judged = first_of(
        fail("refused", run.refused),
        fail("not-delivered", not run.delivered),
        fail("not-acknowledged", not run.acknowledged),
        fail("not-counted", not run.counted),
        ok="counted",
    )
    outcome = {
        "refused": f"Redis refused the XADD: {run.refused}",
        "not-delivered": "published, but not delivered to every group that reads telemetry",
        "not-acknowledged": "delivered, but still pending (no XACK)",
        "not-counted": "acknowledged, but esper_telemetry_packets_total did not rise",
    }.get(judged.reason, "delivered, acknowledged and counted")
    return judged.finding(
        expected=f"Nissa receives, acknowledges and counts the canary message within {limits.canary}",
        observed=f"{outcome}; waited {run.waited_s:.1f} s",
        limits=(limits.canary.named("canary"),),
        details=(
            f"packet {run.packet}, entry {run.entry or 'none'}, {'signed' if run.signed else 'unsigned'}; left on the target: {run.left_behind}",
        ),
    )
