"""Garbage is left alone while a run starts, and collected from its first check on."""

from __future__ import annotations

import gc
import subprocess
import sys

from opsverify.run import garbage

COLLECTS = """
import gc, sys
sys.argv = ["{program}"]
import opsverify
print(gc.isenabled())
"""


def _collects(program: str) -> str:
    code = COLLECTS.format(program=program)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_only_a_process_of_pytest_leaves_it_alone() -> None:
    """A program that imports the package, or calls pytest, keeps its collector as it is."""
    assert (_collects("/usr/bin/pytest"), _collects("/home/ada/program.py")) == ("False", "True")


def test_the_run_collects_again() -> None:
    """From the first check on garbage is collected, and what there was before is not looked through."""
    before = gc.get_freeze_count()
    garbage.pause()
    assert not gc.isenabled()
    garbage.resume()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    gc.unfreeze()


def test_a_collector_that_somebody_switched_off_stays_off() -> None:
    """Who has switched it off has a reason."""
    gc.disable()
    try:
        garbage.pause()
        garbage.resume()
        assert not gc.isenabled()
    finally:
        gc.enable()
