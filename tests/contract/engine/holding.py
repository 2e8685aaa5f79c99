"""Another process that holds the lamp's target, as a run does, for as long as a test needs."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.contract.engine.project import Project

__all__ = ["held"]

_HOLDER = """
import sys
from pathlib import Path
from lamp_target import LampSection
from opsverify.canary.canary import CanaryRun
from opsverify.canary.history import History
from opsverify.run.lock import TargetLock
from opsverify.target.file import load_target

target = load_target(Path("targets/live.toml"), {"lamp": LampSection})
shared = target.history.url_env.get_secret_value() if target.history else Path("unused.sqlite")
history = History(shared, target.key)
history.open()
lock = CanaryRun(history, target, TargetLock(target.key, "the-holder"))
lock.acquire()
print("held", lock.troubles, flush=True)
sys.stdin.read()
"""


@contextmanager
def held(project: Project, env: Mapping[str, str]) -> Iterator[None]:
    """Hold the target until the end of the block, at which the holder is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        cwd=project.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OPSVERIFY_STATE": str(project.state), **env},
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held []\n"
        yield
    finally:
        process.kill()
        process.communicate(timeout=20)
