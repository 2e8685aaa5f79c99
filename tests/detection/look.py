"""One look at a twin, in this process: its checks' observations gathered and judged, as a run on a live target does it."""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

from opsverify.evidence.redaction import Redactor
from opsverify.model.arming import Arming
from opsverify.run.look import connected, judged, observe
from opsverify.target.file import load_target
from tests.detection.harness import as_live
from tests.evidence.replies import Kept, keeping

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from opsverify.model.check import Check
    from opsverify.model.observation import Observation, ObservationSpec
    from opsverify.model.system import System, Twin
    from opsverify.model.verdict import Outcome

__all__ = ["Look", "Looker", "told"]

_FOR = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw, in the form in which the journal saves it, and what came of each check."""

    started: datetime
    saved: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Outcome]
    replies: list[Kept] = field(repr=False)
    live: Mapping[str, Observation[Any]] = field(repr=False)

    @property
    def not_green(self) -> dict[str, tuple[str, str]]:
        """Verdict and reason of each check that is neither PASS nor SKIP."""
        return {
            check: (outcome.verdict.value, outcome.reason)
            for check, outcome in self.outcomes.items()
            if outcome.verdict.value not in ("PASS", "SKIP")
        }


def told(outcomes: Mapping[str, Outcome], checks: Iterable[str]) -> str:
    """What was found of these checks, a line for each finding."""
    lines = []
    for check in sorted(checks):
        outcome = outcomes[check]
        lines.append(f"{check} {outcome.verdict} {outcome.reason} {outcome.explanation}")
        lines += [
            f"    {f.reason}: {f.observed}; {' '.join(f.details)} {' '.join(map(str, f.limits))}"
            for f in outcome.findings
        ]
    return "\n".join(lines)


class Looker:
    """Looks at one twin, which it sees as a live target: nothing but addresses, names and limits is known of it."""

    def __init__(
        self,
        system: System,
        checks: Mapping[str, Check],
        twin: Twin,
        actions: Iterable[str],
        folder: Path,
    ) -> None:
        self.system, self.checks, self._folder = system, checks, folder
        text, self._environment = as_live(system.name, twin.section)
        file = folder / "target.toml"
        file.write_text(f'name = "matrix"\n{text}', encoding="utf-8")
        with mock.patch.dict(os.environ, self._environment):
            target = load_target(file, {system.name: system.section})
        self.section = target.sections()[system.name]
        self.written: Mapping[str, Any] = tomllib.loads(text)[system.name]
        self.redactor = Redactor(target.secrets())
        self._arming = Arming(
            target="matrix",
            owned=False,
            actions=frozenset(actions),
            expires=datetime.now(UTC) + _FOR,
            confirmed=True,
        )
        known = {spec.name: spec for spec in system.observations}
        asked = {name for check in checks.values() for name in check.asks}
        self.specs = {name: spec for name, spec in known.items() if name in asked}
        self.healthy: Look | None = None

    def look(self, active: Collection[str] | None = None) -> Look:
        """Gather and judge. `active` names the observations that may act; all of them, if None. The others stay as they
        were seen in health.
        """
        wanted = [
            spec
            for spec in self.specs.values()
            if spec.active is None or active is None or spec.name in active
        ]
        started = datetime.now(UTC)
        with keeping() as replies:
            seen = asyncio.run(self._gathered(wanted))
        before = self.healthy.live if self.healthy else {}
        live = {**{name: one for name, one in before.items() if name in self.specs}, **seen}
        return Look(
            started=started,
            saved={name: self._saved(self.specs[name], one) for name, one in seen.items()},
            outcomes=judged(self.checks.values(), live, self.section.limits),
            replies=replies,
            live=live,
        )

    async def _gathered(self, wanted: list[ObservationSpec]) -> dict[str, Observation[Any]]:
        async with connected(self.system, self.section, arming=self._arming, folder=self._folder) as site:
            return await observe(site, wanted, earlier=self._earlier)

    def _earlier(self, spec: ObservationSpec) -> Any:
        if self.healthy is None:
            return None
        one = self.healthy.live[spec.baseline or ""]
        return None if one.unobservable else one.value

    def _saved(self, spec: ObservationSpec, one: Observation[Any]) -> Mapping[str, Any]:
        trouble = one.unobservable
        value = None if trouble else spec.adapter.dump_python(one.value, mode="json")
        kept: Mapping[str, Any] = self.redactor.data(
            {
                "value": value,
                "unobservable": {"kind": trouble.kind.value, "seen": trouble.seen} if trouble else None,
                "at": one.at.isoformat(),
                "window": one.window.total_seconds(),
            }
        )
        again: dict[str, Any] = json.loads(json.dumps(kept))
        return again
