"""Whole runs with every report beside a bare pytest that asks the same pages: the cost of the engine."""

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
    from bench.measured import Process

__all__ = ["beside_pytest"]

GOALS = {1: 1.2, 100: 1.3, 1000: 1.5}
"""By number of checks, each of one endpoint that answers after 50 ms."""
SILENT, DEADLINE_S, MARGIN_S = 40, 2.0, 1.0
HOLDS, GATED_FAIL, TESTS_FAILED = 0, 10, 1


def beside_pytest(where: Endpoints, repeats: int) -> list[Row]:
    """One row per size, and one of endpoints that never answer. Both projects are warm, and take turns."""
    rows = []
    for count, goal in GOALS.items():
        pairs = _turns(Plan(count=count, url=where.answering), repeats, (HOLDS, 0))
        ratio = median(ours.took / bare.took for ours, bare in pairs)
        what = f"whole run, {count:,} check{'s' if count > 1 else ''} of 50 ms"
        rows.append(Row(what, ratio, "times", goal, _comparison(pairs)))
    silent = Plan(
        count=SILENT + 1, deadline=DEADLINE_S, url=where.answering, silent_url=where.silent, silent=SILENT
    )
    pairs = _turns(silent, repeats, (GATED_FAIL, TESTS_FAILED))
    what = f"whole run, {SILENT} endpoints that never answer, deadline {DEADLINE_S:g} s"
    rows.append(
        Row(what, median(ours.took for ours, _ in pairs), "s", DEADLINE_S + MARGIN_S, _comparison(pairs))
    )
    return rows


def _turns(plan: Plan, repeats: int, statuses: tuple[int, int]) -> list[tuple[Process, Process]]:
    pairs = []
    with tempfile.TemporaryDirectory(prefix="opsverify-bench-") as folder:
        write_checks(Path(folder, "ours"), plan)
        write_asking(Path(folder, "bare"), plan)
        for turn in range(repeats + 1):
            note(f"{plan.count} checks beside bare pytest, turn {turn} of {repeats}")
            pair = run_checks(Path(folder, "ours")).process, run_asking(Path(folder, "bare"))
            for process, status in zip(pair, statuses, strict=True):
                assert process.status == status, process.printed[-2000:]
            pairs.append(pair)
    return pairs[1:]  # the first one warms caches


def _comparison(pairs: list[tuple[Process, Process]]) -> str:
    ours, bare = zip(*pairs, strict=True)
    cpu = min(process.cpu for process in ours) / min(process.cpu for process in bare)
    times = [spread([process.took for process in side]) for side in (ours, bare)]
    return (
        f"ours with every report {times[0]}; pytest with one gather on aiohttp {times[1]}, turn by turn; "
        f"the least CPU of each: {cpu:.2f} times"
    )
