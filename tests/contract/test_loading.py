"""A run loads the clients and libraries of the systems that its target names, no others, and of a live target no twin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {
    "esper": '[esper.redis]\nurl = "redis://127.0.0.1:9"\n',
    "bzzz": '[bzzz.prometheus]\nurl = "http://127.0.0.1:9"\n',
    "statehub": '[statehub.api]\nurl = "http://127.0.0.1:9"\n',
}
LIBRARIES = {
    "redis": {"esper"},
    "google.protobuf": {"esper"},
    "prometheus_client": {"esper"},
    "cryptography.x509": {"bzzz"},
    "psycopg": {"bzzz", "statehub"},
    "docker": set[str](),
    "kubernetes": set[str](),
    "temporalio": set[str](),
    "httpx": set[str](),
    "sqlalchemy": set[str](),
}
"""Who may load what to find out what would run; those of nobody are loaded when they are used."""

pytestmark = pytest.mark.slow
PROGRAM = """
import sys, pytest
status = pytest.main(sys.argv[1:])
print("loaded:", *sys.modules)
sys.exit(status)
"""


@pytest.mark.parametrize("system", TARGETS)
def test_a_target_of_one_system_loads_no_other(tmp_path: Path, system: str) -> None:
    """Observations, client and libraries of a system come with a target that names it; twins and faults with none."""
    target = tmp_path / "target.toml"
    target.write_text(f'name = "alone"\n{TARGETS[system]}', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--plan", "--profile=smoke", f"--target={target}", f"--reports={tmp_path}"],
        cwd=ROOT,
        env={**os.environ, "OPSVERIFY_STATE": str(tmp_path / "state"), "PYTEST_ADDOPTS": "-p no:xdist -p no:hypothesispytest"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = set(done.stdout.splitlines()[-1].removeprefix("loaded: ").split())
    assert {f"systems.{other}.client" for other in TARGETS} & loaded == {f"systems.{system}.client"}
    assert {module for module in loaded if module.partition(".")[0] == "fixtures"} == set()
    assert set(LIBRARIES) & loaded <= {library for library, whose in LIBRARIES.items() if system in whose}
