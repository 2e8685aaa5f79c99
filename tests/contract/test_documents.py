"""What is written down is generated from, or compared with, the code that it speaks of."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import jsonschema
import pytest

from opsverify.model.check import Check, check_of
from opsverify.report.json import schema
from opsverify.report.model import RunReport
from opsverify.target.file import load_target
from opsverify.target.runbook import contradictions, load_runbook
from systems.bzzz.system import BZZZ
from systems.esper.limits import EsperLimits
from systems.esper.system import ESPER
from systems.statehub.system import STATEHUB
from tests.detection.matrix_page import PAGE, matrix_page
from tests.detection.parts import PARTS

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = load_runbook(ROOT / "checks" / "esper" / "runbook.toml")


def declared_checks(system: str = "esper") -> list[Check]:
    """Every check of a system, from every file of checks below its folder."""
    files = sorted((ROOT / "checks" / system).rglob("test_*.py"))
    modules = [import_module(".".join(f.relative_to(ROOT).with_suffix("").parts)) for f in files]
    functions = [
        getattr(module, name) for module in modules for name in dir(module) if name.startswith("test_")
    ]
    return [check_of(f) for f in functions if callable(f)]


def test_ci_calls_the_readme_test_line() -> None:
    """The line that CI runs is the README's test line, word for word."""
    lines = re.findall(
        r"^python3 -m venv .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [line for line in lines if line.endswith("-e tests")]
    assert lines[-1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_schema_in_docs_is_the_models() -> None:
    """The published JSON schema is the one that the model generates."""
    assert (ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8") == schema()
    jsonschema.Draft202012Validator.check_schema(RunReport.model_json_schema(mode="serialization"))


def test_the_matrix_in_docs_is_that_of_the_faults() -> None:
    """The published detection matrix lists exactly what the faults declare."""
    assert PAGE.read_text(encoding="utf-8") == matrix_page(), "python -m tests.detection.matrix_page"


def test_the_example_target_is_complete_and_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of a live target loads, shows every key, and its limits are the defaults."""
    monkeypatch.setenv("ESPER_REDIS_PASSWORD", "a password")
    monkeypatch.setenv("ESPER_LEYLINE_SECRET", "a signing secret")
    monkeypatch.setenv("STATEHUB_ACTIVITY_PASSWORD", "a password")
    monkeypatch.setenv("BZZZ_DATABASE_PASSWORD", "a password")
    path = ROOT / "targets" / "live.example.toml"
    systems = {"esper": ESPER.section, "statehub": STATEHUB.section, "bzzz": BZZZ.section}
    target = load_target(path, systems)
    shown = path.read_text(encoding="utf-8")
    section = target.sections()["esper"]
    keys = [*type(target).model_fields, *type(section).model_fields, *EsperLimits.model_fields]
    missing = [key for key in keys if not re.search(rf"^#? ?\[{{0,2}}(esper\.)?{key}\b", shown, re.MULTILINE)]
    assert missing == []
    limits = section.limits.model_dump()
    assert {k: v["value"] for k, v in limits.items()} == {
        k: v["value"] for k, v in EsperLimits().model_dump().items()
    }


def test_the_map_and_the_markers_agree() -> None:
    """Every check is mapped for exactly the profiles that its marker names, and the map names no other check."""
    checks = declared_checks()
    assert contradictions(RUNBOOK, checks) == []
    assert RUNBOOK.known() == {check.id for check in checks}


def test_a_stand_in_runs_wherever_it_stands_in() -> None:
    """A check that a target may not publish has a stand-in that belongs to every profile it belongs to."""
    profiles = {check.id: check.profiles for check in declared_checks()}
    for check, stand_in in RUNBOOK.stand_in.items():
        assert profiles[check] <= profiles[stand_in], check


def test_every_section_is_verified_or_says_why_not() -> None:
    """Each section of the runbook names its checks or why there are none, and every named check exists."""
    known = {check.id for check in declared_checks()}
    for procedure in RUNBOOK.procedure:
        assert bool(procedure.checks) != bool(procedure.not_verified), procedure.section
        assert set(procedure.checks) <= known, procedure.section


def test_every_check_belongs_to_a_section() -> None:
    """No check stands outside the runbook."""
    mapped = {check for procedure in RUNBOOK.procedure for check in procedure.checks}
    assert {check.id for check in declared_checks()} <= mapped


def test_a_checks_promise_is_one_sentence() -> None:
    """Each check's docstring is one sentence, and each says what to do next."""
    for check in declared_checks():
        assert check.promise.endswith("."), check.id
        assert check.promise.count(". ") == 0, check.id
        assert check.next_step, check.id
        assert check.runbook, check.id


def test_no_fault_stands_twice() -> None:
    """Each fault is in its matrix once, under a name of its own."""
    for part in PARTS.values():
        names = [fault.name for fault in part.faults]
        assert sorted(set(names)) == sorted(names), part.title
