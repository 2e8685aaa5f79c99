"""The law of the house: a run on a live target imports nothing from `fixtures/`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from systems.bzzz.system import BZZZ
from systems.esper.system import ESPER
from systems.statehub.system import STATEHUB

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "targets" / "live.example.toml").read_text(encoding="utf-8")
SECRETS = dict.fromkeys(re.findall(r'^[^#]\w*_env = "(\w+)"', EXAMPLE, re.MULTILINE), "not-a-real-secret")
ACTIONS = sorted(
    {spec.active for system in (ESPER, STATEHUB, BZZZ) for spec in system.observations if spec.active}
)
RUN = """
import atexit, json, pathlib, runpy, sys
out = pathlib.Path(sys.argv.pop(1))
loaded = lambda: sorted(name for name in sys.modules if name.split(".")[0] in ("fixtures", "systems"))
atexit.register(lambda: out.write_text(json.dumps(loaded())))
runpy.run_module("opsverify", run_name="__main__", alter_sys=True)
"""
"""Runs the command in this process, and writes down what it had imported at its end."""


@pytest.mark.parametrize(
    "command",
    [
        ("--profile=canary",),
        ("--profile=maintenance",),
        ("--incident=BZZZNoAdminElected",),
        ("--preflight",),
        ("--act=esper.publish_canary",),
    ],
    ids=" ".join,
)
def test_a_run_on_a_live_target_imports_nothing_from_fixtures(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Clients, observations, active ones too, operator and preflight stand in systems/: no twin, no fault is loaded."""
    target = tmp_path / "live.toml"
    expires = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    arm = f"[arm]\nactions = {json.dumps(ACTIONS)}\nexpires = {expires}\n"
    target.write_text(EXAMPLE.replace("\n[esper]\n", f"\n{arm}\n[esper]\n", 1), encoding="utf-8")
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            RUN,
            str(tmp_path / "loaded.json"),
            f"--target={target}",
            f"--reports={tmp_path / 'reports'}",
            "--arm=esper-production",
            *command,
        ],
        cwd=ROOT,
        env={**os.environ, **SECRETS, "OPSVERIFY_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    loaded = json.loads((tmp_path / "loaded.json").read_text(encoding="utf-8"))
    assert "systems.esper.client" in loaded, ran.stdout + ran.stderr
    assert [name for name in loaded if name.startswith("fixtures")] == []
