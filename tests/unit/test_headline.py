"""The first line of every report."""

from __future__ import annotations

import pytest

from opsverify.evidence.redaction import Redactor
from opsverify.model.verdict import Severity, Verdict
from opsverify.report.headline import gaps, headline
from opsverify.report.html import render_html
from opsverify.report.model import NotLookedAt
from tests.unit.reports import report

PROMETHEUS = "no Prometheus on this machine"


def gone(number: int, severity: str | None, cause: str) -> NotLookedAt:
    """A check that was not looked at."""
    return NotLookedAt(
        id=f"X-ROW-{number}", reason="so", severity=Severity(severity) if severity else None, cause=cause
    )


@pytest.mark.parametrize(
    ("missed", "told"),
    [
        ([], []),
        ([gone(1, "P2", PROMETHEUS)], [f"1 P2 not looked at: {PROMETHEUS}"]),
        (
            [gone(1, "P1", PROMETHEUS), gone(2, "P0", PROMETHEUS), gone(3, "P1", PROMETHEUS)],
            [f"1 P0 and 2 P1 not looked at: {PROMETHEUS}"],
        ),
        (
            [gone(1, "P3", "loki declared absent"), gone(2, "P0", "not armed"), gone(3, "P1", "not armed")],
            ["1 P0 and 1 P1 not looked at: not armed", "1 P3 not looked at: loki declared absent"],
        ),
        (
            [gone(1, "P0", "a"), gone(2, "P1", "a"), gone(3, "P2", "a"), gone(4, None, "a")],
            ["1 P0, 1 P1, 1 P2 and 1 uncollected not looked at: a"],
        ),
        ([gone(1, "P1", "")], ["1 P1 not looked at"]),
    ],
)
def test_what_was_not_looked_at_is_counted_by_severity_and_cause(
    missed: list[NotLookedAt], told: list[str]
) -> None:
    """One phrase for each cause, the gravest first."""
    assert gaps(missed) == told


def test_the_part_stands_before_what_was_missed() -> None:
    """Meaning, part, and what was not looked at, in this order."""
    line = headline("the gate holds", [gone(1, "P0", "not armed")], ["oona", "E-INF-1"])
    assert line == "the gate holds · only oona, E-INF-1 · 1 P0 not looked at: not armed"


@pytest.mark.parametrize(
    ("counts", "all_seen"),
    [
        ({Verdict.PASS: 3}, True),
        ({Verdict.PASS: 3, Verdict.FAIL: 1}, True),
        ({Verdict.PASS: 3, Verdict.UNKNOWN: 1}, False),
        ({Verdict.PASS: 3, Verdict.WAIVED: 1}, False),
        ({}, False),
    ],
)
def test_the_page_calls_all_looked_at_only_where_it_was(
    counts: dict[Verdict, int], *, all_seen: bool
) -> None:
    """Not where a check is UNKNOWN, or may be so beneath its waiver, and not where nothing was judged."""
    page = render_html(report().model_copy(update={"counts": counts}), Redactor({}))
    assert ("Every check of this run was observed." in page) is all_seen
