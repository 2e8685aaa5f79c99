"""Criteria of node use: CPU, memory, disk, I/O wait, network interfaces, kernel settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown
from opsverify.model.text import bounded_text

if TYPE_CHECKING:
    from opsverify.model.ladder import Judgement
    from opsverify.model.limits import Limit
    from opsverify.model.verdict import Finding
    from systems.bzzz.capacity.models import ResourceUse, Uses
    from systems.bzzz.limits import BzzzLimits

__all__ = ["cpu_below", "disk_below", "io_wait_below", "memory_below", "network_below", "tuned"]

_MOST = 12


def cpu_below(uses: Uses, limits: BzzzLimits) -> Finding:
    """No node uses more of its CPUs than the limit."""
    over, part = _over(uses, limits.cpu_use), _incomplete(uses)
    judged = first_of(fail("cpu-high", over), unknown("part-missing", part), ok="cpu-below")
    return _finding(uses, limits.cpu_use, "cpu_use", "CPU use", judged)


def memory_below(uses: Uses, limits: BzzzLimits) -> Finding:
    """No node uses more of its memory than the limit."""
    over, part = _over(uses, limits.memory_use), _incomplete(uses)
    judged = first_of(fail("memory-high", over), unknown("part-missing", part), ok="memory-below")
    return _finding(uses, limits.memory_use, "memory_use", "memory use", judged)


def disk_below(uses: Uses, limits: BzzzLimits) -> Finding:
    """No node uses more of a file system than the limit."""
    over, part = _over(uses, limits.disk_use), _incomplete(uses)
    judged = first_of(fail("disk-high", over), unknown("part-missing", part), ok="disk-below")
    return _finding(uses, limits.disk_use, "disk_use", "disk use", judged)


def io_wait_below(uses: Uses, limits: BzzzLimits) -> Finding:
    """No node's CPUs wait for its disks more than the limit."""
    over, part = _over(uses, limits.io_wait), _incomplete(uses)
    judged = first_of(fail("io-wait-high", over), unknown("part-missing", part), ok="io-wait-below")
    return _finding(uses, limits.io_wait, "io_wait", "I/O wait", judged)


def network_below(uses: Uses, limits: BzzzLimits) -> Finding:
    """No network interface of a node is used more than the limit."""
    over, part = _over(uses, limits.network_use), _incomplete(uses)
    judged = first_of(fail("network-high", over), unknown("part-missing", part), ok="network-below")
    return _finding(uses, limits.network_use, "network_use", "network interface use", judged)


def _over(uses: Uses, limit: Limit) -> list[ResourceUse]:
    """Those at the limit and above it, the highest first."""
    return sorted((u for u in uses.uses if not u.value < limit.value), key=lambda u: -u.value)


def _incomplete(uses: Uses) -> bool:
    """Whether a node was left out, or all."""
    return bool(uses.stale or not uses.uses)


def _finding(uses: Uses, limit: Limit, name: str, what: str, judged: Judgement) -> Finding:
    over = _over(uses, limit)
    highest = max(uses.uses, key=lambda u: u.value, default=None)
    nodes = ", ".join(sorted({u.node for u in uses.uses})) or "none"
    top = (
        f"highest {what} {highest.value:.1%} on {highest.node} {highest.what}".strip()
        if highest
        else "no series"
    )
    return judged.finding(
        expected=f"{what} of each node below {100 * limit.value:g}%",
        observed=f"{len(over)} of {len(uses.uses)} at or above {100 * limit.value:g}%, {top}"
        if over
        else bounded_text(f"{top}; measured only on {nodes}; {'; '.join(uses.stale)}")
        if _incomplete(uses)
        else top,
        details=(
            *([f"{u.node} {u.what}".strip() + f": {u.value:.1%}" for u in over[:_MOST]]),
            *(f"left out: {s}" for s in uses.stale),
            *(f"Prometheus warns: {w}" for w in uses.warnings),
        ),
        limits=(limit.named(name),),
    )


def tuned(uses: Uses, limits: BzzzLimits) -> Finding:
    """Each node has the network buffers that the runbook sets."""
    least = {"net.core.rmem_max": limits.rmem_max, "net.core.wmem_max": limits.wmem_max}
    below = [u for u in uses.uses if not u.value >= least[u.what].value]
    lacking = least.keys() - {u.what for u in uses.uses}
    return first_of(
        fail("not-tuned", below), unknown("part-missing", uses.stale or lacking), ok="tuned"
    ).finding(
        expected=", ".join(
            f"{name} at least {limit.value:.0f} {limit.unit}" for name, limit in least.items()
        ),
        observed=f"{len(below)} settings too low"
        if below
        else f"set on {len({u.node for u in uses.uses})} nodes",
        details=(
            *(f"{u.node}: {u.what} = {u.value:.0f}" for u in below[:_MOST]),
            *(f"left out: {s}" for s in uses.stale),
            *(f"Prometheus warns: {w}" for w in uses.warnings),
        ),
        limits=(limits.rmem_max.named("rmem_max"), limits.wmem_max.named("wmem_max")),
    )
