"""What must hold of what BZZZ publishes, of its storage, and of its nodes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.capacity import Uses
    from fixtures.bzzz.seen.hosts import EndpointSeen, NodeLogs, StoragePath, StorageSeen, StorageWritten
    from opsverify.limits import Limit

__all__ = ["logs_bounded", "mounted", "published", "roomy", "tuned", "usable", "used_below", "written"]

_MOST = 12
_DAY = timedelta(days=1)


def published(seen: EndpointSeen, limits: BzzzLimits) -> Finding:
    """The address speaks TLS with a certificate for its name that lasts, unless the target says why it need not."""
    limit = limits.certificate_days
    expected = f"{seen.url} answers over TLS, with a certificate for {seen.host} that lasts {limit} more"
    if not seen.tls:
        reason = "without-tls" if seen.without_tls else "no-tls"
        why = f"without TLS on purpose: {seen.without_tls}" if seen.without_tls else "plain HTTP, status"
        observed = f"{why} ({seen.status})" if seen.without_tls else f"plain HTTP, and status {seen.status}"
        hint = (
            ()
            if seen.without_tls
            else (
                "where people use another address, name it as `public`; where none is needed, `without_tls`",
            )
        )
        return Finding(
            holds=bool(seen.without_tls), reason=reason, expected=expected, observed=observed, details=hint
        )
    left = (seen.not_after - seen.at) / _DAY if seen.not_after else 0.0
    reason = {"": "certificate-expiring", "expired": "certificate-expired"}.get(seen.trouble, seen.trouble)
    holds = not seen.trouble and left >= limit.value
    until = f"valid until {seen.not_after:%Y-%m-%d %H:%M UTC}" if seen.not_after else "without an end"
    told = f"{left:.0f} days left" if left >= 0 else f"expired {-left:.0f} days ago"
    if seen.trouble == "not-yet-valid":
        told = f"valid from {seen.not_before:%Y-%m-%d %H:%M UTC} only"
    if seen.trouble == "expired" and left > 0:
        told += ", but the authority above it has expired"
    also = {
        "wrong-name": f", and it is not for {seen.host}",
        "too-weak": ", and its key, or the authority's key or signature, is too weak",
    }
    return Finding(
        holds=holds,
        reason="certificate-right" if holds else reason,
        expected=expected,
        observed=f"status {seen.status}, {until}: {told}" + also.get(seen.trouble, ""),
        details=(f"for {', '.join(seen.names)}", f"issued by {seen.issuer}"),
        limits=(limit.named("certificate_days"),),
    )


def mounted(seen: StorageSeen) -> Finding:
    """Each path lies in a mount of a type that the storage has, and what is there answers."""
    bad = {p.path: why for p in seen.paths if (why := _not_there(p, seen.types))}
    first = next(iter(bad.values()), ("mounted", ""))[0]
    return Finding(
        holds=not bad,
        reason=first,
        expected=f"each path in a mount of type {' or '.join(seen.types)} that answers",
        observed=f"{len(bad)} of {len(seen.paths)} paths are not" if bad else f"all {len(seen.paths)} are",
        details=(
            *(f"{path}: {told}" for path, (_, told) in bad.items()),
            *(f"{p.path}: {_mount(p)}" for p in seen.paths if p.path not in bad),
        ),
    )


def _mount(path: StoragePath) -> str:
    return f"{path.type} {path.device} at {path.mount} ({','.join(path.options[:6])})"


def _not_there(path: StoragePath, types: Sequence[str]) -> tuple[str, str] | None:
    gone = {"hangs": "storage-hangs", "stale": "stale-handle"}.get(path.trouble)
    if gone is not None:
        return gone, f"{_mount(path)}: {path.told}"
    if path.type not in types:
        return "not-mounted", f"lies in {_mount(path)}: what is written there is on no shared storage"
    if path.trouble:
        return ("path-missing" if path.trouble == "missing" else "path-fails"), f"{_mount(path)}: {path.told}"
    return None


def usable(seen: StorageSeen) -> Finding:
    """Each path that is there may be written to."""
    there = [p for p in seen.paths if not p.trouble]
    bad = [p for p in there if p.read_only or not p.writable]
    reason = "writable" if not bad else "read-only" if bad[0].read_only else "not-writable"
    return Finding(
        holds=not bad,
        reason=reason,
        expected="each path mounted rw, and writable for the user that looks",
        observed=", ".join(
            f"{p.path} is {'mounted read-only' if p.read_only else 'not writable'}" for p in bad
        )
        or f"{len(there)} writable",
        details=tuple(_mount(p) for p in bad),
    )


def roomy(seen: StorageSeen, limits: BzzzLimits) -> Finding:
    """Each path has room left."""
    limit = limits.storage_free
    full = [p for p in seen.paths if p.free < limit.value * p.size]
    return Finding(
        holds=not full,
        reason="storage-full" if full else "room-left",
        expected=f"at least {limit.value:.0%} of each file system free",
        observed=", ".join(_room(p) for p in full or seen.paths),
        limits=(limit.named("storage_free"),),
    )


def _room(path: StoragePath) -> str:
    share = f" ({path.free / path.size:.1%})" if path.size else ""
    return f"{path.path}: {_bytes(path.free)} of {_bytes(path.size)} free{share}"


def written(seen: StorageWritten) -> Finding:
    """A file was written to each path, read back, and removed."""
    bad = {path: why for path, why in seen.results.items() if why}
    return Finding(
        holds=not bad,
        reason="write-failed" if bad else "written",
        expected="a small file written to each path, read back, and removed again",
        observed="; ".join(f"{path}: {why}" for path, why in bad.items())
        or f"done in {len(seen.results)} paths of {seen.host}",
    )


def used_below(seen: Uses, limit: Limit, name: str, what: str) -> Finding:
    """No node uses more of something than the limit."""
    over = sorted((u for u in seen.uses if u.value >= limit.value), key=lambda u: -u.value)
    worst = max(seen.uses, key=lambda u: u.value)
    shown = [f"{u.node} {u.what}".strip() + f": {u.value:.1%}" for u in over[:_MOST]]
    return Finding(
        holds=not over,
        reason=f"{what}-high" if over else f"{what}-below",
        expected=f"{what} of each node below {limit.value:.0%}",
        observed=f"{len(over)} of {len(seen.uses)} at or above it"
        if over
        else f"highest {worst.value:.1%} on {worst.node} {worst.what}".strip(),
        details=(
            *shown,
            *(f"left out: {s}" for s in seen.stale),
            *(f"Prometheus warns: {w}" for w in seen.warnings),
        ),
        limits=(limit.named(name),),
    )


def tuned(seen: Uses, limits: BzzzLimits) -> Finding:
    """Each node has the network buffers that the runbook sets."""
    least = {"net.core.rmem_max": limits.rmem_max, "net.core.wmem_max": limits.wmem_max}
    below = [u for u in seen.uses if u.value < least[u.what].value]
    return Finding(
        holds=not below,
        reason="not-tuned" if below else "tuned",
        expected=", ".join(f"{name} at least {limit}" for name, limit in least.items()),
        observed=f"{len(below)} settings below it"
        if below
        else f"on {len({u.node for u in seen.uses})} nodes",
        details=(
            *(f"{u.node}: {u.what} = {u.value:.0f}" for u in below[:_MOST]),
            *(f"left out: {s}" for s in seen.stale),
            *(f"Prometheus warns: {w}" for w in seen.warnings),
        ),
        limits=(limits.rmem_max.named("rmem_max"), limits.wmem_max.named("wmem_max")),
    )


def logs_bounded(seen: Sequence[NodeLogs], limits: BzzzLimits) -> Finding:
    """No log file, and no node's logs together, are larger than their limit."""
    large = [(n, f) for n in seen for f in n.largest if f.size > limits.log_file.value]
    full = [n for n in seen if n.size > limits.logs_in_all.value]
    shown = [f"{n.node}: {f.path} {_bytes(f.size)}" for n, f in large]
    shown += [f"{n.node}: {n.count} files, {_bytes(n.size)} in {', '.join(n.folders)}" for n in full]
    return Finding(
        holds=not shown,
        reason="log-too-large" if large else "logs-too-large" if full else "logs-bounded",
        expected=f"each log file at most {_bytes(limits.log_file.value)}, a node's together {_bytes(limits.logs_in_all.value)}",
        observed=f"{len(large)} files and {len(full)} nodes above it"
        if shown
        else ", ".join(f"{n.node}: {n.count} files, {_bytes(n.size)}" for n in seen),
        details=(
            *shown[:_MOST],
            *(f"{n.node}: {n.unseen}" for n in seen if n.unseen),
            *(f"{n.node}: no folder {m}" for n in seen for m in n.missing),
        ),
        limits=(limits.log_file.named("log_file"), limits.logs_in_all.named("logs_in_all")),
    )


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"
