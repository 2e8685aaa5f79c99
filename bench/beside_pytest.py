"""Whole runs with every report beside a bare pytest that asks the same pages: what the engine costs an operator."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.measured import Row, note, spread
from bench.project import run_asking, run_checks, write_asking, write_checks
from bench.toy import Plan

if TYPE_CHECKING:
    from bench.endpoints import Endpoints

__all__ = ["beside_pytest"]

GOALS = {1: 1.2, 100: 1.3, 1000: 1.5}
"""By number of checks, each of one endpoint that answers after 50 ms."""
SILENT, DEADLINE_S, MARGIN_S = 40, 2.0, 1.0
HOLDS, GATED_FAIL, TESTS_FAILED = 0, 10, 1


def beside_pytest(where: Endpoints, repeats: int) -> list[Row]:
    """One row per size, and one of endpoints that never answer. Both projects are warm, and take turns."""
    rows = []
    for count, goal in GOALS.items():
        plan = Plan(count=count, url=where.answering)
        ours, bare = _turns(plan, repeats, (HOLDS, 0))
        ratio = median(a / b for a, b in zip(ours, bare, strict=True))
        what = f"whole run, {count:,} check{'s' if count > 1 else ''} of 50 ms"
        rows.append(Row(what, ratio, "times", goal, _told(ours, bare)))
    silent = Plan(
        count=SILENT + 1, deadline=DEADLINE_S, url=where.answering, silent_url=where.silent, silent=SILENT
    )
    ours, bare = _turns(silent, repeats, (GATED_FAIL, TESTS_FAILED))
    what = f"whole run, {SILENT} endpoints that never answer, deadline {DEADLINE_S:g} s"
    rows.append(Row(what, median(ours), "s", DEADLINE_S + MARGIN_S, _told(ours, bare)))
    return rows


def _turns(plan: Plan, repeats: int, statuses: tuple[int, int]) -> tuple[list[float], list[float]]:
    ours, bare = [], []
    with tempfile.TemporaryDirectory(prefix="opsverify-bench-") as folder:
        write_checks(Path(folder, "ours"), plan)
        write_asking(Path(folder, "bare"), plan)
        for turn in range(repeats + 1):
            note(f"{plan.count} checks beside bare pytest, turn {turn} of {repeats}")
            pair = run_checks(Path(folder, "ours")).process, run_asking(Path(folder, "bare"))
            for process, status in zip(pair, statuses, strict=True):
                assert process.status == status, process.printed[-2000:]
            if turn:  # the first one warms caches
                ours.append(pair[0].took)
                bare.append(pair[1].took)
    return ours, bare


def _told(ours: list[float], bare: list[float]) -> str:
    return f"ours with every report {spread(ours)}; pytest with one gather on aiohttp {spread(bare)}, turn by turn"
