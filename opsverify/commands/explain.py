"""`--runbook` lists procedures and checks; `--explain` shows one check in full."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.commands.plan import CommandResult, plan, preflight
from opsverify.target.incident import nearest
from opsverify.target.runbook import runbooks_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opsverify.model.check import Check
    from opsverify.run.run import Run

__all__ = ["explain", "list_runbooks", "run_command"]


def run_command(run: Run, chosen: list[Check], option: Callable[[str], Any]) -> CommandResult:
    """The output of `--runbook`, `--explain`, `--plan` or `--preflight`; no check is judged."""
    if option("runbook"):
        return list_runbooks(run)
    if option("explain"):
        return explain(run, option("explain"))
    return plan(run, chosen) if option("plan") else asyncio.run(preflight(run, chosen))


def list_runbooks(run: Run) -> CommandResult:
    """Each procedure of each registered system with its checks, their severities and what each needs."""
    by_id = {check.id: check for check in run.checks.values()}
    lines: list[str] = []
    for system, runbook in runbooks_beside(run.checks_folder, run.systems).items():
        lines += [*([""] if lines else []), f"{system}: {runbook.title}"]
        for procedure in runbook.procedure:
            lines.append(f"  {procedure.section}")
            if not procedure.checks:
                lines.append(f"    not verified: {procedure.not_verified}")
            lines += [f"    {_line(run, by_id, check)}" for check in procedure.checks]
        mapped = {check for procedure in runbook.procedure for check in procedure.checks}
        outside = [c for c in by_id.values() if c.system == system and c.id not in mapped]
        lines += [f"  in no section: {_line(run, by_id, check.id)}" for check in outside]
    return CommandResult(tuple(lines) or ("no runbook.toml was found beside the checks",), worked=True)


def _line(run: Run, by_id: Mapping[str, Check], check_id: str) -> str:
    check = by_id.get(check_id)
    if check is None:
        return f"{check_id:<9}    (not collected here)"
    return (
        f"{check_id:<9} {run.severity(check)}  {check.name}  [needs {_needs(run, check)}; {_profiles(check)}]"
    )


def _needs(run: Run, check: Check) -> str:
    if check.drill:
        return "a twin of its own, which it breaks and repairs"
    specs = run.specs_of(check)
    surfaces = dict.fromkeys(f"{spec.system}.{surface}" for spec in specs for surface in spec.surfaces)
    acts = [f"the action {spec.active!r} armed" for spec in specs if spec.active]
    return ", ".join([*surfaces, *acts]) or "nothing"


def _profiles(check: Check) -> str:
    return " ".join(sorted(check.profiles))


def explain(run: Run, check_id: str) -> CommandResult:
    """One check in full.

    Raises:
        pytest.UsageError: there is no such check; with the nearest one.
    """
    by_id = {check.id: check for check in run.checks.values()}
    check = by_id.get(check_id)
    if check is None:
        msg = f"--explain {check_id}: no such check{nearest(check_id, by_id)}; pytest --runbook lists them"
        raise pytest.UsageError(msg)
    return CommandResult(tuple(_lines(run, check)), worked=True)


def _lines(run: Run, check: Check) -> Iterator[str]:
    severity = run.severity(check)
    yield f"{check.id}  {severity}  {check.system} · {check.subsystem} · {check.name}"
    yield f"  promise   {check.promise}"
    yield f"  profiles  {_profiles(check)}"
    sections = [
        procedure.section
        for book in runbooks_beside(run.checks_folder, run.systems).values()
        for procedure in book.procedure
        if check.id in procedure.checks
    ]
    if check.runbook or sections:
        mapped = f" (verifies the section(s) {'; '.join(sections)})" if sections else ""
        yield f"  runbook   {check.runbook}{mapped}"
    if check.alert:
        yield f"  alert     {check.alert}: pytest --incident {check.alert} --target {run.target_file}"
    yield f"  source    {_place(check.function)}"
    yield f"  needs     {_needs(run, check)}"
    for spec in run.specs_of(check):
        meaning = " ".join(spec.meaning.split("\n\n")[0].split())
        yield f"  looks at  {spec.name}: {meaning} (deadline {spec.deadline.total_seconds():g} s)"
    if check.unreachable == "fail":
        yield "  no reply  an endpoint that does not serve makes this check FAIL, not UNKNOWN"
    yield from _faults(run, check)
    if check.next_step:
        yield f"  next      {check.next_step}"
    yield f"  due       respond within {_hours(severity.response.total_seconds())}, resolve within {_hours(severity.resolution.total_seconds())}"
    folder = check.nodeid.split("::")[0]
    yield f"  run       pytest {folder} --target {run.target_file} -k {check.function.__name__}"


def _faults(run: Run, check: Check) -> Iterator[str]:
    expected_by = [
        (fault, fault.expected_failures[check.id])
        for fault in run.systems[check.system].faults()
        if check.id in fault.expected_failures
    ]
    if not expected_by:
        yield f"  faults    none{': the check is a drill' if check.drill else ' declared'}"
    for fault, (verdict, reason) in sorted(expected_by, key=lambda turn: (turn[1][0].badness, turn[0].name)):
        what = " ".join((inspect.getdoc(fault) or "").split())
        yield f"  faults    {fault.name} turns it {verdict} ({reason}): {what}"


def _place(function: object) -> str:
    code = inspect.unwrap(function).__code__  # type: ignore[arg-type]
    path = Path(code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{code.co_firstlineno}"


def _hours(amount: float) -> str:
    return f"{amount / 3600:g} h" if amount >= 3600 else f"{amount / 60:g} min"  # noqa: PLR2004 - an hour
