"""Recorded evidence: for each verdict and reason that a run of the detection matrix gave a check, what it was judged from.

`python -m tests.evidence.recording FOLDER` makes the recordings anew from the runs that the matrix left below FOLDER
(`KEEP_REPLIES=1 pytest tests/detection --basetemp FOLDER`).
"""

from __future__ import annotations

import json
import lzma
import re
import sys
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from fixtures.bzzz.system import BZZZ
from fixtures.esper.system import ESPER
from fixtures.statehub.system import STATEHUB
from opsverify.check import Check, check_of
from opsverify.judge import judge
from opsverify.observation import Kind, Observation, Unobservable
from opsverify.replay import ReplayError, SavedRun, load_run
from tests.evidence.replies import FILE, Kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from opsverify.limits import Limits
    from opsverify.observation import ObservationSpec
    from opsverify.system import System
    from opsverify.verdict import Outcome

__all__ = ["SYSTEMS", "Case", "at_one_moment", "checks_of", "judged", "load", "taken"]

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "recorded"
SYSTEMS: Mapping[str, System] = {"bzzz": BZZZ, "esper": ESPER, "statehub": STATEHUB}
_MOST_BYTES = 100_000
_OWN = (
    (re.compile(r"(?:/var)?/tmp/opsverify-([a-z]+(?:-[a-z]+)*)-[0-9a-f]{8,}"), r"/twin/\1"),
    (re.compile(r"(?:/var)?/tmp/[^\s\"'\\:,;)]*"), "/twin/file"),
    (re.compile(re.escape(str(ROOT))), "/checkout"),
    (re.compile(r"/(?:home|root|work|builds)/[^\s\"'\\:,;)]*"), "/elsewhere"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A check with the limits and the saved observations that it was judged from, and what came of it.

    `saved` has for each observation its saved value (JSON), why there is none (kind and text), when, its window in seconds,
    and the replies that it was read from, where they came by HTTP or from Redis. `section` is the target's, as its file has it.
    """

    check: str
    verdict: str
    reason: str
    limits: Mapping[str, float]
    saved: Mapping[str, Mapping[str, Any]]
    section: Mapping[str, Any]


def checks_of(system: str) -> dict[str, Check]:
    """Every check of a system but its drills, by id."""
    files = sorted((ROOT / "checks" / system).glob("test_*.py"))
    modules = [import_module(".".join(f.relative_to(ROOT).with_suffix("").parts)) for f in files]
    declared = [check_of(getattr(m, name)) for m in modules for name in dir(m) if name.startswith("test_")]
    return {check.id: check for check in declared}


def at_one_moment(spec: ObservationSpec) -> bool:
    """Whether what an observation came to hangs on its replies alone: it does not act, and waits for nothing."""
    return not (spec.active or spec.identity or spec.window or spec.baseline)


def taken(spec: ObservationSpec, saved: Mapping[str, Any]) -> Observation[Any]:
    """A saved observation. Raises pydantic.ValidationError where the value has another shape than this version's."""
    trouble = saved["unobservable"]
    outcome: Any = (
        Unobservable(Kind(trouble["kind"]), trouble["seen"])
        if trouble
        else spec.adapter.validate_json(to_json(saved["value"]))
    )
    return Observation(
        name=spec.name,
        system=spec.system,
        surfaces=spec.surfaces,
        outcome=outcome,
        at=datetime.fromisoformat(saved["at"]),
        window=timedelta(seconds=saved["window"]),
    )


def limits_of(system: str, values: Mapping[str, float]) -> Limits:
    """The system's table of limits with these values."""
    table: type[Limits] = SYSTEMS[system].section.model_fields["limits"].annotation  # type: ignore[assignment]
    return table.model_validate({k: v for k, v in values.items() if k in table.model_fields})


def judged(check: Check, limits: Limits, seen: Mapping[str, Observation[Any]]) -> Outcome:
    """The outcome of a check on these observations."""
    return judge(check, {name: limits if name == "limits" else seen[name] for name in check.asks})


def load(system: str) -> list[Case]:
    """The recorded cases of a system."""
    told = json.loads(lzma.decompress((FOLDER / f"{system}.json.xz").read_bytes()))
    values, tables, sections = told["values"], told["limits"], told["sections"]
    replies = [Kept(*each) for each in told["replies"]]
    for value in values:
        value["replies"] = [replies[number] for number in value["replies"]]
    return [
        Case(
            check=case["check"],
            verdict=case["verdict"],
            reason=case["reason"],
            limits=tables[case["limits"]],
            saved={name: values[number] for name, number in case["saved"].items()},
            section=sections[case["section"]],
        )
        for case in told["cases"]
    ]


@dataclass(frozen=True, slots=True)
class _Run:
    """A saved run, with the replies that it got and its target file."""

    saved: SavedRun
    replies: list[Kept]
    target: Mapping[str, Any]

    def of(self, name: str) -> list[Kept]:
        """The replies that an observation was read from; a reading of Redis it may have shared with another one. None
        where they are many: what a decoder makes of a thousand packets is tried in the tests of units.
        """
        own = [each for each in self.replies if each.of == name]
        asked = {each.key for each in own}
        shared = [each for each in self.replies if each.key not in asked and not each.of_http]
        for found in (own + (shared if any(not each.of_http for each in own) else []), own):
            if sum(len(str(each.came)) for each in found) < _MOST_BYTES:
                return found
        return []


def _cases(system: str, runs: Iterable[_Run]) -> Iterator[Case]:
    """One case for each check, verdict and reason."""
    specs = {spec.name: spec for spec in SYSTEMS[system].observations}
    checks, met = checks_of(system), set[tuple[str, str, str]]()
    for run in runs:
        values = {name: limit["value"] for name, limit in run.saved.run["limits"].get(system, {}).items()}
        saved = {
            name: {
                "value": record.get("value"),
                "unobservable": record["unobservable"],
                "at": record["observed_at"],
                "window": record["window"],
            }
            for name, record in run.saved.seen.items()
            if name in specs and "not_saved" not in record
        }
        for check in checks.values():
            asked = [name for name in check.asks if name != "limits"]
            if not values or not saved.keys() >= set(asked):
                continue
            outcome = judged(
                check, limits_of(system, values), {name: taken(specs[name], saved[name]) for name in asked}
            )
            key = check.id, outcome.verdict.value, outcome.reason
            if key not in met and outcome.verdict.value != "SKIP":
                met.add(key)
                with_replies = {
                    name: {**saved[name], "replies": run.of(name) if at_one_moment(specs[name]) else []}
                    for name in asked
                }
                yield Case(*key, limits=values, saved=with_replies, section=run.target.get(system, {}))


def _runs(folder: Path) -> Iterator[_Run]:
    for journal in sorted(folder.rglob("journal.jsonl")):
        if journal.parent.is_symlink():
            continue
        try:
            saved = load_run(journal)
        except ReplayError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        kept, target = journal.with_name(FILE), journal.with_name("target.toml")
        lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
        told = tomllib.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
        yield _Run(saved, [Kept(*json.loads(line)) for line in lines], told)


class _Table(list[Any]):
    """Items that are written once, by number."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[str, int] = {}

    def number(self, item: Any) -> int:
        """The number of an item, which is added where it is new."""
        text = json.dumps(item, sort_keys=True, default=str)  # TOML has times of its own
        if text not in self._numbers:
            self._numbers[text] = len(self)
            self.append(json.loads(text))
        return self._numbers[text]


def _write(system: str, cases: Iterable[Case]) -> None:
    values, tables, sections, replies = _Table(), _Table(), _Table(), _Table()

    def value(saved: Mapping[str, Any]) -> int:
        kept = [replies.number([each.of, each.asked, each.at, each.came]) for each in saved["replies"]]
        return values.number({**saved, "replies": kept})

    written = [
        {
            "check": case.check,
            "verdict": case.verdict,
            "reason": case.reason,
            "limits": tables.number(case.limits),
            "saved": {name: value(one) for name, one in case.saved.items()},
            "section": sections.number(case.section),
        }
        for case in sorted(cases, key=lambda c: (c.check, c.verdict, c.reason))
    ]
    told = {
        "cases": written,
        "limits": tables,
        "values": values,
        "sections": sections,
        "replies": replies,
    }
    text = json.dumps(told, sort_keys=True)
    for pattern, instead in _OWN:
        text = pattern.sub(instead, text)
    FOLDER.mkdir(exist_ok=True)
    packed = lzma.compress(text.encode(), preset=9)
    (FOLDER / f"{system}.json.xz").write_bytes(packed)
    print(f"{system}: {len(written)} cases, {len(text)} bytes, {len(packed)} packed")


def main() -> None:
    """Make the recordings anew from the runs below the folder that is given."""
    runs = list(_runs(Path(sys.argv[1])))
    for system in SYSTEMS:
        _write(system, _cases(system, runs))


if __name__ == "__main__":
    main()
