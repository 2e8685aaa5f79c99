"""The result as Markdown for a CI step summary: the verdict, what needs attention, what was not looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.text import bounded_text, counted
from opsverify.model.verdict import Verdict, deciding
from opsverify.report.canary import canary_lines, overdue_lines
from opsverify.report.model import RunReport

if TYPE_CHECKING:
    from opsverify.evidence.redaction import Redactor
    from opsverify.report.model import CheckResult

__all__ = ["MOST_BYTES", "render_markdown"]

MOST_BYTES = 1024 * 1024
"""What GitHub takes for one step's summary."""


def render_markdown(report: RunReport, redactor: Redactor) -> str:
    """`report` as Markdown under 1 MiB, redacted; what does not fit is counted."""
    shown = report.redacted(redactor)
    mark = "✅" if shown.exit_status == 0 else "❌"
    counts = (
        ", ".join(f"{shown.counts[v]} {v}" for v in Verdict if shown.counts.get(v)) or "nothing was judged"
    )
    profile = f"profile {shown.profile}" if shown.profile else "no profile"
    facts = (
        shown.kind,
        profile,
        *([f"incident {_cell(shown.incident.alert)}"] if shown.incident else []),
        f"gate {shown.gate}",
        f"exit {shown.exit_status}",
        counts,
        f"{shown.took:.1f} s",
    )
    lines = [
        f"## {mark} {_cell(shown.target)}: {_cell(shown.headline)}",
        "",
        " · ".join(facts),
        "",
    ]
    lines += [f"- **Problem of the run:** {_cell(problem)}" for problem in shown.problems]
    lines += [f"- **{_cell(line)}**" for line in overdue_lines(shown)]
    red = [c for c in shown.worst_first() if c.verdict not in (Verdict.PASS, Verdict.SKIP)]
    if red:
        lines += [
            "",
            "| verdict | severity | check | expected | observed | next |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_row(check) for check in red]
    if states := canary_lines(shown.canary):
        lines += ["", "State over the canary's runs:", "", *(f"- {_cell(text)}" for text, _ in states)]
    if shown.comparison:
        then = shown.comparison
        title = f"{counted(len(then.changes), 'change') if then.changes else 'No changes'} since run {then.run_id} of {then.finished:%Y-%m-%d %H:%M:%SZ}"
        lines += ["", f"<details><summary>{title}</summary>", ""]
        lines += [
            f"- {c.about} {_cell(c.where)}: {_cell(c.before)} → **{_cell(c.now)}**" for c in then.changes
        ]
        lines += ["", "</details>"]
    if shown.not_looked_at:
        lines += ["", "<details><summary>What was not looked at</summary>", ""]
        lines += [f"- {check.id}: {_cell(check.reason)}" for check in shown.not_looked_at]
        lines += ["", "</details>"]
    passed = [c for c in shown.worst_first() if c.verdict is Verdict.PASS]
    if passed:
        lines += ["", f"<details><summary>{len(passed)} PASS</summary>", ""]
        lines += [
            f"- {c.id} {_cell(c.promise)} {_cell(c.findings[0].observed if c.findings else '')}"
            for c in passed
        ]
        lines += ["", "</details>"]
    return _fitting(lines)


def _row(check: CheckResult) -> str:
    finding = deciding(check.findings)
    expected = finding.expected if finding else check.promise
    observed = finding.observed if finding else f"{check.reason}: {check.explanation}"
    if check.verdict is Verdict.WAIVED:
        observed = f"{observed}; {check.explanation}"
    gated = "" if check.gated else " (not gated)"
    unobserved = check.verdict is Verdict.UNKNOWN and finding is None
    cells = (
        f"{check.verdict}{gated}",
        check.severity,
        f"{check.id} {check.name}",
        expected,
        observed,
        f"if it fails: {check.next_step}" if unobserved and check.next_step else check.next_step,
    )
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """One line that Markdown and HTML leave alone."""
    line = " ".join(bounded_text(text, 600).split())
    for sign, code in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("|", "&#124;"),
        ("`", "&#96;"),
        ("[", "&#91;"),
        ("*", "&#42;"),
    ):
        line = line.replace(sign, code)
    return line


def _fitting(lines: list[str]) -> str:
    kept, size = [], 0
    for number, line in enumerate(lines):
        size += len(line.encode()) + 1
        if size > MOST_BYTES - 200:
            kept.append(f"\n… {len(lines) - number} further lines do not fit; see report.html")
            break
        kept.append(line)
    return "\n".join(kept) + "\n"
