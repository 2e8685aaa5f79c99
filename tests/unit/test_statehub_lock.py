"""The sweep's lock, with real processes: whatever is started, killed and raced, at most one works, and nobody's lock is held."""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fixtures.statehub.twin.sweeper import AT_WORK, SKIPPED, command

LONG_MS, SHORT_MS = 60_000, 5
BOUND_S = 20


class TheLock(RuleBasedStateMachine):
    """Sweeps start, end, and are killed, in any order; the model is only which one must be at work."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.lock = self.folder / "sweep.lock"
        self.working: subprocess.Popen[bytes] | None = None

    def start(self, number: int, milliseconds: int) -> list[subprocess.Popen[bytes]]:
        """Start so many at once; those that are at work now."""
        argv = command(self.lock, milliseconds)
        started = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(number)]
        at_work = []
        for child in started:
            assert child.stdout is not None
            with child.stdout as told:
                works = told.readline() == AT_WORK
            if works:
                at_work.append(child)
            else:
                assert child.wait(BOUND_S) == SKIPPED
        return at_work

    @rule(number=st.integers(1, 4))
    def race(self, number: int) -> None:
        """Of sweeps that start at once one works if none was at work, and none otherwise."""
        at_work = self.start(number, LONG_MS)
        assert len(at_work) == (0 if self.working else 1)
        self.working = at_work[0] if at_work else self.working

    @precondition(lambda self: self.working is None)
    @rule()
    def ends_by_itself(self) -> None:
        """A short sweep lets go of the lock when it is done."""
        (short,) = self.start(1, SHORT_MS)
        assert short.wait(BOUND_S) == 0

    @precondition(lambda self: self.working is not None)
    @rule(how=st.sampled_from([signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV]))
    def dies(self, how: signal.Signals) -> None:
        """The one at work dies, without a chance to clean up."""
        assert self.working is not None
        self.working.send_signal(how)
        assert self.working.wait(BOUND_S) == -how
        self.working = None

    @invariant()
    def held_by_the_living_only(self) -> None:
        """The lock is taken if one is at work, and free if none is."""
        with self.lock.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = True
            except BlockingIOError:
                free = False
        assert free == (self.working is None)

    def teardown(self) -> None:
        """End what is still at work."""
        if self.working is not None:
            self.working.kill()
            self.working.wait(BOUND_S)
        shutil.rmtree(self.folder)


TestTheLock = TheLock.TestCase
TestTheLock.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
