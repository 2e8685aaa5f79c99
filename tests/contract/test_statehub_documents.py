"""State Hub's map, markers, example target and faults agree with each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from checks.statehub.activity import test_activity
from checks.statehub.api import test_api
from checks.statehub.drills import (
    test_api_down,
    test_definition_drifted,
    test_emergency_fallback,
    test_scheduler_lost,
    test_tunnel_down,
    test_two_sweeps,
)
from checks.statehub.kubernetes import test_kubernetes, test_tunnel
from checks.statehub.schedule import test_schedule
from checks.statehub.sweeps import test_manual_canary, test_progress
from checks.statehub.workstation import test_timer
from fixtures.statehub.faults import FAULTS
from opsverify.model.check import Check, check_of
from opsverify.model.verdict import Verdict
from opsverify.target.file import load_target
from opsverify.target.runbook import contradictions, load_runbook
from systems.bzzz.system import BZZZ
from systems.esper.system import ESPER
from systems.statehub.activity.target import Columns, Tables
from systems.statehub.kubernetes.target import KubernetesTarget
from systems.statehub.schedule.target import Schedule, TemporalTarget
from systems.statehub.section import StateHubLimits, StateHubSection
from systems.statehub.system import STATEHUB
from systems.statehub.workstation.target import WorkstationTarget

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = load_runbook(ROOT / "checks" / "statehub" / "runbook.toml")
MODULES = (
    test_api,
    test_schedule,
    test_progress,
    test_activity,
    test_kubernetes,
    test_tunnel,
    test_timer,
    test_manual_canary,
    test_api_down,
    test_scheduler_lost,
    test_definition_drifted,
    test_two_sweeps,
    test_emergency_fallback,
    test_tunnel_down,
)


def declared() -> list[Check]:
    """Every check of State Hub."""
    found = [getattr(module, name) for module in MODULES for name in dir(module) if name.startswith("test_")]
    return [check_of(f) for f in found if callable(f)]


def test_the_map_and_the_markers_agree() -> None:
    """Every check is mapped for exactly its profiles, stands under a section, and every section says what verifies it."""
    checks = declared()
    known = {check.id for check in checks}
    assert contradictions(RUNBOOK, checks) == []
    assert RUNBOOK.known() == known
    assert {check for procedure in RUNBOOK.procedure for check in procedure.checks} == known
    for procedure in RUNBOOK.procedure:
        assert bool(procedure.checks) != bool(procedure.not_verified), procedure.section


def test_a_checks_promise_is_one_sentence() -> None:
    """Each check's docstring is one sentence; each says where it comes from and what to do next."""
    for check in declared():
        assert check.promise.endswith("."), check.id
        assert check.promise.count(". ") == 0, check.id
        assert check.next_step, check.id
        assert check.runbook, check.id
        assert check.subsystem in STATEHUB.subsystems, check.id


def test_every_check_has_a_fault() -> None:
    """Every check but the drill has a fault that makes it FAIL, and no fault names a check that does not exist."""
    known = {check.id for check in declared() if not check.drill}
    failing = {i for fault in FAULTS for i, (verdict, _) in fault.reddens.items() if verdict is Verdict.FAIL}
    assert failing == known
    assert {i for fault in FAULTS for i in fault.reddens} == known
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_the_example_target_is_complete_and_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of a live target loads, shows every key of this system, and its values are the defaults."""
    for name in ("ESPER_REDIS", "STATEHUB_ACTIVITY", "BZZZ_DATABASE"):
        monkeypatch.setenv(f"{name}_PASSWORD", "a long enough secret")
    monkeypatch.setenv("ESPER_LEYLINE_SECRET", "a long enough secret")
    path = ROOT / "targets" / "live.example.toml"
    target = load_target(path, {"esper": ESPER.section, "statehub": STATEHUB.section, "bzzz": BZZZ.section})
    section: Any = target.sections()["statehub"]
    shown = path.read_text(encoding="utf-8").partition("\n[statehub]\n")[2].partition("\n[bzzz]\n")[0]
    tables: tuple[type[BaseModel], ...] = (
        StateHubSection,
        Tables,
        Columns,
        Schedule,
        StateHubLimits,
        TemporalTarget,
        KubernetesTarget,
        WorkstationTarget,
    )
    keys = [key for table in tables for key in table.model_fields] + ["password_env", "ca_file"]
    assert [k for k in keys if not re.search(rf"^(# ?)?(\[statehub\.)?{k}\b", shown, re.MULTILINE)] == []
    assert section.unconfigured() == []
    assert section.kubernetes == KubernetesTarget(kubeconfig=section.kubernetes.kubeconfig)
    assert section.workstation == WorkstationTarget(host=section.workstation.host)
    assert (section.tables, section.columns, section.schedule) == (Tables(), Columns(), Schedule())
    defaults = {k: v["value"] for k, v in StateHubLimits().model_dump().items()}
    assert {k: v["value"] for k, v in section.limits.model_dump().items()} == defaults
