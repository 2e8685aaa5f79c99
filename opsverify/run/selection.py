"""Selection of checks: by profile, by the systems of the target, by what the target configures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsverify.model.check import PROFILES, CheckDeclarationError, read_check
from opsverify.run.part import PartError, part_of
from opsverify.target.incident import of_alert
from opsverify.target.runbook import contradictions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opsverify.model.check import Check
    from opsverify.model.system import System
    from opsverify.model.verdict import Severity
    from opsverify.run.part import Part
    from opsverify.run.run import Run

__all__ = [
    "add_plain_markers",
    "drills_named",
    "plain_markers",
    "read_checks",
    "select",
    "validate_waivers",
    "wants_drills",
]


def plain_markers(systems: Iterable[System]) -> list[str]:
    """Marker lines for `-m`: severities, profiles, systems and subsystems."""
    words = {f"{p}: a severity" for p in ("P0", "P1", "P2", "P3")} | {f"{p}: a profile" for p in PROFILES}
    words.add("deployed: checks made from --expect")
    for system in systems:
        words |= {f"{system.name}: {system.title}"} | {f"{s}: a subsystem" for s in system.subsystems}
    return sorted(words)


def read_checks(items: Iterable[pytest.Item], systems: Mapping[str, System]) -> dict[str, Check]:
    """Every collected check by node id.

    Raises:
        pytest.UsageError: a marker is wrong, two checks share an id, or a check belongs to no registered system.
    """
    checks: dict[str, Check] = {}
    by_id: dict[str, str] = {}
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        try:
            check = read_check(item)
        except CheckDeclarationError as error:
            raise pytest.UsageError(str(error)) from None
        if check is None:
            continue
        if check.id in by_id:
            msg = f"two checks have the id {check.id}: {by_id[check.id]} and {item.nodeid}; give one a letter"
            raise pytest.UsageError(msg)
        by_id[check.id] = item.nodeid
        _require_registered(check, systems)
        checks[item.nodeid] = check
    return checks


def add_plain_markers(items: Iterable[pytest.Item], checks: dict[str, Check]) -> None:
    """Attach severity, profiles, system and subsystem as plain markers, so that `-m "P0 and oona"` works."""
    for item in items:
        check = checks.get(item.nodeid)
        if check is not None:
            for word in (check.severity.value, check.system, check.subsystem, *check.profiles):
                item.add_marker(word)


def select(run: Run, items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The items to run and those to leave out; `run.not_configured` gets the checks of surfaces that are not configured.

    Raises:
        pytest.UsageError: a marker contradicts the runbook map, or the target names a check that does not exist.
    """
    known = _validate(run)
    if run.options.only:
        systems = {name: run.systems[name] for name in run.target.sections()}
        try:
            run.part = part_of(run.options.only, systems, known)
        except PartError as error:
            msg = f"only: {error}"
            raise pytest.UsageError(msg) from None
    if run.options.incident is not None:
        own = [c for c in run.checks.values() if c.system in run.target.sections()]
        run.incident = of_alert(run.options.incident, own, run.specs_of)
        items.sort(key=lambda item: _place(run, item))
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    sections = {} if run.target.owned else run.target.sections()
    unconfigured = {name: frozenset(section.unconfigured()) for name, section in sections.items()}
    for item in items:
        check = run.checks.get(item.nodeid)
        if check is None:
            kept.append(item)
            continue
        reason = _why_not(run, check)
        if reason is None:
            missing = [s for s in run.surfaces_of(check) if s in unconfigured.get(check.system, ())]
            if missing:
                run.not_configured[check.id] = (
                    f"surface {missing[0]!r} of {check.system} is neither configured nor declared absent in {run.target_file}"
                )
                reason = "not configured"
        (kept if reason is None else left).append(item)
    if run.part is not None:
        _warn_about_part(
            run, run.part, [run.checks[item.nodeid] for item in kept if item.nodeid in run.checks]
        )
    return kept, left


def _warn_about_part(run: Run, part: Part, chosen: list[Check]) -> None:
    """Warn of words that match no check, and of checks left out because they look at other surfaces too."""
    where = f"profile {run.options.profile}" if run.options.profile else "this run"
    unmatched = part.unmatched_words(chosen, run.surfaces_of)
    run.warnings += [f"only {word}: none of its checks runs in {where}" for word in unmatched]
    run.unmatched_words = frozenset(unmatched) if chosen else frozenset()
    sections = run.target.sections()
    both = [
        check.id
        for check in run.checks.values()
        if check.system in sections
        and part.touches(check, run.surfaces_of(check))
        and run.options.profile in (None, *check.profiles)
    ]
    if both:
        run.warnings.append(
            f"outside the selected part, because they look at other surfaces too: {', '.join(sorted(both))}"
        )


def _why_not(run: Run, check: Check) -> str | None:
    if check.system not in run.target.sections() or not run.in_part(check):
        return "not in this target, or not of the part of it that the run is about"
    if run.saved is not None and check.drill:
        return "a drill cannot be replayed"
    profile = run.options.profile
    if profile is None:
        return (
            "drills need --profile drill, or their path"
            if check.drill and not run.options.drills_named
            else None
        )
    if run.incident is not None and run.incident.place(check.id) is None:
        return "not tied to this incident"
    if run.options.period and check.period not in ("", run.options.period):
        return "not in this period"
    return None if profile in check.profiles else "not in this profile"


def _place(run: Run, item: pytest.Item) -> int:
    check = run.checks.get(item.nodeid)
    place = run.incident.place(check.id) if run.incident and check else None
    return len(run.checks) if place is None else place


def _require_registered(check: Check, systems: Mapping[str, System]) -> None:
    system = systems.get(check.system)
    if system is None:
        msg = f"{check.nodeid}: system {check.system!r} is not registered; registered are {', '.join(systems) or 'none'}"
        raise pytest.UsageError(msg)
    if check.subsystem not in system.subsystems:
        msg = f"{check.nodeid}: {system.name} has no subsystem {check.subsystem!r}; it has {', '.join(system.subsystems)}"
        raise pytest.UsageError(msg)


def _validate(run: Run) -> set[str]:
    """Every check's id. Raises pytest.UsageError: see `select`."""
    for name, runbook in run.runbooks.items():
        troubles = contradictions(runbook, (c for c in run.checks.values() if c.system == name))
        if troubles:
            folder = run.checks_folder / name
            msg = "\n".join(
                (
                    f"{folder / 'required.toml'} (or [required] in runbook.toml) and the checks' markers disagree:",
                    *troubles,
                    f"where the markers are right: python -m opsverify.commands.required checks/{name}",
                )
            )
            raise pytest.UsageError(msg)
    known = {check for book in run.runbooks.values() for check in book.known()} | {
        c.id for c in run.checks.values()
    }
    validate_waivers(run, known)
    unknown = sorted(set(run.target.severity) - known)
    if unknown:
        msg = f"{run.target_file}: [severity] names unknown checks: {', '.join(unknown)}"
        raise pytest.UsageError(msg)
    return known


def wants_drills(config: pytest.Config, *, live: bool) -> bool:
    """Whether drills are collected: never in another profile, and for a live target only to be listed, or by their path."""
    profile = config.getoption("profile")
    if profile is not None:
        return bool(profile == "drill")
    listing = any(config.getoption(option) for option in ("plan", "runbook", "explain", "collectonly"))
    return listing or not live or drills_named(config)


def drills_named(config: pytest.Config) -> bool:
    """Whether a drill's file or folder was asked for by its path."""
    return any("drills" in Path(str(arg).split("::")[0]).parts for arg in config.args)


def validate_waivers(run: Run, known: set[str]) -> None:
    """Require that each waiver names a known check and expires soon enough.

    Raises:
        pytest.UsageError: one does not.
    """
    severities: dict[str, Severity | None] = dict.fromkeys(known)
    severities |= {check.id: run.severity(check) for check in run.checks.values()}
    troubles = run.waivers.troubles(severities, datetime.now(UTC))
    if troubles:
        raise pytest.UsageError("\n".join(troubles))
