"""The end of a canary run: unused waivers, the history, notifications."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsverify.run.run import Run

__all__ = ["before_reports"]


def before_reports(run: Run) -> None:
    """Add the run to the history and send notifications, before the reports are written: they show how that went."""
    try:
        run.warnings += run.waivers.warnings(run.results.values(), datetime.now(UTC))
        if run.canary is not None and (run.busy is not None or run.looked):
            _record(run)
        elif run.target.notify and run.options.profile == "canary" and run.looked:
            run.warnings.append(
                "no notification was sent: this run is not kept in a history, so what changed is not known"
            )
        url = run.target.canary.ping_url_env
        # A canary that cannot notify must not ping: the dead man's switch has to go off.
        cannot_notify = bool(run.target.notify) and (run.canary is None or bool(run.canary.troubles))
        if url is not None and run.options.profile == "canary" and run.looked and not cannot_notify:
            from opsverify.notify.transport import ping  # noqa: PLC0415 - only where there is something to send

            run.warnings += asyncio.run(ping(url.get_secret_value()))
    except KeyboardInterrupt:
        run.interrupted = True
    except Exception as error:  # noqa: BLE001 - an error here must not cost the verdicts or the reports
        run.unwritable = True
        run.problem(f"writing the history or sending notifications failed: {type(error).__name__}: {error}")


def _record(run: Run) -> None:
    from opsverify.canary.history import HistoryError  # noqa: PLC0415 - a run without a history loads no database library
    from opsverify.notify.dispatch import notify  # noqa: PLC0415

    canary = run.canary
    if canary is None:
        return
    report = run.build_report().redacted(run.redactor)
    try:
        in_a_row = canary.record_busy(report) if run.busy is not None else 0
        if run.busy is None:
            run.canary_summary = canary.add(report, run.confirmed)
            run.trends = canary.trends()
            run.warnings += [
                f"identity changed since the last run: {c}" for c in run.canary_summary.changed_identities
            ]
        run.warnings += asyncio.run(notify(run.target, canary, report, busy_in_a_row=in_a_row))
    except HistoryError as error:
        canary.troubles.append(str(error))
    if canary.troubles:
        run.unwritable = True
        for trouble in canary.troubles:
            run.problem(trouble)
