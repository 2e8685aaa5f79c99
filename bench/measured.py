"""A measured number beside its goal, and how processes are measured."""

from __future__ import annotations

import atexit
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["LONGEST_S", "ROOT", "Process", "Row", "markdown", "note", "run", "spread"]

ROOT = Path(__file__).resolve().parents[1]
LONGEST_S = 300.0
POLL_S = 0.01
_CHANGE_THE_COST = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
)  # of imports, and of every line on the terminal


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `value` is compared with `goal`, both in `unit`; `from_what` says how it was measured."""

    what: str
    value: float
    unit: str
    goal: float | None
    from_what: str

    def cells(self) -> list[str]:
        """The line's cells."""
        goal = "—" if self.goal is None else f"≤ {self.goal:g} {self.unit}"
        holds = "—" if self.goal is None else ("yes" if self.value <= self.goal else "**no**")
        return [self.what, f"{self.value:.2f} {self.unit}", goal, holds, self.from_what]


@dataclass(frozen=True, slots=True)
class Process:
    """A process that has ended: exit status, seconds, seconds of CPU, end (wall clock), its own peak memory in MB, and
    what it printed.
    """

    status: int
    took: float
    cpu: float
    ended: float
    peak_mb: float
    printed: str


def spread(values: Sequence[float], unit: str = "s", scale: float = 1.0) -> str:
    """Median and range of repeats, in words."""
    low, high = min(values) * scale, max(values) * scale
    return f"{median(values) * scale:.3g} {unit} ({low:.3g} to {high:.3g}, {len(values)} times)"


def note(text: str) -> None:
    """Say on standard error what is going on; standard output holds the table alone."""
    print(text, file=sys.stderr, flush=True)


def run(command: Sequence[str], *, cwd: Path, environment: dict[str, str]) -> Process:
    """Run a command to its end, at most five minutes, and watch the memory of that one process.

    Bytecode is cached as in a warm environment, but in a folder of the benchmark's own.
    """
    env = {name: value for name, value in os.environ.items() if name not in _CHANGE_THE_COST}
    env |= {"PYTHONPYCACHEPREFIX": _bytecode(), **environment}
    began, cpu = time.monotonic(), _cpu_of_children()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        peak = 0.0
        try:
            while child.poll() is None:
                peak = max(peak, _peak_mb(child.pid))
                if time.monotonic() - began > LONGEST_S:
                    msg = f"{' '.join(command[:4])} … has not ended within {LONGEST_S:g} s"
                    raise TimeoutError(msg)
                time.sleep(POLL_S)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        took, ended = time.monotonic() - began, time.time()
        output.seek(0)
        printed = output.read().decode(errors="replace")
        return Process(child.returncode, took, _cpu_of_children() - cpu, ended, peak, printed)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@cache
def _bytecode() -> str:
    folder = tempfile.mkdtemp(prefix="opsverify-bench-bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _peak_mb(pid: int) -> float:
    # Not ru_maxrss: a child begins with its parent's peak there, and children that it waited for count too.
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def markdown(rows: Iterable[Row]) -> str:
    """The table, with the machine that it was measured on."""
    head = ["what", "measured", "goal", "holds", "from"]
    lines = [
        f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *(row.cells() for row in rows)]
    ]
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}; medians."
    return "\n".join([*lines, "", f"Measured on {machine}", ""])
