"""The examples of docs/canary/ are what their readers take: systemd, cron's shell, Kubernetes, Prometheus, and our own command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from opsverify.model.check_state import State
from opsverify.target.canary import CanaryTable, HistoryTable
from opsverify.target.runbook import load_runbook
from opsverify.target.waivers import load_waivers
from tests.contract.engine.project import Project

DOCS = Path(__file__).resolve().parents[2] / "docs" / "canary"
CHECKS = DOCS.parents[1] / "checks"
SERVICE, TIMER = DOCS / "opsverify-canary.service", DOCS / "opsverify-canary.timer"
VERSIONS = ("1.29", kubernetes_validate.latest_version())


def program(name: str) -> str:
    """A program of this machine; one that is not there is a reason to skip, outside CI."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not on this machine, and CI is to have it")
        pytest.skip(f"{name} is not on this machine")
    return path


def told(*command: str, cwd: Path) -> tuple[int, str]:
    """Exit status and output of a command."""
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def cron_line() -> str:
    """The command of the cron example."""
    (line,) = re.findall(
        r"^\*/5 \* \* \* \* opsverify (.+)$", (DOCS / "opsverify-canary.cron").read_text(), re.MULTILINE
    )
    return str(line)


def cronjob() -> dict[str, Any]:
    """The example for Kubernetes."""
    job: dict[str, Any] = yaml.safe_load((DOCS / "cronjob.yaml").read_text(encoding="utf-8"))
    return job


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """Service and timer pass `systemd-analyze verify`, and a word that does not exist would not."""
    verify = [program("systemd-analyze"), "verify"]
    # Neither that user nor that program need be here.
    text = SERVICE.read_text(encoding="utf-8").replace("/opt/opsverify/.venv/bin/pytest", "/bin/true")
    text = text.replace("User=opsverify", "User=daemon")
    (tmp_path / SERVICE.name).write_text(text, encoding="utf-8")
    shutil.copy(TIMER, tmp_path)
    assert told(*verify, f"./{SERVICE.name}", f"./{TIMER.name}", cwd=tmp_path) == (0, "")
    (tmp_path / SERVICE.name).write_text(
        text.replace("SuccessExitStatus", "SuccesExitStatus"), encoding="utf-8"
    )
    assert "SuccesExitStatus" in told(*verify, f"./{SERVICE.name}", cwd=tmp_path)[1]


def test_sixteen_is_quiet_for_systemd() -> None:
    """A run that finds the target busy does not fail the unit."""
    assert re.search(r"^SuccessExitStatus=16$", SERVICE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    ("status", "said"), [(0, ""), (16, ""), (10, "what was found\n"), (4, "what was found\n")]
)
def test_cron_mails_what_matters(tmp_path: Path, status: int, said: str) -> None:
    """The line of the cron example says nothing for 0 and 16, and everything for the rest."""
    pytest_stub = tmp_path / ".venv/bin/pytest"
    pytest_stub.parent.mkdir(parents=True)
    pytest_stub.write_text(f'#!/bin/sh\necho "what was $WORD"\nexit {status}\n', encoding="utf-8")
    pytest_stub.chmod(0o755)
    (tmp_path / "canary.env").write_text("WORD=found\n", encoding="utf-8")
    line = cron_line().replace("/opt/opsverify", str(tmp_path)).replace("/etc/opsverify", str(tmp_path))
    assert told("/bin/sh", "-c", line, cwd=tmp_path)[1] == said


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_cronjob(version: str) -> None:
    """The CronJob fits the schema of an old and of the newest Kubernetes, and one with a wrong key does not."""
    job = cronjob()
    kubernetes_validate.validate(job, version, strict=True)
    job["spec"]["concurencyPolicy"] = "Forbid"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, version, strict=True)


def test_kubernetes_starts_no_two_at_a_time() -> None:
    """A run is not started beside another nor tried again, and a busy target is no failed Job."""
    spec = cronjob()["spec"]
    job = spec["jobTemplate"]["spec"]
    assert (spec["concurrencyPolicy"], job["backoffLimit"]) == ("Forbid", 0)
    assert "--if-busy=ok" in job["template"]["spec"]["containers"][0]["args"]


def test_prometheus_takes_the_rules() -> None:
    """The rules tell of a canary that has gone silent, and of nothing while it runs: `promtool test rules` agrees."""
    status, said = told(program("promtool"), "test", "rules", "opsverify.rules.test.yml", cwd=DOCS)
    assert (status, "SUCCESS" in said) == (0, True), said


def test_prometheus_reads_the_metrics(tmp_path: Path) -> None:
    """The rules ask for metrics that a real canary writes, in a form that promtool finds nothing to say of."""
    project = Project.make(tmp_path)
    ran = project.run("--profile", "canary", "--target", "live", "--openmetrics", "m.prom")
    text = (project.folder / "m.prom").read_text(encoding="utf-8")
    asked = set(re.findall(r"opsverify_\w+", (DOCS / "opsverify.rules.yml").read_text(encoding="utf-8")))
    assert asked <= set(re.findall(r"^(opsverify_\w+)\{", text, re.MULTILINE)), ran.said
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize("example", ["systemd", "cron", "kubernetes"])
def test_the_commands_are_ours(tmp_path: Path, example: str) -> None:
    """What each example runs is a command that the program takes: it plans what would be looked at."""
    words = {
        "systemd": re.findall(r"^ExecStart=(.+)$", SERVICE.read_text(encoding="utf-8"), re.MULTILINE)[
            0
        ].split()[1:],
        "cron": re.findall(r"pytest (.+?) 2>&1", cron_line())[0].split(),
        "kubernetes": cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"][
            1:
        ],
    }[example]
    project = Project.make(tmp_path)
    here = [
        re.sub(r"/etc/opsverify/", "targets/", word) for word in words if not word.startswith("--reports")
    ]
    ran = project.run(*here, "--plan")
    assert (ran.code, "would run, reading only: 4" in ran.stdout) == (0, True), ran.said


def test_the_waiver_that_is_shown_is_one(tmp_path: Path) -> None:
    """The example of a waiver is read, and names a check and a reason that exist."""
    text = (DOCS.parent / "canary.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.+?)```", text, re.DOTALL)
    (tmp_path / "waivers.toml").write_text(example, encoding="utf-8")
    (waiver,) = load_waivers(tmp_path / "waivers.toml", "esper-production").all
    assert waiver.check in load_runbook(CHECKS / "esper" / "runbook.toml").known()
    assert f'"{waiver.code}"' in (CHECKS / "esper/bus/criteria/streams.py").read_text(encoding="utf-8")


def test_every_state_and_kind_is_explained() -> None:
    """The page names each state, each way of telling people, and each key of the canary's tables."""
    text = (DOCS.parent / "canary.md").read_text(encoding="utf-8")
    for state in State:
        assert f"| {state.value} |" in text
    shown = (DOCS.parents[1] / "targets/live.example.toml").read_text(encoding="utf-8")
    for key in (*CanaryTable.model_fields, *HistoryTable.model_fields):
        assert re.search(rf"^# {key} = ", shown, re.MULTILINE), key
        default = CanaryTable.model_fields[key].default if key in CanaryTable.model_fields else None
        if isinstance(default, int | float):
            assert re.search(rf"^# {key} = {default:g} ", shown, re.MULTILINE), key
    for kind in ("alertmanager", "slack", "pagerduty", "webhook"):
        assert f"| `{kind}` |" in text
        assert kind in shown
