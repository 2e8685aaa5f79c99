"""A run on a real terminal shows what is awaited, in no colour where none is wanted, and leaves no trace of it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from opsverify.model.deadline import Deadline, seconds
from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable


def _on_a_terminal(project: Project, *arguments: str, **env: str) -> str:
    """What the command writes to a terminal of its own, until it ends."""
    ours, theirs = pty.openpty()
    inherited = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTEST", "OPSVERIFY", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CI"))
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=project.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**inherited, "OPSVERIFY_STATE": str(project.state), "TERM": "xterm", "COLUMNS": "100", **env},
    )
    os.close(theirs)
    said, deadline = b"", Deadline(seconds(60))
    with suppress(OSError):  # the other end is closed: it has ended
        while not deadline.passed and (part := os.read(ours, 65536)):
            said += part
    os.close(ours)
    process.wait(10)
    return said.decode(errors="replace")


def _slow(**env: str) -> Callable[[Project], str]:
    def act(project: Project) -> str:
        project.answer("bulb", value=100, delay=1.5)
        return _on_a_terminal(project, "--profile", "smoke", "--target", "live", **env)

    return act


def _piped(project: Project) -> str:
    project.answer("bulb", value=100, delay=1.5)
    return project.run("--profile", "smoke", "--target", "live").said


RUNS: dict[str, Callable[[Project], str]] = {
    "colours": _slow(),
    "no colours": _slow(NO_COLOR="1"),
    "dumb": _slow(TERM="dumb"),
    "piped": _piped,
}


def test_what_is_awaited_is_shown_and_taken_away(left_by: Callable[[str], str]) -> None:
    """The endpoint that is awaited is named against its deadline; afterwards the line is erased."""
    said = left_by("colours")
    assert "awaiting lamp.bulb 1 of 20 s" in said
    assert said.rindex("\x1b8") > said.rindex("awaiting ")
    assert "\x1b[31m" in said or "\x1b[32m" in said


def test_no_color_is_honoured(left_by: Callable[[str], str]) -> None:
    """With NO_COLOR the progress is there and no colour is."""
    said = left_by("no colours")
    assert "awaiting lamp.bulb" in said
    assert "\x1b[31m" not in said
    assert "\x1b[32m" not in said


def test_it_is_quiet_elsewhere(left_by: Callable[[str], str]) -> None:
    """On a dumb terminal and in a pipe there is no progress and no escape."""
    for name in ("dumb", "piped"):
        assert "awaiting" not in left_by(name), name
        assert "\x1b" not in left_by(name), name
