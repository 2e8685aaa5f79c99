"""Generated projects in a temporary folder: checks of the toy under the engine, and trivial tests under pytest alone."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measured import ROOT, run
from bench.toy import PLAN

if TYPE_CHECKING:
    from bench.measured import Process
    from bench.toy import Plan

__all__ = ["Checked", "check_project", "trivial_project"]

PYPROJECT = """
[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["-p", "no:valkey", "-p", "no:hypothesispytest"]  # what only this suite's own tests need
strict_markers = true
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "session"
asyncio_default_test_loop_scope = "session"
filterwarnings = ["error"]
"""
HEAD = '''"""Generated."""
import pytest
from opsverify import Finding, verify
'''
CHECK = '''

@pytest.mark.check(id="T-PAGE-{n}", severity="P0", profiles="smoke", subsystem="pages", unreachable="fail", next_step="look")
def test_page_{n}(page_{n}):
    """Page {n} says ok."""
    verify(Finding(holds=page_{n}.value == "ok", reason="page", expected="ok", observed=page_{n}.value))
'''
TRIVIAL = '''

def test_{n}():
    """Holds."""
    assert {n} == {n}
'''


@dataclass(frozen=True, slots=True)
class Checked:
    """A run under the engine: the process, its folder, and what the toy noted of it."""

    process: Process
    folder: Path
    times: Path

    def noted(self, name: str) -> float:
        """A time that the toy noted, in seconds."""
        return float((self.times / name).read_text(encoding="utf-8"))

    def at_end(self) -> float:
        """When the journal's last record was written, after every report."""
        last = (self.folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()[-1]
        record = json.loads(last)
        assert record["kind"] == "end"
        return datetime.fromisoformat(record["at"]).timestamp()


def check_project(folder: Path, plan: Plan, *, profiler: tuple[str, ...] = ()) -> Checked:
    """Generate a project with one check per page, and run it."""
    checks = folder / "checks" / "toy"
    checks.mkdir(parents=True)
    (folder / "times").mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (folder / "conftest.py").write_text('pytest_plugins = ("bench.toy",)\n', encoding="utf-8")
    (folder / "target.toml").write_text('name = "toy"\n[toy]\n', encoding="utf-8")
    (checks / "test_pages.py").write_text(
        HEAD + "".join(CHECK.format(n=n) for n in range(plan.count)), encoding="utf-8"
    )
    planned = dataclasses.asdict(dataclasses.replace(plan, times=str(folder / "times")))
    (folder / "plan.json").write_text(json.dumps(planned), encoding="utf-8")
    command = [
        sys.executable,
        *profiler,
        "-m",
        "pytest",
        "checks",
        "--target=target.toml",
        "--reports=reports",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    ended = run(command, cwd=folder, environment=_environment(folder) | {PLAN: str(folder / "plan.json")})
    runs = [p for p in (folder / "reports").glob("*") if p.is_dir() and not p.is_symlink()]
    assert len(runs) == 1, ended.printed[-2000:]
    return Checked(ended, runs[0], folder / "times")


def trivial_project(folder: Path, count: int) -> Process:
    """Generate as many trivial tests, and run them with the same plugins and reports."""
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (folder / "test_trivial.py").write_text(
        '"""Generated."""\n' + "".join(TRIVIAL.format(n=n) for n in range(count)), encoding="utf-8"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "test_trivial.py",
        "--html=report.html",
        "--self-contained-html",
        "--junitxml=junit.xml",
    ]
    return run([*command, "-p", "no:cacheprovider", "-q"], cwd=folder, environment=_environment(folder))


def _environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {"PYTHONPATH": path, "OPSVERIFY_STATE": str(folder / "state")}
