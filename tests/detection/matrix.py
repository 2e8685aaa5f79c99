"""The detection matrix: one twin, one look at it for each fault that is put into it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from opsverify.model.verdict import Verdict
from tests.detection.look import Look, Looker, told
from tests.detection.recordings import stale, write
from tests.detection.source import specs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from opsverify.model.fault import Fault
    from opsverify.model.system import Twin
    from tests.detection.parts import Part

__all__ = ["Matrix", "in_order"]


class Matrix:
    """A twin that stays while its faults come and go. That a fault was undone shows in the next look: it turns exactly what
    its own fault turns. Where two faults share a check, after a surprise, and at the end everything must be green in between.
    """

    def __init__(self, part: Part, folder: Path, record: str) -> None:
        self.part, self._folder, self._record = part, folder, record
        self._last: type[Fault] | None = None
        self._surprised = False
        self._start()

    def _start(self) -> None:
        self.twin: Twin = self.part.start()
        self.looker = Looker(self.part.system, self.part.checks, self.twin, self.part.actions, self._folder)
        healthy = self.looker.look()
        if any(spec.baseline for spec in self.looker.specs.values()):
            self.looker.healthy = healthy  # what is compared with
            healthy = self.looker.look()
        assert not healthy.not_green, f"before any fault:\n{told(healthy.outcomes, healthy.not_green)}"
        self.looker.healthy = healthy
        self.lacking = {
            check for check, outcome in healthy.outcomes.items() if outcome.verdict is Verdict.SKIP
        }
        if not self.lacking and (
            self._record == "all" or (self._record == "stale" and stale(self.part, None))
        ):
            write(self.part, None, self.looker, healthy)

    def turn(self, fault_class: type[Fault] | None) -> None:
        """Put a fault in force, see exactly its checks turn, for its reason, and undo it; without one, see all green. Skips
        what this machine cannot see, and where a look at less than everything was to be recorded.
        """
        if fault_class is None:
            self.see_green()
            self._skip_unrecorded("health")
            return
        expected_failures = {
            check: turned
            for check, turned in fault_class.expected_failures.items()
            if check not in self.lacking
        }
        if not expected_failures:
            pytest.skip(
                "this machine has no server that this fault breaks; see the README for what to install"
            )
        self._in_health_for(expected_failures)
        self._surprised = True  # until it has turned what it should
        fault = self.part.fault(fault_class, self.twin)
        self.part.before(fault)
        before = fault.state()
        fault.inject()
        try:
            fault.settled()
            assert fault.state() != before
            red = self.looker.look(self._touched(fault_class))
        finally:
            fault.restore()
        assert fault.state() == before
        assert red.not_green.keys() == expected_failures.keys(), self._told(red, expected_failures)
        for check, (verdict, reason) in expected_failures.items():
            seen = red.not_green[check]
            assert seen[0] == verdict.value, self._told(red, expected_failures)
            assert re.fullmatch(reason, seen[1]), self._told(red, expected_failures)
        self._last, self._surprised = fault_class, False
        self._skip_unrecorded(fault_class.name)
        if self._record != "no":
            write(self.part, fault_class, self.looker, red)

    def _skip_unrecorded(self, name: str) -> None:
        if self._record != "no" and self.lacking:
            pytest.skip(
                f"{name} was seen, and not recorded: nothing here for {', '.join(sorted(self.lacking))}"
            )

    def _touched(self, fault: type[Fault]) -> set[str]:
        """The observations that act on what the fault's checks look at; any other action it leaves as it was in health."""
        surfaces = {surface for spec in specs_of(self.part, fault) for surface in spec.surfaces}
        return {
            spec.name for spec in self.looker.specs.values() if spec.active and surfaces & set(spec.surfaces)
        }

    def _in_health_for(self, expected_failures: Iterable[str]) -> None:
        """See that nothing is left of what was before, where the next look would not show it."""
        if self._surprised:
            self._surprised = False
            if self.looker.look().not_green:
                self.twin.stop()
                self._start()
        elif self._last is not None and set(expected_failures) & self._last.expected_failures.keys():
            self.see_green()

    def see_green(self) -> None:
        """Every check that this machine can have is green."""
        green = self.looker.look()
        after = f"after {self._last.name}" if self._last else "without a fault"
        assert not green.not_green, f"{after}, not green:\n{told(green.outcomes, green.not_green)}"

    def end(self) -> None:
        """See everything green once more, and stop the twin."""
        try:
            if not self._surprised:
                self.see_green()
        finally:
            self.twin.stop()

    def _told(self, red: Look, expected: Mapping[str, object]) -> str:
        """What turned beyond what should, what did not, and what each was judged from."""
        beyond = {check: turned for check, turned in red.not_green.items() if check not in expected}
        lacking = sorted(expected.keys() - red.not_green.keys())
        before = f" (the fault before was {self._last.name})" if self._last else ""
        found = told(red.outcomes, beyond.keys() | expected.keys())
        return f"beyond what should have turned: {beyond}; not turned: {lacking}{before}\n{found}"


def in_order(faults: Sequence[type[Fault]]) -> list[type[Fault]]:
    """The faults such that, where it can be, two neighbours turn no check in common."""
    ahead = list(faults)
    ordered: list[type[Fault]] = []
    while ahead:
        taken = ordered[-1].expected_failures.keys() if ordered else set[str]()
        following = next((fault for fault in ahead if not taken & fault.expected_failures.keys()), ahead[0])
        ahead.remove(following)
        ordered.append(following)
    return ordered
