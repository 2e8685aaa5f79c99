"""Runs the suite's real command in a process of its own, watched for time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Ended", "run_checks"]

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 60.0
POLL_S = 0.02
TARGET = """
name = "hostile"
[esper]
workload = "idle"
{absent}
[esper.redis]
url = "{redis}"
{login}
[esper.nissa]
url = "{nissa}"
[esper.limits]
window = 0.2
settle = 0.5
canary = 1
"""


ABSENT = ("prometheus", "grafana", "elasticsearch", "files")
"""Surfaces that a hostile run does not have, unless its test names fewer."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended: exit status, all that it printed, seconds, peak memory in MB, and its folder."""

    status: int
    printed: bytes
    took: float
    peak_mb: float
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report."""
        loaded: dict[str, Any] = json.loads((self.folder / "report.json").read_bytes())
        return loaded

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdict and reason of every check, by id."""
        return {check["id"]: f"{check['verdict']} {check['reason']}" for check in self.report["checks"]}


def run_checks(
    folder: Path,
    redis: str,
    nissa: str,
    *,
    login: str = "",
    more: str = "",
    absent: tuple[str, ...] = ABSENT,
    environment: dict[str, str] | None = None,
) -> Ended:
    """Run all checks of Esper-Lite against these addresses; a run that does not end is killed.

    `more` are further tables of the target file, for the surfaces that are not in `absent`.
    """
    folder.mkdir()
    target = folder / "target.toml"
    declared = ", ".join(f'{surface} = "not part of this test"' for surface in absent)
    text = TARGET.format(redis=redis, nissa=nissa, login=login, absent=f"absent = {{ {declared} }}")
    target.write_text(text + more, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "checks/esper",
        "--target",
        str(target),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",  # half a second of each run, for what no check uses
    ]
    command.append(f"--reports={folder / 'reports'}")
    env = {**os.environ, "OPSVERIFY_STATE": str(folder / "state"), **(environment or {})}
    began = time.monotonic()
    with (folder / "printed").open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        peak = _watched(child, began + LONGEST_S)
    took = time.monotonic() - began
    printed = (folder / "printed").read_bytes()
    runs = [p for p in (folder / "reports").glob("*") if p.is_dir() and not p.is_symlink()]
    assert len(runs) == 1, printed.decode(errors="replace")
    return Ended(child.returncode, printed, took, peak, runs[0])


def _watched(child: subprocess.Popen[bytes], until: float) -> float:
    # Not ru_maxrss: a child begins with its parent's peak there.
    peak = 0.0
    while child.poll() is None:
        with suppress(OSError, ProcessLookupError):
            status = Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8")
            peak = max(
                peak,
                *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")),
                0.0,
            )
        if time.monotonic() > until:
            child.kill()
            child.wait()
        time.sleep(POLL_S)
    return peak
