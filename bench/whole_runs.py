"""Goals (b) to (d): the engine's share of a large run, a black hole, and the embedded smoke of this checkout."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.measured import ROOT, Row, note, run, spread
from bench.project import check_project, trivial_project
from bench.toy import Plan

if TYPE_CHECKING:
    from bench.endpoints import Endpoints

__all__ = ["black_hole", "overhead", "smoke"]

CHECK_MS = 1.0
SILENT, DEADLINE_S, MARGIN_S = 40, 2.0, 0.5
SMOKE_S, SMOKE_MB = 10.0, 200.0
GATED_FAIL = 10


def overhead(count: int, repeats: int) -> list[Row]:
    """The engine's own time per check: its run, less the same number of trivial tests, less the gathering.

    In seconds of CPU: these runs wait for nothing, and what else the machine does is not in it.
    """
    engine, trivial, gathering, share, peak, wall = [], [], [], [], [], []
    _warm()
    for turn in range(repeats):
        note(f"{count} checks, turn {turn + 1} of {repeats}")
        with tempfile.TemporaryDirectory(prefix="opsverify-bench-") as folder:
            ours = check_project(Path(folder, "ours"), Plan(count=count, one_surface=True))
            assert ours.process.status == 0, ours.process.printed[-2000:]
            bare = trivial_project(Path(folder, "bare"), count)
            assert bare.status == 0, bare.printed[-2000:]
            engine.append(ours.process.cpu)
            trivial.append(bare.cpu)
            gathering.append(ours.noted("gathering-cpu"))
            share.append((engine[-1] - trivial[-1] - gathering[-1]) / count * 1000)
            peak.append(ours.process.peak_mb)
            wall.append((ours.process.took - bare.took - ours.noted("gathering")) / count * 1000)
    formula = f"CPU of (run {spread(engine)} less trivial tests {spread(trivial)} less gathering {spread(gathering)}) ÷ {count}"
    each = [g / count * 1000 for g in gathering]
    return [
        Row(
            f"engine per check, {count:,} checks",
            median(share),
            "ms",
            CHECK_MS,
            f"{formula}; by the clock {spread(wall, 'ms')}",
        ),
        Row(
            "gathering, per observation of a constant",
            median(each),
            "ms",
            None,
            "CPU, saving the evidence included",
        ),
        Row(f"memory of that run, {count:,} checks", median(peak), "MB", None, "peak of the process"),
    ]


def black_hole(where: Endpoints, repeats: int) -> list[Row]:
    """From the first request of a run to its end, with 40 endpoints that never answer and one that does."""
    written, ended = [], []
    _warm()
    for turn in range(repeats):
        note(f"{SILENT} silent endpoints, turn {turn + 1} of {repeats}")
        with tempfile.TemporaryDirectory(prefix="opsverify-bench-") as folder:
            # One that answers, so that the engine does not take itself for cut off.
            plan = Plan(
                count=SILENT + 1,
                deadline=DEADLINE_S,
                url=where.answering,
                silent_url=where.silent,
                silent=SILENT,
            )
            ours = check_project(Path(folder, "ours"), plan)
            assert ours.process.status == GATED_FAIL, ours.process.printed[-2000:]
            assert f"{SILENT} FAIL" in ours.process.printed
            first = ours.noted("first")
            written.append(ours.at_end() - first)
            ended.append(ours.process.ended - first)
    interval = "from the first request until JUnit, HTML, JSON and the journal's last record are written"
    return [
        Row(
            f"{SILENT} endpoints that never answer, deadline {DEADLINE_S:g} s: reports",
            median(written),
            "s",
            DEADLINE_S + MARGIN_S,
            f"{interval}: {spread(written)}",
        ),
        Row(
            "the same: process",
            median(ended),
            "s",
            DEADLINE_S + MARGIN_S,
            f"until the terminal has it all and the process has ended: {spread(ended)}",
        ),
    ]


def smoke(repeats: int) -> list[Row]:
    """The embedded smoke of this checkout, in a warm environment."""
    took, peak = [], []
    for turn in range(repeats + 1):
        note(f"embedded smoke, turn {turn} of {repeats}")
        with tempfile.TemporaryDirectory(prefix="opsverify-bench-") as folder:
            command = [
                sys.executable,
                "-m",
                "pytest",
                "--profile",
                "smoke",
                f"--reports={folder}/reports",
                "-p",
                "no:cacheprovider",
            ]
            ended = run(command, cwd=ROOT, environment={"OPSVERIFY_STATE": f"{folder}/state"})
        assert ended.status == 0, ended.printed[-3000:]
        if turn:  # the first one warms caches
            took.append(ended.took)
            peak.append(ended.peak_mb)
    return [
        Row(
            "embedded smoke: time",
            median(took),
            "s",
            SMOKE_S,
            f"whole process, servers and twins started and stopped: {spread(took)}",
        ),
        Row(
            "embedded smoke: memory",
            median(peak),
            "MB",
            SMOKE_MB,
            f"the runner alone, without servers and twins: {spread(peak, 'MB')}",
        ),
    ]


def _warm() -> None:
    with tempfile.TemporaryDirectory(prefix="opsverify-bench-") as folder:
        check_project(Path(folder, "ours"), Plan(count=1))
        trivial_project(Path(folder, "bare"), 1)
