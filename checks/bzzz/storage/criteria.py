"""Criteria of the shared storage: mounted, usable, with room, taking writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.bzzz.formatting import in_bytes
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsverify.model.verdict import Finding
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.storage.models import StoragePath, StorageState, StorageWritten

__all__ = ["NOT_THERE", "mounted", "roomy", "usable", "written"]

NOT_THERE = ("storage-hangs", "stale-handle", "not-mounted", "path-missing", "path-fails")
"""Reason codes of a path that is not there, the worst first."""


def mounted(storage: StorageState) -> Finding:
    """Each path lies in a mount of the storage's type, and answers."""
    bad = {p.path: why for p in storage.paths if (why := _not_there(p, storage.types))}
    kinds = {kind for kind, _ in bad.values()}
    return first_of(
        *(fail(reason, reason in kinds) for reason in NOT_THERE),
        unknown("no-paths", not storage.paths),
        unknown("part-missing", _unseen(storage)),
        ok="mounted",
    ).finding(
        expected=f"each path in a mount of type {' or '.join(storage.types)} that answers",
        observed=f"{len(bad)} of {len(storage.paths)} paths not mounted or not answering: {', '.join(bad)}"
        if bad
        else f"{len(storage.paths)} of {len(storage.needed)} paths mounted and answering",
        details=(
            *(f"{path}: {message}" for path, (_, message) in bad.items()),
            *(f"{p.path}: {_mount(p)}" for p in storage.paths if p.path not in bad),
        ),
    )


def _unseen(storage: StorageState) -> list[str]:
    """The paths that are needed, and were not looked at."""
    return sorted({*storage.needed} - {p.path for p in storage.paths})


def _mount(path: StoragePath) -> str:
    return f"{path.type} {path.device} at {path.mount} ({','.join(path.options[:6])})"


def _not_there(path: StoragePath, types: Sequence[str]) -> tuple[str, str] | None:
    gone = {"hangs": "storage-hangs", "stale": "stale-handle"}.get(path.trouble)
    if gone is not None:
        return gone, f"{_mount(path)}: {path.told}"
    if path.type not in types:
        return "not-mounted", f"lies in {_mount(path)}, which is no shared storage"
    if path.trouble:
        return ("path-missing" if path.trouble == "missing" else "path-fails"), f"{_mount(path)}: {path.told}"
    return None


def usable(storage: StorageState) -> Finding:
    """Each path that is there may be written to."""
    there = [p for p in storage.paths if not p.trouble]
    bad = [p for p in there if p.read_only or not p.writable]
    return first_of(
        fail("read-only", any(p.read_only for p in bad)),
        fail("not-writable", bad),
        unknown("not-there", not there),
        unknown("part-missing", _unseen(storage)),
        ok="writable",
    ).finding(
        expected="each path mounted rw, and writable for the login that looks",
        observed=", ".join(
            f"{p.path} is {'mounted read-only' if p.read_only else 'not writable'}" for p in bad
        )
        or (f"{len(there)} paths writable" if there else "no path is mounted and answering"),
        details=tuple(_mount(p) for p in bad),
    )


def roomy(storage: StorageState, limits: BzzzLimits) -> Finding:
    """Each path has room left. A folder of the same name on the local disk does not count."""
    limit = limits.storage_free
    gone = [p.path for p in storage.paths if p.trouble or p.type not in storage.types]
    there = [p for p in storage.paths if p.path not in gone]
    sizeless = [p.path for p in there if not p.size]
    full = [p for p in there if p.size and not p.free >= limit.value * p.size]
    return first_of(
        fail("storage-full", full),
        unknown("not-there", gone or not storage.paths),
        unknown("size-unknown", sizeless),
        unknown("part-missing", _unseen(storage)),
        ok="room-left",
    ).finding(
        expected=f"at least {100 * limit.value:g}% of each file system free",
        observed="; ".join(
            [
                *(_room(p) for p in full or there),
                *([f"{', '.join(gone)} not mounted or not answering, see B-STO-1"] if gone else []),
                *([f"the file system of {', '.join(sizeless)} reports no size"] if sizeless else []),
            ]
        ),
        limits=(limit.named("storage_free"),),
    )


def _room(path: StoragePath) -> str:
    share = f" ({path.free / path.size:.1%})" if path.size else ""
    return f"{path.path}: {in_bytes(path.free)} of {in_bytes(path.size)} free{share}"


def written(probe: StorageWritten) -> Finding:
    """A file was written to each path, read back, and removed."""
    bad = {path: why for path, why in probe.results.items() if why}
    return first_of(fail("write-failed", bad), unknown("not-tried", not probe.results), ok="written").finding(
        expected="a small file written to each path, read back, and removed again",
        observed="; ".join(f"{path}: {why}" for path, why in bad.items())
        or f"done in {len(probe.results)} paths on {probe.host}",
    )
