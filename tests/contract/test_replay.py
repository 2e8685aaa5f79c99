"""A saved run is judged again to the same verdicts, elsewhere and with other limits; one that was changed says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opsverify.evidence.replay import load_run
from opsverify.model.observation import ErrorKind, Unobservable
from systems.bzzz.system import BZZZ
from systems.esper.system import ESPER
from systems.statehub.system import STATEHUB

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def suite(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command in the checkout, with its reports and state in `folder`."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--reports",
        str(folder / "reports"),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",  # half a second of each run, for what no check uses
        "-q",
        *arguments,
    ]
    environment = {**os.environ, "OPSVERIFY_STATE": str(folder / "state")}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def report(folder: Path) -> dict[str, Any]:
    """The newest report in `folder`."""
    found: dict[str, Any] = json.loads(
        (folder / "reports" / "latest" / "report.json").read_text(encoding="utf-8")
    )
    return found


def verdicts(folder: Path) -> dict[str, tuple[str, str]]:
    """Verdict and reason of each check of the newest run."""
    return {c["id"]: (c["verdict"], c["reason"]) for c in report(folder)["checks"]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of every check but the drills on the embedded twin: every observation is in it."""
    folder = tmp_path_factory.mktemp("saved")
    done = suite(folder, "checks")
    assert done.returncode == 0, done.stdout
    return (folder / "reports" / "latest").resolve()


def moved(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved run, as on another machine: the journal alone."""
    copy = tmp_path / "bundle"
    copy.mkdir()
    shutil.copy(saved / "journal.jsonl", copy)
    return copy


def test_every_observation_comes_back_as_it_was_saved(saved: Path) -> None:
    """What was saved of each declared observation loads, and saves again to the same."""
    run = load_run(saved)
    assert run.whole
    declared = (*ESPER.observations, *STATEHUB.observations, *BZZZ.observations)
    loaded = run.observations(declared)
    for spec in declared:
        one = loaded[spec.name]
        # Of an earlier run, and this is the first; and what is only looked at where a deploy was to be verified.
        if spec.name in {"dht_latency_before", "agent_image"}:
            assert isinstance(one.outcome, Unobservable)
            continue
        if one.unobservable is not None and one.unobservable.kind is ErrorKind.NOT_ON_MACHINE:
            continue
        assert not isinstance(one.outcome, Unobservable), (spec.name, one.outcome)
        assert spec.adapter.dump_python(one.value, mode="json") == run.records[spec.name]["value"], spec.name


def test_a_saved_run_replays_to_the_same_verdicts(saved: Path, tmp_path: Path) -> None:
    """The journal alone, moved elsewhere, is judged to the same verdicts, and the report says that it is a replay."""
    done = suite(tmp_path, "--replay", str(moved(saved, tmp_path)))
    assert done.returncode == 0, done.stdout
    original = json.loads((saved / "report.json").read_text(encoding="utf-8"))
    assert verdicts(tmp_path) == {c["id"]: (c["verdict"], c["reason"]) for c in original["checks"]}
    assert report(tmp_path)["kind"] == "replay"
    assert report(tmp_path)["profile"] is None


def test_a_saved_run_is_judged_with_other_limits(saved: Path, tmp_path: Path) -> None:
    """With a limit of one's own the same evidence turns red, and the finding shows the limit and whose it is."""
    done = suite(
        tmp_path,
        "checks/esper",
        "--replay",
        str(saved),
        "--limit",
        "esper.memory_use=0",
        "--limit",
        "esper.lag=-1",
    )
    assert done.returncode == 10, done.stdout
    assert verdicts(tmp_path)["E-OON-5"] == ("FAIL", "lagging")
    assert "lag = -1 entries (set in the target; default 1000" in done.stdout


def test_what_was_fetched_cannot_be_asked_again(saved: Path, tmp_path: Path) -> None:
    """A window is no threshold: another one than the evidence was fetched with is exit 4, the same one is taken."""
    other = suite(tmp_path, "checks/bzzz", "--replay", str(saved), "--limit", "bzzz.sli_window=7")
    assert other.returncode == 4
    assert "the saved run observed with sli_window = " in other.stderr
    assert "run without --replay" in other.stderr
    fetched = load_run(saved).run["limits"]["bzzz"]["sli_window"]["value"]
    same = suite(tmp_path, "checks/bzzz", "--replay", str(saved), "--limit", f"bzzz.sli_window={fetched}")
    assert same.returncode == 0, same.stdout


def test_a_changed_line_is_told(saved: Path, tmp_path: Path) -> None:
    """A journal in which a line was changed or removed is refused with the line's number: exit 4."""
    copy = moved(saved, tmp_path)
    path = copy / "journal.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines).replace('"length": ', '"length": 1', 1), encoding="utf-8")
    changed = suite(tmp_path, "--replay", str(copy))
    assert changed.returncode == 4
    assert "was changed after it was written" in changed.stderr
    path.write_text("".join(lines[:2] + lines[3:]), encoding="utf-8")
    removed = suite(tmp_path, "--replay", str(copy))
    assert removed.returncode == 4
    assert "line 3" in removed.stderr


def test_a_cut_journal_is_judged_as_far_as_it_goes(saved: Path, tmp_path: Path) -> None:
    """Of a journal cut in the middle what is there is judged; the rest is UNKNOWN and says why."""
    copy = moved(saved, tmp_path)
    path = copy / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b'"name": "consumer_progress"') + 5])
    done = suite(tmp_path, "--replay", str(copy))
    assert done.returncode == 12, done.stdout
    assert "the journal was cut before its end" in done.stdout
    assert "PASS" in {verdict for verdict, _ in verdicts(tmp_path).values()}
    assert verdicts(tmp_path)["E-OON-5"] == ("UNKNOWN", "precondition")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "give the folder of a run"),
        (b"", "holds no record of a run"),
        (b"\x00\xff not json\n", "is not a journal record"),
        (b'{"kind": "run", "format": 99, "opsverify": "9.9"}\n', "has journal format 99 (opsverify 9.9)"),
    ],
)
def test_what_is_no_saved_run_is_told(content: bytes | None, told: str, tmp_path: Path) -> None:
    """A folder without a journal, an empty one, one that is no JSON, and one of another version are told apart: exit 4."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    if content is not None:
        (folder / "journal.jsonl").write_bytes(content)
    done = suite(tmp_path, "--replay", str(folder))
    assert done.returncode == 4
    assert told in done.stderr


def test_a_bad_limit_is_told(tmp_path: Path) -> None:
    """A limit that is no number, or that does not exist, is exit 4 with what would be right."""
    no_number = suite(tmp_path, "--profile", "smoke", "--limit", "esper.lag=many")
    assert no_number.returncode == 4
    assert "SYSTEM.LIMIT=NUMBER" in no_number.stderr
    unknown = suite(tmp_path, "--profile", "smoke", "--limit", "esper.lagg=3")
    assert unknown.returncode == 4
    assert "did you mean 'lag'" in unknown.stderr


def test_a_target_file_may_stand_anywhere(tmp_path: Path) -> None:
    """A target file outside the checkout does not make pytest take another root; the plan names what would write."""
    target = tmp_path / "live.toml"
    target.write_text(
        'name = "elsewhere"\n[esper]\nredis = { url = "redis://127.0.0.1:1/0" }\nabsent = { nissa = "not here", prometheus = "not here", grafana = "not here", elasticsearch = "not here", files = "not here" }\n',
        encoding="utf-8",
    )
    plan = suite(tmp_path, "--target", str(target), "--profile", "canary", "--plan")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "declared absent: nissa: not here" in plan.stdout
    assert "would run, and write: 0" in plan.stdout
    preflight = suite(tmp_path, "--target", str(target), "--profile", "canary", "--preflight")
    assert preflight.returncode == 12
    assert "FAILED esper.redis      connection  refused" in preflight.stdout
    assert "absent esper.nissa: not here" in preflight.stdout
    assert not list((tmp_path / "reports").glob("*/report.html"))


def test_the_markdown_summary_is_for_a_ci_step(saved: Path, tmp_path: Path) -> None:
    """The summary has the verdict, what needs somebody in a table, and leaves no markup of a target alive."""
    text = (saved / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("## ✅ embedded: the gate holds")
    suite(tmp_path, "--replay", str(saved), "--limit", "esper.lag=-1")
    red = (tmp_path / "reports" / "latest" / "summary.md").read_text(encoding="utf-8")
    assert "| FAIL | P1 | E-OON-5 consumers keep up |" in red


def test_another_runbook_than_the_mapped_one_is_warned_of(saved: Path, tmp_path: Path) -> None:
    """A real runbook whose sections differ from the map is named section by section; a wrong option is exit 4."""
    runbook = tmp_path / "runbook.md"
    runbook.write_text("# Esper-Lite Operator Runbook\n\n## 9. New\n", encoding="utf-8")
    done = suite(tmp_path, "--replay", str(saved), "--runbook-file", f"esper={runbook}")
    assert done.returncode == 0, done.stdout
    assert f"section '9. New' of {runbook} is mapped to nothing" in done.stdout
    assert f"section '6. Shutdown Procedures' of the map is not in {runbook}" in done.stdout
    wrong = suite(tmp_path, "--replay", str(saved), "--runbook-file", f"nope={runbook}")
    assert wrong.returncode == 4
    assert "must be SYSTEM=FILE" in wrong.stderr
