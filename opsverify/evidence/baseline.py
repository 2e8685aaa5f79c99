"""Comparison with an earlier run: verdicts, identities, limits, programs, and the values behind red checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from opsverify.evidence.bundle import BundleError, is_bundle, read_member
from opsverify.evidence.replay import ReplayError, SavedRun, load_run
from opsverify.model.text import bounded_text
from opsverify.model.verdict import Verdict
from opsverify.report.model import Change, Comparison, RunReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from opsverify.model.observation import ObservationSpec

__all__ = ["LAST_GREEN", "Baseline", "compare", "earlier_value", "last_green", "load_baseline"]

LAST_GREEN = "last-green"
_MOST_VALUES = 12  # changed values shown of one observation
_ABSENT = "(not there)"


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier run to compare with: its folder or bundle, its report, and what its journal saved."""

    path: Path
    report: RunReport
    saved: SavedRun


def load_baseline(path: Path) -> Baseline:
    """Read an earlier run.

    Raises:
        pytest.UsageError: it has no report or journal, or one that cannot be read.
    """
    try:
        text = read_member(path, "report.json") if is_bundle(path) else (path / "report.json").read_bytes()
        return Baseline(path, RunReport.model_validate_json(text), load_run(path))
    except (OSError, BundleError, ReplayError, ValidationError) as error:
        reason = bounded_text(str(error), 300)
        msg = f"--baseline {path}: {reason}; give last-green, the folder of a run, or its bundle"
        raise pytest.UsageError(msg) from None


def last_green(reports: Path, key: str) -> Baseline | None:
    """The newest run of the same target under `reports` that ended with 0 and judged something; None if there is none."""
    folders = [
        *reports.glob("2*Z-*"),
        *reports.glob("2*Z-*/2*Z-*"),
    ]  # a watch keeps its rounds in a folder of its own
    for folder in sorted(folders, key=lambda f: f.name, reverse=True):
        try:
            report = RunReport.model_validate_json((folder / "report.json").read_bytes())
        except (OSError, ValidationError):
            continue  # cut, of another version, or a watch's own folder
        if (
            report.exit_status == 0
            and report.kind != "replay"
            and report.target_key == key
            and not report.only
            and _judged(report)
        ):
            try:
                return Baseline(folder, report, load_run(folder))
            except ReplayError:
                continue
    return None


def earlier_value(earlier: Baseline | None, spec: ObservationSpec, key: str) -> Any:
    """The value that the earlier run saved of the observation that is `spec`'s baseline; None if it saved none, or one of
    another shape, or if it was a run of another target than the one with this `key`.
    """
    if earlier is None or spec.baseline is None or earlier.report.target_key != key:
        return None
    (observation,) = earlier.saved.observations([replace(spec, name=spec.baseline)]).values()
    return None if observation.unobservable else observation.outcome


def _judged(report: RunReport) -> bool:
    return bool(report.counts.get(Verdict.PASS)) and not report.counts.get(Verdict.FAIL)


def compare(
    earlier: Baseline,
    report: RunReport,
    values: Mapping[str, Any],
    limits: Mapping[str, Any],
    judged_from: Mapping[str, Iterable[str]],
) -> Comparison:
    """What is different in `report` from the earlier run.

    `values` are this run's saved observations by name, `limits` its limits by system, `judged_from` the observations
    of each check. Of values only those are compared that a check which is not green was judged from: the rest of a
    system that lives changes all the time.
    """
    changes = [*_verdicts(earlier.report, report), *_surfaces(earlier.report, report)]
    changes += _tables("program", _programs(earlier.report), _programs(report))
    changes += _tables("limit", _limits(earlier.saved.run["limits"]), _limits(limits))
    not_green = [
        c.id for c in report.worst_first() if c.verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WAIVED)
    ]
    names = dict.fromkeys(name for check in not_green for name in judged_from.get(check, ()))
    for name in names:
        before, now = earlier.saved.records.get(name, {}).get("value"), values.get(name)
        if before is not None and now is not None:  # otherwise the verdict tells what is missing
            changes += _values(name, before, now)
    return Comparison(
        run_id=earlier.report.run_id,
        finished=earlier.report.finished,
        folder=str(earlier.path),
        changes=tuple(changes),
    )


def _verdicts(before: RunReport, now: RunReport) -> Iterator[Change]:
    old = {c.id: c for c in before.checks}
    for check in now.worst_first():
        was = old.pop(check.id, None)
        if was is None:
            yield Change(
                about="verdict",
                where=check.id,
                before="(did not run then)",
                now=_verdict_text(check.verdict, check),
            )
        elif was.verdict != check.verdict:
            yield Change(
                about="verdict",
                where=check.id,
                before=_verdict_text(was.verdict, was),
                now=_verdict_text(check.verdict, check),
            )
    if before.profile == now.profile and now.incident is None:
        for missing in old.values():
            yield Change(about="verdict", where=missing.id, before=missing.verdict, now="(did not run)")


def _verdict_text(verdict: Verdict, check: Any) -> str:
    observed = "; ".join(f.observed for f in check.findings if bool(f.holds) == (verdict is Verdict.PASS))
    return bounded_text(f"{verdict} {observed or check.explanation}".strip(), 200)


def _surfaces(before: RunReport, now: RunReport) -> Iterator[Change]:
    old = {f"{s.system}.{s.surface}": s for s in before.surfaces}
    for surface in now.surfaces:
        where = f"{surface.system}.{surface.surface}"
        was = old.get(where)
        if was is None:
            continue  # it was not looked at then
        if was.backend != surface.backend:
            yield Change(about="surface", where=where, before=was.backend, now=surface.backend)
        if was.identity != surface.identity:
            yield Change(
                about="identity", where=where, before=was.identity or _ABSENT, now=surface.identity or _ABSENT
            )


def _programs(report: RunReport) -> dict[str, str]:
    return {"opsverify": report.opsverify_version, **report.environment}


def _limits(limits: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{system}.{name}": f"{limit['value']:g} {limit['unit']}".strip()
        for system, table in limits.items()
        for name, limit in table.items()
    }


def _tables(about: Any, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Change]:
    for name, value in now.items():
        if name in before and before[name] != value:
            yield Change(about=about, where=name, before=before[name], now=value)


def _values(name: str, before: Any, now: Any) -> Iterator[Change]:
    old, new = dict(_leaves(name, before)), dict(_leaves(name, now))
    changed = [where for where in {**old, **new} if old.get(where, _ABSENT) != new.get(where, _ABSENT)]
    changed = [
        w
        for w in changed
        if w.replace(".first.", ".last.") == w or w.replace(".first.", ".last.") not in changed
    ]
    for where in changed[:_MOST_VALUES]:
        yield Change(
            about="value",
            where=where,
            before=bounded_text(old.get(where, _ABSENT), 120),
            now=bounded_text(new.get(where, _ABSENT), 120),
        )
    if len(changed) > _MOST_VALUES:
        summary = f"{len(changed) - _MOST_VALUES} more values differ"
        yield Change(about="value", where=name, before="", now=summary)


def _leaves(where: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each scalar of a JSON-like value with its path; list items are named by their `name` where they have one."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{where}.{key}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            called = item.get("name", index) if isinstance(item, dict) else index
            yield from _leaves(f"{where}[{called}]", item)
    elif value is not None:
        yield where, str(value)
