"""Observations of the program's files: report log, the forge's WALs, the library; and of the compile-retry alert."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.esper.client import EsperClient
from systems.esper.forge.models import Forge, Library, ReportLog, RetryAlert

if TYPE_CHECKING:
    from systems.esper.forge.client import Wals

__all__ = ["forge", "library", "report_log", "retry_alert"]

_RETRY_ALERT, _RETRY_METRIC = "tezzeret_compile_retry_high", "tezzeret.compile.retry_count"


@observation(of="files", deadline=seconds(15))
async def report_log(esper: EsperClient) -> ReportLog:
    """The field-report log, read to its end."""
    return await esper.files.report_log(esper.section.workload)


@observation(of="files", deadline=seconds(15), window="window")
async def forge(esper: EsperClient, window: timedelta) -> Forge:
    """The forge's write-ahead logs, in two samples: a running forge changes them."""
    first, first_stamps = await esper.files.wals()
    await asyncio.sleep(window.total_seconds())
    last, last_stamps = await esper.files.wals()
    wal, compiler, library = last
    left = bool(wal.pending or wal.problem) or compiler.present or library.present
    return Forge(
        forge=wal,
        compiler=compiler,
        library=library,
        moved=f"{_progress(first)} became {_progress(last)}" if left and first_stamps != last_stamps else "",
        investigation=await _investigation(esper, last) if left else (),
        seconds=window.total_seconds(),
    )


@observation(of="files", deadline=seconds(20))
async def library(esper: EsperClient) -> Library:
    """The library against its artifacts."""
    return await esper.files.library()


@observation(of=("nissa", "redis"), deadline=seconds(5))
async def retry_alert(esper: EsperClient) -> RetryAlert:
    """Nissa's alert on compile retries, if its metric is on the bus at all."""
    alerts, _ = await esper.nissa.summary()
    active = next((alert for alert in alerts if alert.name == _RETRY_ALERT), None)
    most = int(esper.section.limits.telemetry.value)
    newest = await esper.bus.newest("telemetry", most)
    counts = [(e.id, e.decoded.metrics[_RETRY_METRIC]) for e in newest if _RETRY_METRIC in e.decoded.metrics]
    if active is None and not newest:
        raise Unobservable(ErrorKind.EMPTY, "there is no telemetry, so the alert could not have fired")
    if active is None and not counts:
        message = (
            f"{_RETRY_METRIC} is in none of the newest {len(newest)} telemetry entries: the alert cannot fire"
        )
        raise Unobservable(ErrorKind.NOT_PUBLISHED, message)
    return RetryAlert(
        active=active is not None,
        value=active.value if active else None,
        routes=active.routes if active else (),
        newest=counts[0][1] if counts else None,
        entry=counts[0][0] if counts else "",
    )


def _progress(wals: Wals) -> str:
    wal, compiler, _ = wals
    pending = wal.problem or f"{len(wal.pending)} pending"
    return f"{pending}{f' with {compiler.blueprint} in flight' if compiler.blueprint else ''}"


async def _investigation(esper: EsperClient, wals: Wals) -> tuple[str, ...]:
    """Lines for the operator, as the runbook asks: the blueprint in flight, its row and its artifact."""
    wal, compiler, library_wal = wals
    in_flight = compiler.blueprint or library_wal.blueprint or (wal.pending[0] if wal.pending else "")
    if not in_flight:
        return ()
    try:
        library = await esper.files.library()
    except Unobservable as trouble:
        return (f"in flight: {in_flight}; the library could not be read: {trouble}",)
    row = next((b for b in library.blueprints if b.id == in_flight), None)
    lines = [
        f"in flight: {in_flight} ({'compiler WAL' if compiler.blueprint else 'library WAL' if library_wal.blueprint else 'first of the pending'})"
    ]
    if row is None:
        loose = [path for path in library.orphans if path.endswith(f"/{in_flight}.pt")]
        lines.append(
            f"{in_flight} has no row in the library; artifact: {', '.join(loose) or 'none'}: a re-run compiles it"
        )
    else:
        lines.append(
            f"{in_flight} has a row in the library, its artifact is {f'damaged ({row.problem})' if row.problem else 'intact'}: "
            f"a re-run skips it{' while the row is there' if row.problem else ''}"
        )
    done = sum(1 for b in library.blueprints if b.id in wal.pending)
    lines.append(
        f"library: {len(library.blueprints)} rows{f', {done} of them still listed as pending' if done else ''}"
    )
    return tuple(lines)
