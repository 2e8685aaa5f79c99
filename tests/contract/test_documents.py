"""What is written down is generated from, or compared with, the code that it speaks of."""

from __future__ import annotations

import ast
import re
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from pydantic import BaseModel

from opsverify.commands.required import required_text
from opsverify.model.verdict import Verdict
from opsverify.report.json import schema
from opsverify.report.model import RunReport
from opsverify.target.file import load_target
from opsverify.target.runbook import contradictions, load_runbook
from systems.bzzz.system import BZZZ
from systems.esper.system import ESPER
from systems.statehub.system import STATEHUB
from tests.declared import ROOT, checks_declared
from tests.detection.matrix_page import PAGE, matrix_page
from tests.detection.parts import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opsverify.model.system import System
    from opsverify.target.runbook import Runbook

SYSTEMS = {system.name: system for system in (ESPER, STATEHUB, BZZZ)}
SECRETS = (
    "ESPER_REDIS_PASSWORD",
    "ESPER_LEYLINE_SECRET",
    "STATEHUB_ACTIVITY_PASSWORD",
    "BZZZ_DATABASE_PASSWORD",
)
CHECK_ID = re.compile(r"[A-Z]-[A-Z0-9]+-\d+[a-z]?")

each_system = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)


def runbook_of(system: System) -> Runbook:
    """The runbook map of a system."""
    return load_runbook(ROOT / "checks" / system.name / "runbook.toml")


def test_ci_calls_the_readme_test_line() -> None:
    """The line that CI runs is the README's test line, word for word."""
    lines = re.findall(
        r"^python3 -m venv .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [line for line in lines if line.endswith("-e tests")]
    assert lines[-1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PLACES = "opsverify|systems|fixtures|checks|tests|targets|docs|bench|containers"
PLACE = re.compile(rf"(?:(?<=[`\s(])(?:{PLACES})|\.ci)/[\w./<>*-]*[\w>*]")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
GONE = re.compile(r"<!-- gone -->.*?<!-- /gone -->", re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_names_is_there(document: Path) -> None:
    """Each file and folder of this tree that a document names or links to exists; `<name>` stands for any."""
    now = GONE.sub("", document.read_text(encoding="utf-8"))
    places = {re.sub(r"<\w+>", "*", place) for place in PLACE.findall(now)}
    assert [place for place in sorted(places) if not [*ROOT.glob(place)]] == []
    assert [link for link in LINK.findall(now) if not (document.parent / link).exists()] == []


def test_the_schema_in_docs_is_the_models() -> None:
    """The published JSON schema is the one that the model generates."""
    assert (ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8") == schema()
    jsonschema.Draft202012Validator.check_schema(RunReport.model_json_schema(mode="serialization"))


def test_the_matrix_in_docs_is_that_of_the_faults() -> None:
    """The published detection matrix lists exactly what the faults declare."""
    assert PAGE.read_text(encoding="utf-8") == matrix_page(), "python -m tests.detection.matrix_page"


@each_system
def test_the_map_and_the_markers_agree(system: System) -> None:
    """Every check is mapped for exactly its profiles, and stands under a section; every section says what verifies it, or why nothing does."""
    checks, runbook = checks_declared(system.name), runbook_of(system)
    assert contradictions(runbook, list(checks.values())) == []
    assert runbook.known() == set(checks)
    assert {check for procedure in runbook.procedure for check in procedure.checks} == set(checks)
    for procedure in runbook.procedure:
        assert bool(procedure.checks) != bool(procedure.not_verified), procedure.section


@each_system
def test_the_required_checks_are_those_of_the_markers(system: System) -> None:
    """The generated list of each profile's checks is the one that the markers give."""
    folder = ROOT / "checks" / system.name
    text = required_text(folder.relative_to(ROOT), checks_declared(system.name).values())
    assert (folder / "required.toml").read_text(encoding="utf-8") == text, (
        "python -m opsverify.commands.required"
    )


@each_system
def test_a_stand_in_runs_wherever_it_stands_in(system: System) -> None:
    """A check that a target may not publish has a stand-in that belongs to every profile it belongs to."""
    checks = checks_declared(system.name)
    for check, stand_in in runbook_of(system).stand_in.items():
        assert checks[check].profiles <= checks[stand_in].profiles, check


@each_system
def test_a_checks_promise_is_one_sentence(system: System) -> None:
    """Each check's docstring is one sentence; each says where it comes from and what to do next."""
    for check in checks_declared(system.name).values():
        assert check.promise.endswith("."), check.id
        assert check.promise.count(". ") == 0, check.id
        assert check.next_step, check.id
        assert check.runbook, check.id
        assert check.subsystem in system.subsystems, check.id


@each_system
def test_every_check_has_a_fault(system: System) -> None:
    """Every check but the drills has a fault that makes it FAIL, and no fault names a check that does not exist."""
    known = {check.id for check in checks_declared(system.name).values() if not check.drill}
    faults = system.faults()
    failing = {
        i
        for fault in faults
        for i, (verdict, _) in fault.expected_failures.items()
        if verdict is Verdict.FAIL
    }
    assert failing == known
    assert {i for fault in faults for i in fault.expected_failures} == known


@each_system
def test_a_drill_names_checks_that_exist(system: System) -> None:
    """Every id in a drill is one of its system's checks: a drill with another breaks in its middle."""
    drills = sorted((ROOT / "checks" / system.name / "drills").glob("*.py"))
    named = {
        node.value
        for path in drills
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CHECK_ID.fullmatch(node.value)
    }
    assert named
    assert named - checks_declared(system.name).keys() == set()


@each_system
def test_what_a_system_names_by_path_is_there(system: System) -> None:
    """Client, operator, twin, preflight and faults stand where their names say, though nobody imports them until they are needed."""
    for named in (system.connect, system.operate, system.start_twin, system.questions, system.faults):
        assert resolve_name(named.__qualname__) is not None


@each_system
def test_the_example_target_is_complete_and_valid(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of a live target loads, shows every key of the system, and its limits are the defaults."""
    for name in SECRETS:
        monkeypatch.setenv(name, "a long enough secret")
    path = ROOT / "targets" / "live.example.toml"
    target = load_target(path, {name: each.section for name, each in SYSTEMS.items()})
    section: Any = target.sections()[system.name]
    shown = path.read_text(encoding="utf-8").partition(f"\n[{system.name}]\n")[2]
    shown = min((shown.partition(f"\n[{name}]\n")[0] for name in SYSTEMS), key=len)
    keys = {key for table in _tables(system.section) for key in table.model_fields}
    hidden = {
        k
        for k in keys
        if not re.search(rf"(^|\{{|, |\.|\[)(# ?)?(\[{{1,2}}{system.name}\.)?{k}\b", shown, re.MULTILINE)
    }
    assert hidden == set()
    assert section.unconfigured() == []
    defaults = {k: v["value"] for k, v in type(section.limits)().model_dump().items()}
    assert {k: v["value"] for k, v in section.limits.model_dump().items()} == defaults


def test_the_example_target_shows_the_engines_own_keys() -> None:
    """The example of a live target shows every key that stands above the systems."""
    shown = (ROOT / "targets" / "live.example.toml").read_text(encoding="utf-8")
    target = load_target(
        ROOT / "targets" / "embedded.toml", {name: each.section for name, each in SYSTEMS.items()}
    )
    keys = type(target).model_fields
    assert [key for key in keys if not re.search(rf"^#? ?\[{{0,2}}{key}\b", shown, re.MULTILINE)] == []


def test_no_fault_stands_twice() -> None:
    """Each fault is in its matrix once, under a name of its own."""
    for part in PARTS.values():
        names = [fault.name for fault in part.faults]
        assert sorted(set(names)) == sorted(names), part.title


def _tables(of: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A table of the target and all tables in it, limits' own fields left out."""
    yield of
    for field in of.model_fields.values():
        for inner in _models_of(field.annotation):
            if inner.__module__.startswith("systems."):
                yield from _tables(inner)


def _models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_of(inner)
