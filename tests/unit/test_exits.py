"""The exit contract, row by row: each flag alone and with each other, with each verdict on each side of the gate."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from opsverify.model.exit_codes import CONTRACT, Exit, Judged, RunFacts, decide, markdown_table
from opsverify.model.verdict import Severity, Verdict

README = Path(__file__).parents[2] / "README.md"

STATED = (
    (14, "left_changed", "could not be undone"),
    (2, "interrupted", "interrupted"),
    (3, "internal_error", "internal error"),
    (4, "usage_error", "a bad option"),
    (4, "no_such_alert", "no rule for the alert"),
    (0, "busy busy_is_ok", "--if-busy=ok was given"),
    (16, "busy", "nothing was looked at"),
    (10, "gated-FAIL", "a gated check FAILs"),
    (12, "gated-UNKNOWN", "a gated check is UNKNOWN"),
    (13, "vacuous", "vacuous"),
    (15, "unwritable", "could not be written"),
    (11, "ungated-FAIL strict_severity", "with --strict-severity"),
    (11, "ungated-UNKNOWN strict_severity", "with --strict-severity"),
    (0, "", "the gate holds"),
)
"""The contract a second time: exit, all that has happened, a part of the meaning. The first that fits, top down."""

FLAGS = tuple(name for name, usual in RunFacts()._asdict().items() if usual is False)
SOME_FLAGS = [frozenset(some) for n in range(3) for some in combinations(FLAGS, n)]


class Check(NamedTuple):
    """A check of a row: its verdict, on which side of the gate it is, and whether it counts at all."""

    verdict: Verdict
    gated: bool
    advisory: bool

    @property
    def happened(self) -> str:
        """The word of STATED for it."""
        side = "gated" if self.gated else "ungated"
        return f"advisory-{self.verdict}" if self.advisory else f"{side}-{self.verdict}"

    @property
    def judged(self) -> Judged:
        """What the engine knows of it, at gate P1."""
        return Judged(self.verdict, Severity.P1 if self.gated else Severity.P2, self.advisory)


CHECKS = [Check(*each) for each in product(Verdict, (True, False), (True, False))]


def wrong(flags: frozenset[str], *checks: Check) -> str:
    """How the engine's answer to a row differs from the contract's; nothing where it does not."""
    happened = {*flags, *(check.happened for check in checks)}
    stated, meaning = next((code, meant) for code, words, meant in STATED if happened >= {*words.split()})
    given: dict[str, Any] = dict.fromkeys(flags, True)
    facts = RunFacts(tuple(check.judged for check in checks), **given)
    status, told = decide(facts)
    row = f"{', '.join(sorted(happened)) or 'nothing'}: {status} {told!r}, not {stated} {meaning!r}"
    return "" if status == stated and meaning in told else row


def test_the_rows_are_of_every_flag() -> None:
    """The rows below have each flag of a run alone and in pairs; the engine counts from P1 up by default."""
    assert {"gate", "judged", *FLAGS} == {*RunFacts._fields}
    assert len(SOME_FLAGS) == 1 + 10 + 45
    assert RunFacts() == RunFacts((), Severity.P1, *[False] * len(FLAGS))


def test_the_status_is_what_the_contract_says() -> None:
    """Each flag alone and with each other, without a check and with one of each kind: the status and its meaning."""
    alone = [wrong(flags) for flags in SOME_FLAGS]
    beside = [wrong(flags, check) for flags, check in product(SOME_FLAGS, CHECKS)]
    assert len(alone + beside) == 56 * 21
    assert [told for told in alone + beside if told] == []


def test_of_two_checks_the_worse_one_counts() -> None:
    """Two checks of any two kinds, in either order, with and without --strict-severity."""
    strict: list[frozenset[str]] = [frozenset(), frozenset({"strict_severity"})]
    rows = [wrong(flags, one, other) for flags, one, other in product(strict, CHECKS, CHECKS)]
    assert [told for told in rows if told] == []


COUNTS = {"P0": "P0", "P1": "P0 P1", "P2": "P0 P1 P2", "P3": "P0 P1 P2 P3"}
"""For each gate, the severities that count for it."""


@pytest.mark.parametrize("gate", COUNTS)
def test_each_severity_counts_for_its_gates(gate: str) -> None:
    """A check at or above the gate decides; one below it only with --strict-severity."""
    statuses = {Verdict.FAIL: 10, Verdict.UNKNOWN: 12}
    for severity, verdict, strict, advisory in product(Severity, Verdict, (False, True), (False, True)):
        below = 11 if strict and verdict in statuses else 0
        stated = statuses.get(verdict, 0) if severity.value in COUNTS[gate].split() else below
        facts = RunFacts((Judged(verdict, severity, advisory),), Severity(gate), strict_severity=strict)
        row = f"{severity} {verdict} at gate {gate}, strict {strict}, advisory {advisory}"
        assert (row, decide(facts)[0]) == (row, 0 if advisory else stated)


def test_the_table_lists_every_row_once() -> None:
    """The documentation's table has one line for each row of the contract, in its order."""
    lines = markdown_table().splitlines()
    assert lines[2:] == [f"| {int(rule.code)} | {rule.meaning} |" for rule in CONTRACT]
    assert len(set(lines)) == len(lines)
    assert {rule.code for rule in CONTRACT} == set(Exit)
    assert {1, 5}.isdisjoint(Exit)  # pytest's own, which never leave the process


def test_the_readme_carries_the_table() -> None:
    """README.md shows the contract exactly as it is decided."""
    text = README.read_text(encoding="utf-8")
    begin, end = "<!-- exit-codes -->", "<!-- /exit-codes -->"
    assert begin in text, f"README.md has no block between {begin} and {end}"
    assert text.split(begin)[1].split(end)[0].strip() == markdown_table()
