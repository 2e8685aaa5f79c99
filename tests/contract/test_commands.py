"""Every documented command on every example target and every twin ends as the contract says, and never in a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsverify.model.check import PROFILES
from opsverify.model.exit_codes import Exit

if TYPE_CHECKING:
    from collections.abc import Collection

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TARGETS = sorted(path.name.removesuffix(".toml") for path in (ROOT / "targets").glob("*.toml"))
LIVE = "live.example"
SECRETS = dict.fromkeys(
    re.findall(r'^[^#]\w*_env = "(\w+)"', (ROOT / "targets/live.example.toml").read_text("utf-8"), re.MULTILINE),
    "not-a-real-secret",
)  # fmt: skip
LOOKS_AT_NOTHING = [
    ("--runbook",),
    ("--explain", "E-OON-2"),
    ("--explain", "B-DB-1"),
    ("--explain", "S-PRG-1"),
    *(("--plan", "--profile", profile) for profile in PROFILES),
    ("--plan", "--incident", "BZZZNoAdminElected"),
    ("--plan", "--profile", "smoke", "--only", "oona,statehub.api,B-DB-1"),
    ("--plan", "--period", "weekly"),
]


def ends(folder: Path, target: str, *arguments: str, within: Collection[Exit]) -> str:
    """What a command printed that ended with one of these statuses."""
    done = subprocess.run(
        [sys.executable, "-m", "opsverify", f"--target={target}", f"--reports={folder / 'reports'}", *arguments],
        cwd=ROOT,
        env={**os.environ, **SECRETS, "OPSVERIFY_STATE": str(folder / "state")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    printed = done.stdout + done.stderr
    assert "INTERNALERROR" not in printed, printed
    assert "Traceback" not in printed, printed
    assert done.returncode in within, printed
    return printed


@pytest.mark.parametrize("target", [*TARGETS[:-1], f"targets/{LIVE}.toml"])
@pytest.mark.parametrize("command", LOOKS_AT_NOTHING, ids=" ".join)
def test_what_looks_at_nothing(tmp_path: Path, target: str, command: tuple[str, ...]) -> None:
    """Plans, explanations and the list of procedures end with 0, also without a server or a network."""
    ends(tmp_path, target, *command, within=[Exit.HOLDS])


def test_the_preflight_of_a_twin(tmp_path: Path) -> None:
    """A twin has no endpoint before it is started, and says so."""
    assert "starts its own servers" in ends(tmp_path, "embedded", "--preflight", within=[Exit.HOLDS])


def test_the_preflight_asks_each_address(tmp_path: Path) -> None:
    """A surface of several nodes is asked at each of them; what cannot be reached is told by its address."""
    printed = ends(tmp_path, f"targets/{LIVE}.toml", "--preflight", within=[Exit.GATED_UNKNOWN])
    assert len(re.findall(r"^(?:ok|FAILED) +bzzz\.nodes +name ", printed, re.MULTILINE)) == 3


@pytest.mark.parametrize("command", ["--plan", "--preflight", "--profile=smoke"])
@pytest.mark.parametrize(
    ("surface", "address"),
    [
        ("bzzz.database", "postgresql://a.invalid:1,b.invalid:2/bzzz"),
        ("bzzz.loki", "http://node.invalid:port"),
        ("bzzz.api", "http://node.invalid:0"),
        ("esper.nissa", "http://node.invalid:99999"),
        ("statehub.api", "http://a.invalid:1,b.invalid:2"),
    ],
)
def test_an_address_that_is_none(tmp_path: Path, surface: str, address: str, command: str) -> None:
    """An address without one host and one port is exit 4, with the key and what came instead."""
    text = f'name = "one"\n[{surface}]\nurl = "{address}"\n'
    (tmp_path / "one.toml").write_text(text, encoding="utf-8")
    printed = ends(tmp_path, str(tmp_path / "one.toml"), command, within=[Exit.USAGE])
    assert f"{surface}.url: found " in printed
    assert "must be one host and one port" in printed


@pytest.mark.parametrize("profile", PROFILES)
def test_a_run_that_reaches_nothing(tmp_path: Path, profile: str) -> None:
    """Where nothing of a live target answers, no profile is green, and none of them breaks."""
    red = [Exit.GATED_FAIL, Exit.GATED_UNKNOWN, Exit.VACUOUS]
    ends(tmp_path, f"targets/{LIVE}.toml", "--profile", profile, within=red)


@pytest.mark.parametrize(
    ("order", "within"),
    [
        (("--act=esper.trim_stream:role=normal", "--dry-run"), Exit.HOLDS),
        (("--act=bzzz.accept_services",), Exit.USAGE),
        (("--act=statehub.no_such_action",), Exit.USAGE),
    ],
)
def test_an_action_that_is_not_armed(tmp_path: Path, order: tuple[str, ...], within: Exit) -> None:
    """A dry run says what it would do; without arming nothing is done."""
    ends(tmp_path, f"targets/{LIVE}.toml", *order, within=[within])
