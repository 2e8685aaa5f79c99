"""Annotations for a CI system from a run's `report.json`: `python -m opsverify.annotate github|gitlab FILE`.

Only what the gate counts is annotated: a red mark in a merge request must mean that the deploy is stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from opsverify.model.text import bounded_text
from opsverify.model.verdict import Severity, Verdict, deciding
from opsverify.report.model import CheckResult, RunReport

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["github", "gitlab", "main"]

_LEVELS = {Severity.P0: "blocker", Severity.P1: "critical", Severity.P2: "major", Severity.P3: "minor"}


def github(report: RunReport) -> str:
    """Workflow commands (docs.github.com, "Workflow commands for GitHub Actions"), one error a line."""
    lines = []
    for check in _gated(report):
        title, text = _line(f"{check.verdict} {check.severity} {check.id} {check.name}"), _text(check)
        lines.append(f"::error file={_property(_file(check))},title={_property(title)}::{_data(text)}\n")
    return "".join(lines)


def gitlab(report: RunReport) -> str:
    """A code quality report (docs.gitlab.com, "Code Quality report format")."""
    entries = [
        {
            "description": f"{check.verdict} {check.severity} {check.id} {check.name}: {_text(check)}",
            "check_name": check.id,
            "fingerprint": hashlib.sha256(f"{report.target} {check.id}".encode()).hexdigest(),
            "severity": _LEVELS[check.severity],
            "location": {"path": _file(check), "lines": {"begin": 1}},
        }
        for check in _gated(report)
    ]
    return json.dumps(entries, indent=1) + "\n"


def _gated(report: RunReport) -> list[CheckResult]:
    return [c for c in report.worst_first() if c.gated and c.verdict in (Verdict.FAIL, Verdict.UNKNOWN)]


def _file(check: CheckResult) -> str:
    return check.nodeid.split("::", 1)[0]


def _text(check: CheckResult) -> str:
    finding = deciding(check.findings)
    result = f"expected {finding.expected}, observed {finding.observed}" if finding else check.explanation
    return _line(f"{result}; next: {check.next_step}")


def _line(text: str) -> str:
    return bounded_text(" ".join(text.split()), 1000)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_FORMS = {"github": github, "gitlab": gitlab}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the annotations. Exit status 0, or 4 where the report cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m opsverify.annotate", description=__doc__)
    parser.add_argument("form", choices=sorted(_FORMS))
    parser.add_argument("report", type=Path, help="such as reports/latest/report.json")
    options = parser.parse_args(arguments)
    try:
        report = RunReport.model_validate_json(options.report.read_bytes())
    except (OSError, ValidationError) as error:
        sys.stderr.write(f"{options.report}: {bounded_text(str(error), 300)}\n")
        return 4
    sys.stdout.write(_FORMS[options.form](report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
