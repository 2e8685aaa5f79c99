"""What must hold of what BZZZ publishes, of its storage, and of its nodes."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown
from systems.bzzz.published.models import LARGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsverify.model.verdict import Finding
    from systems.bzzz.capacity.models import Uses
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.logs.models import NodeLogs
    from systems.bzzz.published.models import EndpointSeen
    from systems.bzzz.storage.models import StoragePath, StorageSeen, StorageWritten

__all__ = ["NOT_THERE", "logs_bounded", "mounted", "published", "roomy", "tuned", "usable", "written"]

NOT_THERE = ("storage-hangs", "stale-handle", "not-mounted", "path-missing", "path-fails")
"""Why a path is not there, the worst first."""
_MOST = 12
_DAY = timedelta(days=1)


def published(seen: EndpointSeen, limits: BzzzLimits) -> Finding:
    """The address speaks TLS with a certificate for its name that lasts, unless the target says why it need not."""
    limit = limits.certificate_days
    left = (seen.not_after - seen.at) / _DAY if seen.not_after else math.nan
    judged = first_of(
        fail("no-tls", not seen.tls and not seen.without_tls),
        fail("certificate-expired", seen.trouble == "expired"),
        fail("not-yet-valid", seen.trouble == "not-yet-valid"),
        fail("wrong-name", seen.trouble == "wrong-name"),
        fail("too-weak", seen.trouble == "too-weak"),
        fail("certificate-expiring", seen.not_after and not left >= limit.value),
        unknown("no-expiry", seen.tls and not seen.not_after),
        fine("without-tls", not seen.tls),
        ok="certificate-right",
    )
    expected = f"{seen.url} answers over TLS, with a certificate for {seen.host} that lasts {limit} more"
    if not seen.tls:
        why = f"without TLS on purpose: {seen.without_tls} ({seen.status})"
        hint = "where people use another address, name it as `public`; where none is needed, `without_tls`"
        return judged.finding(
            expected=expected,
            observed=why if seen.without_tls else f"plain HTTP, and status {seen.status}",
            details=() if seen.without_tls else (hint,),
        )
    return judged.finding(
        expected=expected,
        observed=f"status {seen.status}, {_lasting(seen, left)}",
        details=(f"for {', '.join(seen.names)}", f"issued by {seen.issuer}"),
        limits=(limit.named("certificate_days"),),
    )


def _lasting(seen: EndpointSeen, left: float) -> str:
    """How long its certificate is valid, and what else is wrong with it."""
    until = f"valid until {seen.not_after:%Y-%m-%d %H:%M UTC}" if seen.not_after else "without an end"
    lasts = f"expired {-left:.0f} days ago" if left < 0 else f"{left:.0f} days left"
    if seen.not_after is None:
        lasts = "nobody knows how long it lasts"
    if seen.trouble == "not-yet-valid":
        lasts = f"valid from {seen.not_before:%Y-%m-%d %H:%M UTC} only"
    if seen.trouble == "expired" and left > 0:
        lasts += ", but the authority above it has expired"
    also = {
        "wrong-name": f", and it is not for {seen.host}",
        "too-weak": ", and its key, or the authority's key or signature, is too weak",
    }
    return f"{until}: {lasts}{also.get(seen.trouble, '')}"


def mounted(seen: StorageSeen) -> Finding:
    """Each path lies in a mount of a type that the storage has, and what is there answers."""
    bad = {p.path: why for p in seen.paths if (why := _not_there(p, seen.types))}
    kinds = {kind for kind, _ in bad.values()}
    return first_of(
        *(fail(reason, reason in kinds) for reason in NOT_THERE),
        unknown("no-paths", not seen.paths),
        unknown("part-missing", _unseen(seen)),
        ok="mounted",
    ).finding(
        expected=f"each path in a mount of type {' or '.join(seen.types)} that answers",
        observed=f"{len(bad)} of {len(seen.paths)} paths are not"
        if bad
        else f"{len(seen.paths)} of {len(seen.needed)} are",
        details=(
            *(f"{path}: {told}" for path, (_, told) in bad.items()),
            *(f"{p.path}: {_mount(p)}" for p in seen.paths if p.path not in bad),
        ),
    )


def _unseen(seen: StorageSeen) -> list[str]:
    """The paths that are needed, and of which nothing is told."""
    return sorted({*seen.needed} - {p.path for p in seen.paths})


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
    return first_of(
        fail("read-only", any(p.read_only for p in bad)),
        fail("not-writable", bad),
        unknown("not-there", not there),
        unknown("part-missing", _unseen(seen)),
        ok="writable",
    ).finding(
        expected="each path mounted rw, and writable for the user that looks",
        observed=", ".join(
            f"{p.path} is {'mounted read-only' if p.read_only else 'not writable'}" for p in bad
        )
        or f"{len(there)} writable",
        details=tuple(_mount(p) for p in bad),
    )


def roomy(seen: StorageSeen, limits: BzzzLimits) -> Finding:
    """Each path has room left. A folder of the same name on the node's own disk tells nothing of the storage's."""
    limit = limits.storage_free
    gone = [p.path for p in seen.paths if p.trouble or p.type not in seen.types]
    there = [p for p in seen.paths if p.path not in gone]
    sizeless = [p.path for p in there if not p.size]
    full = [p for p in there if p.size and not p.free >= limit.value * p.size]
    return first_of(
        fail("storage-full", full),
        unknown("not-there", gone or not seen.paths),
        unknown("size-unknown", sizeless),
        unknown("part-missing", _unseen(seen)),
        ok="room-left",
    ).finding(
        expected=f"at least {limit.value:.0%} of each file system free",
        observed="; ".join(
            [
                *(_room(p) for p in full or there),
                *([f"{', '.join(gone)} is not there, see B-STO-1"] if gone else []),
                *([f"the file system of {', '.join(sizeless)} does not tell its size"] if sizeless else []),
            ]
        ),
        limits=(limit.named("storage_free"),),
    )


def _room(path: StoragePath) -> str:
    share = f" ({path.free / path.size:.1%})" if path.size else ""
    return f"{path.path}: {_bytes(path.free)} of {_bytes(path.size)} free{share}"


def written(seen: StorageWritten) -> Finding:
    """A file was written to each path, read back, and removed."""
    bad = {path: why for path, why in seen.results.items() if why}
    return first_of(fail("write-failed", bad), unknown("not-tried", not seen.results), ok="written").finding(
        expected="a small file written to each path, read back, and removed again",
        observed="; ".join(f"{path}: {why}" for path, why in bad.items())
        or f"done in {len(seen.results)} paths of {seen.host}",
    )


def tuned(seen: Uses, limits: BzzzLimits) -> Finding:
    """Each node has the network buffers that the runbook sets."""
    least = {"net.core.rmem_max": limits.rmem_max, "net.core.wmem_max": limits.wmem_max}
    below = [u for u in seen.uses if not u.value >= least[u.what].value]
    lacking = least.keys() - {u.what for u in seen.uses}
    return first_of(
        fail("not-tuned", below), unknown("part-missing", seen.stale or lacking), ok="tuned"
    ).finding(
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
    large = [(n, f) for n in seen for f in n.largest if not f.size <= limits.log_file.value]
    full = [n for n in seen if not n.size <= limits.logs_in_all.value]
    unseen = [f"{n.node}: {n.unseen}" for n in seen if n.unseen]
    unseen += [f"{n.node}: its largest files" for n in seen if len(n.largest) < min(n.count, LARGEST)]
    shown = [f"{n.node}: {f.path} {_bytes(f.size)}" for n, f in large]
    shown += [f"{n.node}: {n.count} files, {_bytes(n.size)} in {', '.join(n.folders)}" for n in full]
    return first_of(
        fail("log-too-large", large),
        fail("logs-too-large", full),
        unknown("part-missing", unseen or not seen),
        ok="logs-bounded",
    ).finding(
        expected=f"each log file at most {_bytes(limits.log_file.value)}, a node's together {_bytes(limits.logs_in_all.value)}",
        observed=f"{len(large)} files and {len(full)} nodes above it"
        if shown
        else ", ".join(
            (n.unseen and f"{n.node}: {n.unseen}") or f"{n.node}: {n.count} files, {_bytes(n.size)}"
            for n in seen
        ),
        details=(
            *shown[:_MOST],
            *unseen,
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
