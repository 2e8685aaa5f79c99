"""The map from a runbook's sections to checks (`runbook.toml`), and the checks that each profile requires."""

from __future__ import annotations

import hashlib
import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from opsverify.model.check import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from opsverify.model.check import Check

__all__ = [
    "Procedure",
    "Runbook",
    "RunbookError",
    "compare_with_file",
    "contradictions",
    "digest",
    "load_runbook",
    "runbooks_beside",
    "titles",
]

_HEADING = re.compile(r"^#{1,6}\s+(?P<title>.+?)\s*$", re.MULTILINE)


class RunbookError(Exception):
    """A runbook map is missing or wrong."""


class Procedure(BaseModel):
    """One section of the runbook: its title, what verifies it, or why nothing does (yet)."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    section: str
    checks: tuple[str, ...] = ()
    not_verified: str = ""


class Runbook(BaseModel):
    """A system's runbook as this suite knows it.

    `digest` is the SHA-256 of the text it was read from; `required` the checks of each profile (`required.toml`); `stand_in` names,
    for a check that a target may not publish, the check that must have run in its place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    title: str
    digest: str
    required: dict[str, tuple[str, ...]]
    stand_in: dict[str, str] = {}
    procedure: tuple[Procedure, ...] = ()

    def known(self) -> set[str]:
        """Every check id that this map names as required."""
        return {check for ids in self.required.values() for check in ids}


def load_runbook(path: Path) -> Runbook:
    """Read a `runbook.toml`, and the checks that each profile requires from the `required.toml` beside it.

    Raises:
        RunbookError: one of them is missing or wrong. A small map may have the lists itself, as `[required]`.
    """
    beside = path.with_name("required.toml")
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        if "required" not in read:
            if not beside.is_file():
                msg = f"{path}: has no [required], and there is no {beside.name} beside it, so nobody would notice a check that is gone; write it: {_command(path)}"
                raise RunbookError(msg)
            read["required"] = tomllib.loads(beside.read_text(encoding="utf-8"))
        runbook = Runbook.model_validate(read)
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        msg = f"{path}: {error}"
        raise RunbookError(msg) from None
    wrong = set(runbook.required) - set(PROFILES)
    if wrong:
        msg = f"{path}: required: {sorted(wrong)} are no profiles; they are {', '.join(PROFILES)}"
        raise RunbookError(msg)
    if gone := sorted({check for p in runbook.procedure for check in p.checks} - runbook.known()):
        msg = f"{path}: sections name {', '.join(gone)}, which no profile requires: is the check gone? Take it out of the map, or write {beside.name} anew: {_command(path)}"
        raise RunbookError(msg)
    return runbook


def _command(path: Path) -> str:
    return f"python -m opsverify.commands.required checks/{path.parent.name}"


def runbooks_beside(checks: Path, systems: Iterable[str]) -> dict[str, Runbook]:
    """The map of each of these systems that has one in its folder of checks. Raises pytest.UsageError."""
    paths = {system: checks / system / "runbook.toml" for system in systems}
    try:
        return {
            system: load_runbook(path)
            for system, path in paths.items()
            if path.is_file() or path.with_name("required.toml").is_file()
        }
    except RunbookError as error:
        raise pytest.UsageError(str(error)) from None


def contradictions(runbook: Runbook, checks: Iterable[Check]) -> list[str]:
    """Where the markers of collected checks and the map disagree on what a profile requires."""
    troubles = []
    for check in checks:
        mapped = {p for p, ids in runbook.required.items() if check.id in ids}
        if mapped != set(check.profiles):
            troubles.append(f"{check.id}: marked for {sorted(check.profiles)}, required by {sorted(mapped)}")
    return troubles


def titles(text: str) -> list[str]:
    """Section titles of a runbook in Markdown, code blocks left out."""
    outside = re.sub(r"^\s*(`{3,}|~{3,}).*?^\s*\1[`~]*\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [match["title"] for match in _HEADING.finditer(outside)]


def digest(text: str) -> str:
    """What `Runbook.digest` holds for `text`."""
    return hashlib.sha256(text.encode()).hexdigest()


def compare_with_file(runbook: Runbook, path: Path) -> list[str]:
    """Differences between a real runbook file and the map: missing sections, sections not mapped, another text."""
    text = path.read_text(encoding="utf-8")
    real, mapped = titles(text), {p.section for p in runbook.procedure}
    troubles = [f"section {t!r} of the map is not in {path}" for t in sorted(mapped - set(real))]
    troubles += [f"section {t!r} of {path} is mapped to nothing" for t in real if t not in mapped]
    if digest(text) != runbook.digest:
        troubles.append(
            f"{path} is another text than the one that was mapped (sha256 {digest(text)[:12]}… instead of {runbook.digest[:12]}…)"
        )
    return troubles
