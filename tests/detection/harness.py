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

from pydantic import BaseModel, SecretStr

from opsverify.model.limits import Limits
from opsverify.target.file import Section

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["ROOT", "Seen", "Suite", "as_live"]

ROOT = Path(__file__).resolve().parents[2]
_BOUND = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Seen:
    """One run of the suite: its exit status, what it printed, and verdict and reason of each check."""

    status: int
    printed: str
    verdicts: Mapping[str, tuple[str, str]]
    gated: frozenset[str]

    @property
    def promised_status(self) -> int:
        """The exit status that these verdicts must give, by the contract."""
        counted = {verdict for check, (verdict, _) in self.verdicts.items() if check in self.gated}
        return 10 if "FAIL" in counted else 12 if "UNKNOWN" in counted else 0

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
    options: tuple[str, ...] = ()
    """Options of every run."""

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
            "-p",
            "no:hypothesispytest",  # half a second of each run, for what no check uses
            *self.options,
            *arguments,
        ]
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_BOUND.total_seconds(),
            check=False,
            env={
                **os.environ,
                "OPSVERIFY_STATE": str(self.folder / "state"),
                **self.environment,
            },
        )
        report: dict[str, Any] = json.loads((reports / "latest" / "report.json").read_text(encoding="utf-8"))
        verdicts = {c["id"]: (c["verdict"], c["reason"]) for c in report["checks"]}
        gated = frozenset(c["id"] for c in report["checks"] if c["gated"])
        return Seen(done.returncode, done.stdout + done.stderr, verdicts, gated)


def as_live(system: str, section: Section) -> tuple[str, dict[str, str]]:
    """A twin's section as a live target would write it: its part of the file in TOML, and the environment it names."""
    environment: dict[str, str] = {}
    lines = [f"[{system}]"]
    if section.lacking:
        section = section.model_copy(update={"absent": {**section.absent, **section.lacking}})
    for key, value in section:
        if key not in section.model_fields_set:
            continue
        lines.append(f"{key} = {_toml(value, f'MATRIX_{system}_{key}'.upper(), environment)}")
    return "\n".join(lines) + "\n", environment


def _toml(value: Any, name: str, environment: dict[str, str]) -> str:
    if isinstance(value, SecretStr):
        environment[name] = value.get_secret_value()
        return json.dumps(name)
    if isinstance(value, Limits):
        value = {key: getattr(value, key).value for key in value.model_fields_set}
    elif isinstance(value, BaseModel):
        value = {key: getattr(value, key) for key in value.model_fields_set}
    if isinstance(value, dict):
        items = {k: v for k, v in value.items() if v is not None}
        return (
            "{ "
            + ", ".join(f"{k} = {_toml(v, f'{name}_{k}'.upper(), environment)}" for k, v in items.items())
            + " }"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v, name, environment) for v in value) + "]"
    return value.isoformat() if isinstance(value, datetime) else json.dumps(value)
