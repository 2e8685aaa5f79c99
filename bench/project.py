"""Generated projects in a temporary folder: checks of the toy under the engine, and tests under pytest alone."""

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

__all__ = [
    "Checked",
    "check_project",
    "run_asking",
    "run_checks",
    "trivial_project",
    "write_asking",
    "write_checks",
]

PYPROJECT = """
[tool.pytest.ini_options]
pythonpath = ["."]
# What only this suite's own systems and tests need.
addopts = ["-p", "no:valkey", "-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:pytest11.testinfra", "-p", "no:xdist", "-p", "no:xdist.looponfail"]
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
ASKING = '''"""Generated."""
import asyncio
import aiohttp
import pytest_asyncio

URLS = {urls}

async def page(session, url):
    try:
        async with session.get(url) as reply:
            return (await reply.json())["status"]
    except TimeoutError:
        return "silent"

@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pages():
    timeout = aiohttp.ClientTimeout(total={deadline})
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        return await asyncio.gather(*(page(session, url) for url in URLS))
'''
ASKED = '''

def test_page_{n}(pages):
    """Page {n} says ok."""
    assert pages[{n}] == "ok"
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


def check_project(folder: Path, plan: Plan) -> Checked:
    """Generate a project with one check per page, and run it."""
    write_checks(folder, plan)
    return run_checks(folder)


def write_checks(folder: Path, plan: Plan) -> None:
    """Generate a project with one check per page."""
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


def run_checks(folder: Path) -> Checked:
    """Run it, with every report."""
    command = [
        sys.executable,
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
    latest = folder / "reports/latest"
    assert latest.is_dir(), ended.printed[-2000:]
    return Checked(ended, latest.resolve(), folder / "times")


def write_asking(folder: Path, plan: Plan) -> None:
    """Generate the least that asks the same pages: one gather in a session fixture, and a test per page."""
    folder.mkdir(parents=True)
    urls = [plan.address(n) for n in range(plan.count)]
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (folder / "conftest.py").write_text(ASKING.format(urls=urls, deadline=plan.deadline), encoding="utf-8")
    (folder / "test_pages.py").write_text(
        '"""Generated."""\n' + "".join(ASKED.format(n=n) for n in range(plan.count)), encoding="utf-8"
    )


def run_asking(folder: Path) -> Process:
    """Run that under pytest with pytest-asyncio alone: no engine, no HTML, no JUnit."""
    command = [sys.executable, "-m", "pytest", "test_pages.py", "-p", "no:cacheprovider", "-q"]
    without = ("opsverify", "html", "metadata")
    command += [word for name in without for word in ("-p", f"no:{name}")]
    return run(command, cwd=folder, environment=_environment(folder))


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
