"""The CI files in docs/ are valid by their vendors' schemas, and their scripts do what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner
from ruamel.yaml import YAML

from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[3] / "docs" / "ci"
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}


def _read(name: str) -> Any:
    return YAML(typ="safe").load((DOCS / name).read_text(encoding="utf-8"))


def _bash(project: Project, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a step's script in the toy project as a CI runner does."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "OPSVERIFY"))}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=project.folder,
        env={**inherited, "PATH": path, "OPSVERIFY_STATE": str(project.state), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _github(project: Project) -> tuple[int, str, str, Project]:
    """The steps of the GitHub job on a red target: status, what was printed, the step summary."""
    steps = {s.get("name"): s for s in _read("github-actions.yml")["jobs"]["smoke"]["steps"]}
    project.answer("bulb", value="::error::injected\n::set-output name=x::y")
    project.answer("switch", value="on")
    summary = project.folder / "summary"
    verify = _bash(project, steps["Verify"]["run"], TARGET="targets/live.toml", EXPECT="lamp.bulb=9")
    after = _bash(project, steps["Summary and annotations"]["run"], GITHUB_STEP_SUMMARY=str(summary))
    assert after.returncode == 0, after.stderr
    return verify.returncode, verify.stdout + after.stdout, summary.read_text(encoding="utf-8"), project


def _gitlab(project: Project) -> tuple[int, str, Project]:
    """The GitLab job's scripts on a red target: status, the code quality report."""
    job = _read("gitlab-ci.yml")["verify"]
    project.answer("bulb", value=3)
    done = _bash(project, "\n".join(job["script"]), TARGET="targets/live.toml", EXPECT="")
    after = _bash(project, "\n".join(job["after_script"]))
    assert after.returncode == 0, after.stderr
    return (
        done.returncode,
        (project.folder / "gl-code-quality-report.json").read_text(encoding="utf-8"),
        project,
    )


def _nothing(project: Project) -> tuple[int, str, Project]:
    """The GitLab job where the target file is missing."""
    job = _read("gitlab-ci.yml")["verify"]
    done = _bash(project, "\n".join(job["script"]), TARGET="targets/nowhere.toml", EXPECT="")
    return done.returncode, done.stderr, project


RUNS: dict[str, Callable[[Project], Any]] = {"github": _github, "gitlab": _gitlab, "nothing": _nothing}


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_file_is_valid_by_its_vendors_schema(name: str, tmp_path: Path) -> None:
    """The file passes the schema, and a copy with a wrong key does not: the schema is really asked."""
    ask = ["--builtin-schema", SCHEMAS[name]]
    good = CliRunner().invoke(check_jsonschema, [*ask, str(DOCS / name)])
    assert good.exit_code == 0, good.output
    wrong = tmp_path / name
    text = (DOCS / name).read_text(encoding="utf-8")
    wrong.write_text(
        text.replace("runs-on:", "runz-on:").replace("when: always", "when: maybe"), encoding="utf-8"
    )
    bad = CliRunner().invoke(check_jsonschema, [*ask, str(wrong)])
    assert bad.exit_code == 1
    assert "runs-on" in bad.output or "maybe" in bad.output


def test_reports_are_kept_always() -> None:
    """Upload, summary and annotations happen whatever the verdict; nothing hides the exit status."""
    steps = _read("github-actions.yml")["jobs"]["smoke"]["steps"]
    after = steps[[s.get("name") for s in steps].index("Verify") + 1 :]
    assert after
    assert all(s["if"] == "always()" for s in after)
    job = _read("gitlab-ci.yml")["verify"]
    assert job["artifacts"]["when"] == "always"
    text = "".join((DOCS / name).read_text(encoding="utf-8") for name in SCHEMAS)
    assert "continue-on-error" not in text
    assert "allow_failure" not in text
    assert "|| true" not in text


def test_github_fails_by_exit_status_and_annotates_what_is_gated(left_by: Callable[[str], Any]) -> None:
    """The step ends with pytest's status; each gated check is one error; the summary and the reports are there."""
    status, printed, summary, project = left_by("github")
    assert status == 10
    errors = [line for line in printed.splitlines() if line.startswith("::error file=")]
    assert len(errors) == 2
    assert "title=FAIL P1 L-BLB-1" in "".join(errors)
    assert "title=FAIL P0 expect%3Alamp.bulb=9" in "".join(errors)
    assert "L-BLB-1" in summary
    for name in ("report.html", "junit.xml", "journal.jsonl"):
        assert (project.folder / "report" / name).is_file()


def test_a_target_gives_github_no_commands(left_by: Callable[[str], Any]) -> None:
    """What a target says stands between stop-commands and its token, and in annotations is one line."""
    _, printed, _, _ = left_by("github")
    lines = [line.strip() for line in printed.splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith("::stop-commands::"))
    end = lines.index(f"::{lines[start].removeprefix('::stop-commands::')}::")
    outside = lines[:start] + lines[end + 1 :]
    assert [line for line in outside if line.startswith("::") and not line.startswith("::error file=")] == []


def test_gitlab_fails_by_exit_status_and_annotates_what_is_gated(left_by: Callable[[str], Any]) -> None:
    """The script ends with pytest's status, and the code quality report has what is gated, each under a stable mark."""
    status, text, project = left_by("gitlab")
    assert status == 10
    found = json.loads(text)
    assert [(f["check_name"], f["severity"]) for f in found] == [("L-BLB-1", "critical")]
    assert found[0]["location"]["path"] == "checks/lamp/test_bulb.py"
    assert len(found[0]["fingerprint"]) == 64
    assert (project.folder / "report" / "junit.xml").is_file()


def test_a_missing_target_fails_too(left_by: Callable[[str], Any]) -> None:
    """A target file that is not there is exit 4."""
    status, printed, _ = left_by("nothing")
    assert status == 4
    assert "no such target file" in printed
