"""Runs the real suite, as its user does, against a twin that stays between runs; the suite sees a live target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Seen", "Suite"]

ROOT = Path(__file__).resolve().parents[2]
_BOUND = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Seen:
    """One run of the suite: its exit status, what it printed, and verdict and reason of each check."""

    status: int
    printed: str
    verdicts: Mapping[str, tuple[str, str]]

    @property
    def not_green(self) -> dict[str, tuple[str, str]]:
        """Checks that are neither PASS nor SKIP."""
        return {check: v for check, v in self.verdicts.items() if v[0] not in ("PASS", "SKIP")}


@dataclass(slots=True)
class Suite:
    """The suite and one live target: `section` is the system's part of the target file, in TOML."""

    folder: Path
    section: str
    actions: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    path: str = "checks"

    def run(self, *arguments: str) -> Seen:
        """One run in a process of its own."""
        target = self.folder / "target.toml"
        expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        actions = json.dumps(list(self.actions))
        target.write_text(
            f'name = "matrix"\n[arm]\nactions = {actions}\nexpires = {expires}\n{self.section}',
            encoding="utf-8",
        )
        reports = self.folder / "reports"
        command = [
            sys.executable,
            "-m",
            "pytest",
            self.path,
            "--target",
            str(target),
            "--arm",
            "matrix",
            "--reports",
            str(reports),
            "-q",
            "-p",
            "no:cacheprovider",
            *arguments,
        ]
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_BOUND.total_seconds(),
            check=False,
            env={**os.environ, "OPSVERIFY_STATE": str(self.folder / "state"), **self.environment},
        )
        report: dict[str, Any] = json.loads((reports / "latest" / "report.json").read_text(encoding="utf-8"))
        verdicts = {c["id"]: (c["verdict"], c["reason"]) for c in report["checks"]}
        return Seen(done.returncode, done.stdout + done.stderr, verdicts)
