"""The lock behind the real API process: sweeps, kills of sweeps, kills of the API, in any order."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from fixtures.statehub.twin.api import IN_FLIGHT
from fixtures.statehub.twin.history import read
from fixtures.statehub.twin.stack import _silent
from opsverify.servers.guard import Guard
from opsverify.servers.process import LOOPBACK, OwnedProcess, free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SWEEP_MS, BOUND_S, BEGINS_S, POLL_S = 150, 20.0, 0.3, 0.005
READY = timedelta(seconds=BOUND_S)


class TheApi(RuleBasedStateMachine):
    """What was told and recorded is judged at the end, when all is quiet."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = Guard()
        self.folder = self.guard.folder("opsverify-lock-")
        self.events, self.port = self.folder / "events.jsonl", free_port()
        self.events.touch()
        self.replies: list[dict[str, Any]] = []
        self.asking: list[threading.Thread] = []
        self.started: list[OwnedProcess] = []
        self._start_api()

    def _start_api(self) -> None:
        argv = [sys.executable, "-m", "fixtures.statehub.twin.api", "--port", str(self.port)]
        argv += ["--events", str(self.events), "--event-type", "sweep", "--sweep-ms", str(SWEEP_MS)]
        env = {**self.guard.environment(), "PYTHONPATH": str(ROOT)}
        log = self.folder / "api.log"
        api = OwnedProcess.start(argv, name="api", guard=self.guard, log=log, env=env, cwd=ROOT)
        api.wait_ready(lambda: _silent(self.port), READY)
        self.started.append(api)

    def _ask(self) -> None:
        request = urllib.request.Request(f"http://{LOOPBACK}:{self.port}/consistency/sweep/remote-all", b"{}")
        # An OSError: the API was killed meanwhile.
        with suppress(OSError), urllib.request.urlopen(request, timeout=BOUND_S) as reply:  # noqa: S310 -- loopback
            self.replies.append(json.load(reply))

    def _at_work(self) -> int | None:
        """The sweep that is at work, after a moment in which one may begin."""
        end = time.monotonic() + BEGINS_S
        while time.monotonic() < end:
            with suppress(FileNotFoundError, ValueError):
                return int((self.folder / IN_FLIGHT).read_text(encoding="utf-8"))
            time.sleep(POLL_S)
        return None

    @rule(number=st.integers(1, 3), pause_ms=st.integers(0, 2 * SWEEP_MS))
    def sweep(self, number: int, pause_ms: int) -> None:
        """Ask for so many at once, and go on without waiting for them."""
        asking = [threading.Thread(target=self._ask) for _ in range(number)]
        for thread in asking:
            thread.start()
        self.asking += asking
        time.sleep(pause_ms / 1000)

    @rule()
    def kill_a_sweep(self) -> None:
        """Ask for one, and SIGKILL what is at work then."""
        self.sweep(number=1, pause_ms=0)
        at_work = self._at_work()
        if at_work is not None:
            with suppress(ProcessLookupError):
                os.kill(at_work, signal.SIGKILL)

    @rule()
    def kill_the_api(self) -> None:
        """SIGKILL the API alone in the middle of a sweep, which stays an orphan at work; start the API again."""
        self.sweep(number=1, pause_ms=0)
        self._at_work()
        os.kill(self.started[-1].pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.started[-1].pid, os.WEXITED | os.WNOWAIT)
        self._start_api()

    def teardown(self) -> None:
        """Never two at work at a time; and when all is quiet, the lock is nobody's."""
        try:
            for thread in self.asking:
                thread.join(BOUND_S)
            worked = [
                e for e in read(self.events) if not (e["detail"]["lock_skipped"] or e["detail"]["automation_error"])
            ]  # fmt: skip
            ends = [datetime.fromisoformat(e["created_at"]) for e in worked]
            for earlier, later in pairwise(ends):
                # Half: on a slow machine an end is recorded when the next sweep has long begun.
                assert later - earlier >= timedelta(milliseconds=SWEEP_MS / 2)
            time.sleep(2 * SWEEP_MS / 1000)  # an orphan may be at work still
            before = len(self.replies)
            self._ask()
            assert [r["lock_skipped"] for r in self.replies[before:]] == [False]
            assert not self.replies[-1]["automation_error"]
        finally:
            for api in self.started:
                api.stop()
            self.guard.close()


TestTheApi = TheApi.TestCase
TestTheApi.settings = settings(max_examples=6, stateful_step_count=8, deadline=None)
