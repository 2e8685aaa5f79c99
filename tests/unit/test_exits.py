"""The exit contract: whatever a run was, its status is the one that the table gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.exits import CONTRACT, Exit, Judged, RunFacts, decide, markdown_table
from opsverify.verdict import Severity, Verdict

README = Path(__file__).parents[2] / "README.md"

JUDGED = st.builds(Judged, st.sampled_from(Verdict), st.sampled_from(Severity), st.booleans())
FACTS = st.builds(
    RunFacts,
    judged=st.lists(JUDGED, max_size=6).map(tuple),
    gate=st.sampled_from(Severity),
    strict_severity=st.booleans(),
    left_changed=st.booleans(),
    interrupted=st.booleans(),
    internal_error=st.booleans(),
    usage_error=st.booleans(),
    no_such_alert=st.booleans(),
    vacuous=st.booleans(),
    unwritable=st.booleans(),
    busy=st.booleans(),
    busy_is_ok=st.booleans(),
)
CALM = st.builds(
    RunFacts,
    judged=st.lists(JUDGED, max_size=6).map(tuple),
    gate=st.sampled_from(Severity),
    strict_severity=st.booleans(),
)


def oracle(facts: RunFacts) -> int:
    """The contract, written a second time from DESIGN section 4 and without looking at the first."""
    order = ["P0", "P1", "P2", "P3"]
    sides: dict[bool, set[str]] = {True: set(), False: set()}
    for judged in facts.judged:
        if not judged.advisory:
            sides[order.index(judged.severity.value) <= order.index(facts.gate.value)].add(
                judged.verdict.value
            )
    ladder = [
        (facts.left_changed, 14),
        (facts.interrupted, 2),
        (facts.internal_error, 3),
        (facts.usage_error, 4),
        (facts.no_such_alert, 4),
        (facts.busy, 0 if facts.busy_is_ok else 16),
        ("FAIL" in sides[True], 10),
        ("UNKNOWN" in sides[True], 12),
        (facts.vacuous, 13),
        (facts.unwritable, 15),
        (facts.strict_severity and bool(sides[False] & {"FAIL", "UNKNOWN"}), 11),
    ]
    return next((code for happened, code in ladder if happened), 0)


@given(FACTS)
def test_the_status_is_what_the_contract_says(facts: RunFacts) -> None:
    """Any mix of verdicts, severities, gates and flags gives the status of an independently written
    contract.
    """
    assert decide(facts)[0] == oracle(facts)


@given(FACTS)
def test_something_left_changed_outranks_everything(facts: RunFacts) -> None:
    """A run that leaves something changed ends with 14, whatever else it was."""
    assert decide(facts._replace(left_changed=True))[0] == 14


@given(FACTS)
def test_pytests_own_1_and_5_never_appear(facts: RunFacts) -> None:
    """No run ends with pytest's 1 or 5, and every status has a meaning in words."""
    status, meaning = decide(facts)
    assert int(status) not in (1, 5)
    assert meaning


@given(
    FACTS,
    st.lists(st.builds(Judged, st.sampled_from(Verdict), st.sampled_from(Severity), st.just(value=True))),
)
def test_advisory_checks_change_nothing(facts: RunFacts, advisory: list[Judged]) -> None:
    """Checks that are advisory count for no gate and no flag."""
    assert decide(facts._replace(judged=(*facts.judged, *advisory))) == decide(facts)


@given(
    FACTS,
    st.lists(
        st.builds(
            Judged, st.sampled_from([Verdict.SKIP, Verdict.PASS, Verdict.WAIVED]), st.sampled_from(Severity)
        )
    ),
)
def test_skipped_waived_and_passing_checks_change_nothing(facts: RunFacts, quiet: list[Judged]) -> None:
    """SKIP, WAIVED and PASS never change a status."""
    assert decide(facts._replace(judged=(*facts.judged, *quiet))) == decide(facts)


@given(CALM, JUDGED)
def test_one_more_trouble_never_makes_a_run_greener(facts: RunFacts, more: Judged) -> None:
    """A red run does not turn 0 by one more check."""
    if decide(facts)[0] is not Exit.HOLDS:
        assert decide(facts._replace(judged=(*facts.judged, more)))[0] is not Exit.HOLDS


def test_the_table_lists_every_row_once() -> None:
    """The documentation's table has one line for each row of the contract, in its order."""
    lines = markdown_table().splitlines()
    assert lines[2:] == [f"| {int(rule.code)} | {rule.meaning} |" for rule in CONTRACT]
    assert len(set(lines)) == len(lines)
    assert {rule.code for rule in CONTRACT} == set(Exit)


def test_the_readme_carries_the_table() -> None:
    """README.md shows the contract exactly as it is decided."""
    text = README.read_text(encoding="utf-8")
    begin, end = "<!-- exit-codes -->", "<!-- /exit-codes -->"
    assert begin in text, f"README.md has no block between {begin} and {end}"
    assert text.split(begin)[1].split(end)[0].strip() == markdown_table()


@pytest.mark.parametrize(("gate", "status"), [("P0", 0), ("P1", 10), ("P3", 10)])
def test_severity_moves_a_check_across_the_gate(gate: str, status: int) -> None:
    """A failing P1 check counts for the gates P1 and below, and not for P0."""
    assert decide(RunFacts(judged=(Judged(Verdict.FAIL, Severity.P1),), gate=Severity(gate)))[0] == status
