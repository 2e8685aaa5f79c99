"""BZZZ's map, markers, example target and faults agree with each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fixtures.bzzz.faults import FAULTS
from opsverify.model.verdict import Verdict
from opsverify.target.file import load_target
from opsverify.target.runbook import contradictions, load_runbook
from systems.bzzz.section import BzzzSection
from systems.bzzz.system import BZZZ
from systems.esper.system import ESPER
from systems.statehub.system import STATEHUB
from tests.contract.test_documents import declared_checks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = load_runbook(ROOT / "checks" / "bzzz" / "runbook.toml")


def test_the_map_and_the_markers_agree() -> None:
    """Every check is mapped for exactly its profiles, stands under a section, and every section says what verifies it."""
    checks = declared_checks("bzzz")
    known = {check.id for check in checks}
    assert contradictions(RUNBOOK, checks) == []
    assert RUNBOOK.known() == known
    assert {check for procedure in RUNBOOK.procedure for check in procedure.checks} == known
    for procedure in RUNBOOK.procedure:
        assert bool(procedure.checks) != bool(procedure.not_verified), procedure.section
        assert "TO BE REPLACED" not in procedure.not_verified, procedure.section


def test_a_checks_promise_is_one_sentence() -> None:
    """Each check's docstring is one sentence; each says where it comes from and what to do next."""
    for check in declared_checks("bzzz"):
        assert check.promise.endswith("."), check.id
        assert check.promise.count(". ") == 0, check.id
        assert check.next_step, check.id
        assert check.runbook, check.id
        assert check.subsystem in BZZZ.subsystems, check.id


def test_every_check_has_a_fault() -> None:
    """Every check but the drills has a fault that makes it FAIL, and no fault names a check that does not exist."""
    known = {check.id for check in declared_checks("bzzz") if not check.drill}
    failing = {i for fault in FAULTS for i, (verdict, _) in fault.reddens.items() if verdict is Verdict.FAIL}
    assert known - failing == set()
    assert {i for fault in FAULTS for i in fault.reddens} - known == set()
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_the_example_target_is_complete_and_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of a live target loads, shows every key of this system, and its limits are the defaults."""
    for name in ("ESPER_REDIS", "STATEHUB_ACTIVITY", "BZZZ_DATABASE"):
        monkeypatch.setenv(f"{name}_PASSWORD", "a long enough secret")
    monkeypatch.setenv("ESPER_LEYLINE_SECRET", "a long enough secret")
    path = ROOT / "targets" / "live.example.toml"
    systems = {"esper": ESPER.section, "statehub": STATEHUB.section, "bzzz": BZZZ.section}
    section: Any = load_target(path, systems).sections()["bzzz"]
    shown = path.read_text(encoding="utf-8").partition("\n[bzzz]\n")[2]
    keys = {key for table in _tables(BzzzSection) for key in table.model_fields}
    hidden = {k for k in keys if not re.search(rf"(^|\{{|, |\.)(# ?)?{k}\b", shown, re.MULTILINE)}
    assert hidden == set()
    assert section.unconfigured() == []
    defaults = {k: v["value"] for k, v in type(section.limits)().model_dump().items()}
    assert {k: v["value"] for k, v in section.limits.model_dump().items()} == defaults


def _tables(of: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A table of the target and all tables in it, limits' own fields left out."""
    yield of
    for field in of.model_fields.values():
        for inner in _models_of(field.annotation):
            if inner.__module__.startswith("fixtures."):
                yield from _tables(inner)


def _models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_of(inner)
