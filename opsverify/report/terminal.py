"""The end of a run on a terminal: the verdict, what was not looked at, and where the reports are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.exit_codes import Exit
from opsverify.model.text import bounded_text, counted
from opsverify.model.verdict import Verdict
from opsverify.report.canary import canary_lines, overdue_lines
from opsverify.report.headline import DID_NOT_RUN
from opsverify.report.subsystems import by_subsystem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from opsverify.report.model import NotLookedAt, RunReport

__all__ = ["next_command", "summary"]

_SHADES = {Verdict.FAIL: "red", Verdict.UNKNOWN: "red", Verdict.WAIVED: "yellow", Verdict.SKIP: "yellow"}
_MOST_CHANGES = 15


def summary(report: RunReport, files: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Lines of the closing summary with a colour name each (pytest's markup: red, yellow, green or nothing)."""
    colour = "red" if report.exit_status else "yellow" if report.not_looked_at else "green"
    counts = " · ".join(f"{report.counts[v]} {v}" for v in Verdict if report.counts.get(v))
    profile = f"profile {report.profile}" if report.profile else "no profile"
    lines = [
        (f"{report.target} ({report.kind}) · {profile} · gate {report.gate} · {report.took:.1f} s", ""),
        (f"{counts or 'nothing was judged'}", ""),
    ]
    lines += [
        (
            f"  {group.worst:<7} {group.system} · {group.subsystem}: {group.tally}",
            _SHADES.get(group.worst, ""),
        )
        for group in by_subsystem(report)
    ]
    for check in report.worst_first():
        if check.verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WAIVED):
            mark = "" if check.gated else "  (not gated)"
            mark += f"  {check.explanation}" if check.verdict is Verdict.WAIVED else ""
            shade = "red" if check.gated and check.verdict is not Verdict.WAIVED else "yellow"
            lines.append(
                (
                    f"  {check.verdict:<7} {check.severity} {check.id:<9} {check.system} · {check.subsystem} · {check.name}{mark}",
                    shade,
                )
            )
    lines += [(f"  {line}", "red") for line in overdue_lines(report)]
    lines += _comparison(report)
    lines += canary_lines(report.canary)
    lines += [
        (f"  ran against {s.system}.{s.surface}: {s.backend}  {s.identity}".rstrip(), "")
        for s in report.surfaces
    ]
    lines += [(f"  not looked at: {check.id}: {check.reason}", "yellow") for check in _listed(report)]
    lines += [(f"  PROBLEM: {problem}", "red") for problem in report.problems]
    lines += [(f"  warning: {warning}", "yellow") for warning in report.warnings]
    lines.append((f"exit {report.exit_status}: {report.headline}", colour))
    command = next_command(report)
    if command:
        lines.append((f"next     {command}", ""))
    for name, path in files.items():
        lines.append((f"{name:<8} {path}", ""))
    return [(bounded_text(text, 1000), shade) for text, shade in lines]


def _listed(report: RunReport) -> Iterable[NotLookedAt]:
    """What was not looked at; of a run that was interrupted not what it had not come to, which the headline counts."""
    if report.exit_status != Exit.INTERRUPTED:
        return report.not_looked_at
    return (check for check in report.not_looked_at if check.cause != DID_NOT_RUN)


def _comparison(report: RunReport) -> list[tuple[str, str]]:
    then = report.comparison
    if then is None:
        return []
    shown = then.changes[:_MOST_CHANGES]
    more = len(then.changes) - len(shown)
    return [
        (
            f"  since run {then.run_id} of {then.finished:%Y-%m-%d %H:%M:%SZ}: {counted(len(then.changes), 'change') if then.changes else 'no changes'}",
            "",
        ),
        *((f"    {c.about:<8} {c.where}: {c.before} → {c.now}", "") for c in shown),
        *([(f"    … and {more} more in the reports", "")] if more else []),
    ]


def next_command(report: RunReport) -> str:
    """What to run next, or nothing where there is nothing to do."""
    asks = "--replay" if report.kind == "replay" else "--target"
    here = f"{asks} {report.target_file}"
    profile = f" --profile {report.profile}" if report.profile else ""
    if report.exit_status == Exit.HOLDS and report.incident and report.kind == "live" and report.checks:
        return f"pytest --incident {report.incident.alert} {here} --watch 24h --every 5m  (checks that it stays clear)"
    if report.exit_status in (Exit.GATED_FAIL, Exit.GATED_UNKNOWN):
        worst = next(
            c for c in report.worst_first() if c.gated and c.verdict in (Verdict.FAIL, Verdict.UNKNOWN)
        )
        if worst.verdict is Verdict.UNKNOWN and report.kind == "live":
            return f"pytest {here}{profile} --preflight  (shows which endpoints can be reached)"
        if worst.alert and report.incident is None and report.kind == "live":
            return f"pytest --incident {worst.alert} {here} --baseline last-green"
        return f"pytest --explain {worst.id}" if not worst.id.startswith("expect:") else worst.again
    if report.exit_status == Exit.VACUOUS:
        return f"pytest {here}{profile} --plan  (shows what would run and why the rest would not; --only limits the run to a part)"
    return ""
