"""The end of a run on a terminal: the verdict, what was not looked at, and where the reports are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.evidence import bounded_text
from opsverify.report.canary import canary_lines
from opsverify.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from opsverify.report.model import RunReport

__all__ = ["summary"]


def summary(report: RunReport, files: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Lines of the closing summary with a colour name each (pytest's markup: red, yellow, green or nothing)."""
    colour = "green" if report.exit_status == 0 else "red"
    counts = " · ".join(f"{report.counts[v]} {v}" for v in Verdict if report.counts.get(v))
    profile = f"profile {report.profile}" if report.profile else "no profile"
    lines = [
        (f"{report.target} ({report.kind}) · {profile} · gate {report.gate} · {report.took:.1f} s", ""),
        (f"{counts or 'nothing was judged'}", ""),
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
    lines += canary_lines(report.canary)
    lines += [
        (f"  ran against {s.system}.{s.surface}: {s.backend}  {s.identity}".rstrip(), "")
        for s in report.surfaces
    ]
    lines += [(f"  not looked at: {gone.id}: {gone.reason}", "yellow") for gone in report.not_looked_at]
    lines += [(f"  PROBLEM: {problem}", "red") for problem in report.problems]
    lines += [(f"  warning: {warning}", "yellow") for warning in report.warnings]
    lines.append((f"exit {report.exit_status}: {report.exit_meaning}", colour))
    for name, path in files.items():
        lines.append((f"{name:<8} {path}", ""))
    return [(bounded_text(text, 1000), shade) for text, shade in lines]
