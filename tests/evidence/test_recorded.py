"""The detection matrix from its recordings: each fault ever seen turns exactly its checks, by this version's criteria."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.detection.look import told
from tests.detection.parts import PARTS, Part
from tests.detection.recordings import FOLDER, HEALTHY, known, load, stale, unreadable, written
from tests.evidence.recording import SYSTEMS, checks_of
from tests.evidence.recording import load as load_cases

if TYPE_CHECKING:
    from opsverify.model.fault import Fault
    from opsverify.model.verdict import Outcome

FOLDERS = ("/tmp/", "/home/", "/root/")  # noqa: S108 -- none is used
MOST_BYTES = 5_000_000
RECORDED = [
    pytest.param(part, fault, id=f"{part.name}-{fault.name if fault else HEALTHY}")
    for part in PARTS.values()
    for fault in (None, *part.faults)
]


@pytest.mark.parametrize(("part", "fault"), RECORDED)
def test_recorded_evidence_turns_exactly_the_checks_of_its_fault(
    part: Part, fault: type[Fault] | None
) -> None:
    """Judged again, what was seen with the fault in force turns its checks and no other; what was seen in health, none."""
    if why := unreadable(part, fault):
        pytest.fail(why)
    if why := stale(part, fault):
        pytest.skip(why)
    name = fault.name if fault else HEALTHY
    outcomes = load(part.name, name).outcomes
    expected = fault.expected_failures if fault else {}
    assert outcomes.keys() >= expected.keys()
    others = [
        *(
            check
            for check, (verdict, reason) in expected.items()
            if not _is(outcomes[check], verdict, reason)
        ),
        *(
            check
            for check in outcomes.keys() - expected.keys()
            if not _is(outcomes[check], "PASS|SKIP", ".*")
        ),
    ]
    should = {check: " ".join(expected.get(check, ("PASS", ""))) for check in others}
    assert not others, f"{part.name}/{name}: should be {should}, and is\n{told(outcomes, others)}"


def _is(outcome: Outcome, verdict: str, reason: str) -> bool:
    return bool(re.fullmatch(verdict, outcome.verdict.value) and re.fullmatch(reason, outcome.reason))


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_no_recording_is_left_of_a_fault_that_is_gone(part: Part) -> None:
    """Files and index have the same names, each of a fault that there is."""
    names = {fault.name for fault in part.faults} | {HEALTHY}
    files = {path.name.partition(".")[0] for path in (FOLDER / part.name).glob("*.xz")}
    assert files == known(part.name).keys()
    assert files <= names


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_check_is_recorded_green_and_red(system: str) -> None:
    """Of each check there is evidence of a PASS, and of a FAIL."""
    verdicts = {(case.check, case.verdict) for case in load_cases(system)}
    wanted = {(check, verdict) for check in checks_of(system) for verdict in ("PASS", "FAIL")}
    assert wanted - verdicts == set()


def test_a_recording_holds_nothing_of_a_machine() -> None:
    """No path of the machine that recorded, nor of a person's folder, no secret of a twin, and nothing large."""
    for part in PARTS.values():
        for name in known(part.name):
            text = written(part.name, name)
            assert [folder for folder in FOLDERS if folder in text] == [], name
            assert re.findall(r"/opsverify-[a-z-]+-[0-9a-f]{8,}", text) == [], name
            assert re.findall(r"://[^\s/@\"']+:[^\s/@\"'\[]+@", text) == []
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.xz")) < MOST_BYTES
