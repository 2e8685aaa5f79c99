"""A check's result as the lines that a terminal, JUnit and logs show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.text import bounded_text
from opsverify.model.verdict import Verdict, deciding

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from opsverify.report.model import CheckResult

__all__ = ["headline", "message"]

_MOST_DETAILS = 12
_MOST_SOURCES = 3


def headline(result: CheckResult) -> str:
    """Severity, verdict and reason in one line: what JUnit and a CI annotation show."""
    return bounded_text(
        f"{result.severity} {result.verdict} {result.reason} · {result.id} {result.system} · {result.subsystem} · {result.name}"
    )


def _finding(finding: Finding) -> list[str]:
    lines = [f"  expected  {finding.expected}", f"  observed  {finding.observed}"]
    shown = finding.details[:_MOST_DETAILS]
    lines += [f"            {detail}" for detail in shown]
    if len(finding.details) > len(shown):
        lines.append(f"            … and {len(finding.details) - len(shown)} more")
    lines += [f"  limit     {limit}" for limit in finding.limits]
    return lines


def message(result: CheckResult) -> str:
    """The whole message of a check: what was promised, expected and observed, where from, and what to do next."""
    title = f"{result.system} · {result.subsystem} · {result.name}"
    lines = [f"{title:<58}  {result.verdict:<7}  {result.severity}  {result.id}"]
    if result.verdict is Verdict.UNKNOWN and deciding(result.findings):
        lines.append(f"  undecided {result.reason}: what was observed does not tell")
    elif result.verdict in (Verdict.UNKNOWN, Verdict.SKIP) or (result.explanation and not result.findings):
        lines.append(
            f"  {'skipped ' if result.verdict is Verdict.SKIP else 'reason  '}  {result.reason}: {result.explanation}"
        )
    shown = [f for f in result.findings if not f.holds] or list(result.findings)
    for finding in shown:
        lines += _finding(finding)
    when = f"{result.observed_at:%H:%M:%SZ}" if result.observed_at else ""
    if when or result.source:
        queries = "; ".join(result.source[:_MOST_SOURCES]) + (
            f"; … ({len(result.source)} in all)" if len(result.source) > _MOST_SOURCES else ""
        )
        lines.append(f"  queries   {' '.join(part for part in (when, queries) if part)}")
    if result.backend or result.identity:
        lines.append(f"  server    {'  '.join(part for part in (result.backend, result.identity) if part)}")
    if result.verdict is Verdict.FAIL:
        step = " ".join(
            part
            for part in (f"runbook {result.runbook}:" if result.runbook else "", result.next_step)
            if part
        )
        lines += [f"  next      {step}"] if step else []
        lines.append(
            f"  due       respond within {result.respond_within}, resolve within {result.resolve_within}"
        )
    if result.again and result.verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        lines.append(f"  rerun     {result.again}")
    if result.detail:
        lines += ["", *result.detail.splitlines()]
    return "\n".join(bounded_text(line, 1000) for line in lines)
