"""Everything ever recorded is judged again, to the verdict and the reason that it had."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from tests.evidence.recording import FOLDER, SYSTEMS, Case, checks_of, judged, limits_of, load, taken

ANEW = "record anew: pytest tests/detection --basetemp FOLDER, then python -m tests.evidence.recording FOLDER"
MOST_BYTES = 5_000_000


@pytest.mark.parametrize("system", SYSTEMS)
def test_recorded_evidence_is_judged_as_it_was(system: str) -> None:
    """Each recorded case has its verdict and its reason again."""
    specs = {spec.name: spec for spec in SYSTEMS[system].observations}
    checks = checks_of(system)
    changed = []
    for case in load(system):
        try:
            seen = {name: taken(specs[name], saved) for name, saved in case.saved.items()}
        except (KeyError, ValidationError) as error:
            changed.append(f"{_shown(case)} cannot be loaded ({type(error).__name__}); {ANEW}")
            continue
        outcome = judged(checks[case.check], limits_of(system, case.limits), seen)
        if (outcome.verdict, outcome.reason) != (case.verdict, case.reason):
            changed.append(f"{_shown(case)} is now {outcome.verdict} {outcome.reason}")
    assert changed == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_check_is_recorded_green_and_red(system: str) -> None:
    """Of each check there is evidence of a PASS, and of a FAIL."""
    verdicts = {(case.check, case.verdict) for case in load(system)}
    wanted = {(check, verdict) for check in checks_of(system) for verdict in ("PASS", "FAIL")}
    assert wanted - verdicts == set()


def test_a_recording_holds_nothing_of_a_machine() -> None:
    """No path of the machine that recorded, nor of a person's folder, and nothing large."""
    for system in SYSTEMS:
        text = repr(load(system))
        assert re.findall(r"(?:/var)?/tmp/[^\s\"']+|/(?:home|root|work|builds)/[^\s\"']+", text) == []
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES


def _shown(case: Case) -> str:
    return f"{case.check} {case.verdict} {case.reason}"
