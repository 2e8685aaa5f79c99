"""`--watch`: a full run at each interval, until the time is over or a recovered target fails again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from opsverify.evidence.baseline import LAST_GREEN
from opsverify.evidence.bundle import redacted_target, versions, writable_path, write_bundle
from opsverify.evidence.redaction import Redactor
from opsverify.model.deadline import Deadline, seconds
from opsverify.model.exit_codes import Exit
from opsverify.model.text import counted
from opsverify.report.watching import Screen
from opsverify.run.options import COMMANDS, duration
from opsverify.run.start import read_target

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Round", "Watch", "verdict_of", "watch"]

_EVERY = timedelta(minutes=5)
_LONGEST_ROUND = timedelta(minutes=15)
_OWN = ("--watch", "--every", "--bundle", "--reports", "--baseline")
_ENDS = (Exit.LEFT_CHANGED, Exit.INTERRUPTED, Exit.INTERNAL, Exit.USAGE)  # looking again would not help


@dataclass(frozen=True, slots=True)
class Round:
    """One run of the watch: start, exit status, duration, verdict counts, red checks, and its folder (None if it left none)."""

    number: int
    started: datetime
    status: int
    took: timedelta
    counts: dict[str, int] = field(default_factory=dict)
    red: tuple[str, ...] = ()
    folder: Path | None = None


def verdict_of(rounds: Sequence[Round]) -> tuple[Exit, str, bool]:
    """The watch's exit status by its rounds so far, what it means, and whether another round is of no use.

    The target has recovered after its first green round; a gated FAIL after that is a relapse. A round that could not look
    after the recovery is a gap: whether the target stayed clear is then not known. A round that found another run at work on
    the target looked at nothing and does not count.
    """
    complete = [r for r in rounds if r.status != Exit.BUSY]
    if not complete:
        return Exit.BUSY, "another run held the target's lock in every round; nothing was looked at", False
    last = complete[-1]
    if last.status in _ENDS:
        return (
            Exit(last.status),
            f"round {last.number} ended with exit {last.status}; another round would not help",
            True,
        )
    green_rounds = [r for r in complete if r.status in (Exit.HOLDS, Exit.UNGATED)]
    if not green_rounds:
        meaning = f"not recovered after {counted(len(complete), 'round')}"
        return _own_status(last.status), meaning, False
    first_green, after = green_rounds[0], [r for r in complete if r.number > green_rounds[0].number]
    if any(r.status == Exit.GATED_FAIL for r in after):
        meaning = f"relapse in round {last.number}: red again after it had recovered at {first_green.started:%H:%M:%SZ}"
        return Exit.GATED_FAIL, meaning, True
    gaps = [r for r in after if r not in green_rounds]
    if gaps:
        meaning = f"recovered since {first_green.started:%H:%M:%SZ}, but {counted(len(gaps), 'later round')} could not look: whether it stayed clear is not known"
        return Exit.GATED_UNKNOWN, meaning, False
    return (
        Exit(last.status),
        f"recovered since {first_green.started:%H:%M:%SZ}, green in {counted(len(green_rounds), 'round')}",
        False,
    )


def _own_status(status: int) -> Exit:
    return Exit(status) if status in list(Exit) else Exit.GATED_UNKNOWN  # killed, or no status of ours


class Watch:
    """A series of rounds, each in a process of its own: no state of an earlier one is left in it."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.getoption
        if option("replay") or any(option(name) for name in COMMANDS):
            msg = "--watch repeats live runs: it cannot be combined with --replay, --plan, --preflight, --runbook, --explain or --act"
            raise pytest.UsageError(msg)
        systems = {system.name: system.section for system in config.hook.pytest_opsverify_system()}
        self.target = read_target(config, systems)
        try:
            self.whole = duration(option("watch"))
            self.every = duration(option("every")) if option("every") else _EVERY
        except ValueError as error:
            msg = f"--watch, --every: {error}"
            raise pytest.UsageError(msg) from None
        here = config.invocation_params.dir
        started = datetime.now(UTC)
        self.reports = Path(option("reports") or config.rootpath / "reports").resolve()
        self.folder = self.reports / f"{started:%Y%m%dT%H%M%SZ}-watch-{uuid4().hex[:8]}"
        self.bundle = writable_path(here / option("bundle")) if option("bundle") else None
        self.arguments = [sys.executable, "-m", "pytest", *_without_own(config.invocation_params.args)]
        self.arguments += [f"--reports={self.folder}"]
        self.baseline = option("baseline")
        self.here = here
        self.rounds: list[Round] = []
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            msg = f"{self.folder}: cannot be written ({error.strerror}); choose another folder with --reports"
            raise pytest.UsageError(msg) from None

    def run_round(self) -> Round:
        """Run one round to its end and read its report."""
        number, started, clock = len(self.rounds) + 1, datetime.now(UTC), time.monotonic()
        earlier = set(self.folder.glob("2*Z-*"))
        with (self.folder / "output.txt").open("ab") as output:
            output.write(f"\n--- round {number}, {started:%Y-%m-%d %H:%M:%SZ}\n".encode())
            output.flush()
            status = self._run_process(output)
        took = timedelta(seconds=time.monotonic() - clock)
        new = sorted(set(self.folder.glob("2*Z-*")) - earlier)
        report = _report(new[-1]) if new else {}
        red = [c for c in report.get("checks", []) if c["verdict"] in ("FAIL", "UNKNOWN")]
        done = Round(
            number=number,
            started=started,
            status=status,
            took=took,
            counts=report.get("counts", {}),
            red=tuple(f"{c['verdict']} {c['severity']} {c['id']} {c['reason']}" for c in red),
            folder=new[-1] if new else None,
        )
        self.rounds.append(done)
        return done

    def _run_process(self, output: Any) -> int:
        process = subprocess.Popen(
            [*self.arguments, *self._baseline_options()],
            cwd=self.here,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl-C comes to it once, from us
        )
        try:
            return process.wait(max(self.every, _LONGEST_ROUND).total_seconds())
        except (KeyboardInterrupt, subprocess.TimeoutExpired) as ended:
            # It undoes what it changed and writes what it has; only then is it over.
            process.send_signal(signal.SIGTERM)
            try:
                status = process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            if isinstance(ended, KeyboardInterrupt):
                raise
            return status if status in list(Exit) else int(Exit.GATED_UNKNOWN)

    def _baseline_options(self) -> list[str]:
        if self.baseline is None:
            return []
        if self.baseline != LAST_GREEN:
            return [f"--baseline={self.baseline}"]
        # Rounds write into a folder of their own: the last green run stands beside it.
        return ["--baseline=last-green", f"--baseline-from={self.reports}"]

    def save(self, status: Exit, meaning: str) -> None:
        """Write `watch.json`, and point `latest` to the newest round."""
        record = {
            "exit_status": int(status),
            "meaning": meaning,
            "whole": self.whole.total_seconds(),
            "every": self.every.total_seconds(),
            "rounds": [
                {
                    "number": r.number,
                    "started": r.started.isoformat(),
                    "status": r.status,
                    "took": round(r.took.total_seconds(), 3),
                    "counts": r.counts,
                    "red": list(r.red),
                    "folder": r.folder.name if r.folder else None,
                }
                for r in self.rounds
            ],
        }
        (self.folder / "watch.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        newest = next((r.folder for r in reversed(self.rounds) if r.folder), None)
        if newest is not None:
            fresh = self.reports / f".latest-{self.folder.name}"
            fresh.unlink(missing_ok=True)  # a signal may have come between the next two lines
            fresh.symlink_to(newest.relative_to(self.reports))
            fresh.replace(self.reports / "latest")

    def pack(self) -> None:
        """Write the bundle: the newest round where a single run's bundle has it, every round under rounds/."""
        if self.bundle is None:
            return
        newest = next((r.folder for r in reversed(self.rounds) if r.folder), None)
        files = {file.name: file for file in _files(newest)} if newest else {}
        for each in self.rounds:
            if each.folder is not None:
                files |= {f"rounds/{each.number:04}/{file.name}": file for file in _files(each.folder)}
        files |= {
            file.name: file
            for file in (self.folder / "watch.json", self.folder / "output.txt")
            if file.is_file()
        }
        target = redacted_target(self.target, Redactor(self.target.secrets()))
        write_bundle(self.bundle, files, {"versions.txt": versions(), "target.json": target})


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _report(folder: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report


def _without_own(arguments: Sequence[Any]) -> list[str]:
    kept, skip = list[str](), False
    for word in map(str, arguments):
        if skip:
            skip = False
        elif word in _OWN:
            skip = True
        elif word.partition("=")[0] not in _OWN:
            kept.append(word)
    return kept


def watch(config: pytest.Config) -> int:
    """Run rounds until the watch is over; returns the exit status."""
    series = Watch(config)
    screen = Screen(sys.stdout, series.whole, series.every)
    screen.start(series.folder)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    clock = Deadline(series.whole)
    try:
        status, meaning, over = Exit.BUSY, "nothing was looked at", False
        while not over:
            screen.round_started(len(series.rounds) + 1)
            due = Deadline(series.every)
            done = series.run_round()
            status, meaning, over = verdict_of(series.rounds)
            series.save(status, meaning)
            screen.round_ended(done, meaning)
            if clock.passed or clock.remaining < due.remaining:
                break
            while not over and not due.passed:
                screen.waiting(due.remaining, clock.remaining, meaning)
                time.sleep(min(due.remaining, seconds(1)).total_seconds())
    except KeyboardInterrupt:
        status, meaning = Exit.INTERRUPTED, "interrupted; the rounds so far are saved"
        series.save(status, meaning)
    finally:
        signal.signal(signal.SIGTERM, before)
    try:
        series.pack()
    except OSError as error:
        meaning = f"{meaning}; the bundle could not be written: {error}"
        status = Exit.UNWRITABLE if status in (Exit.HOLDS, Exit.UNGATED) else status
    screen.end(status, meaning, series)
    return int(status)
