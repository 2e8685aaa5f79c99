"""One run: what it was asked, what it found, what went wrong with it, and the report made of that."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.arming import Arming
from opsverify.model.exit_codes import Exit, Judged, RunFacts, decide
from opsverify.model.observation import Observation, ObservationSpec
from opsverify.model.text import shortened
from opsverify.model.verdict import Outcome, Severity, Verdict
from opsverify.report.headline import DID_NOT_RUN, headline
from opsverify.report.model import (
    CanarySummary,
    CheckResult,
    Comparison,
    NotLookedAt,
    RunReport,
    Step,
    Surface,
    Tied,
    Trend,
)
from opsverify.run.options import Options
from opsverify.target.runbook import Runbook, runbooks_beside
from opsverify.target.waivers import Waivers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from opsverify.canary.canary import CanaryRun
    from opsverify.commands.plan import CommandResult
    from opsverify.evidence.baseline import Baseline
    from opsverify.evidence.journal import Journal
    from opsverify.evidence.redaction import Redactor
    from opsverify.evidence.replay import SavedRun
    from opsverify.model.check import Check
    from opsverify.model.limits import Limits
    from opsverify.model.system import Site, System
    from opsverify.run.lock import Ledger, Lock
    from opsverify.run.part import Part
    from opsverify.target.file import Target
    from opsverify.target.incident import Incident

__all__ = ["RUN", "Run"]


@dataclass(kw_only=True)
class Run:
    """The state of one run. Hooks fill it; `build_report` turns it into the report and the exit status."""

    id: str
    options: Options
    target: Target
    target_file: Path
    target_path: Path
    folder: Path
    checks_folder: Path
    systems: Mapping[str, System]
    redactor: Redactor
    journal: Journal
    lock: Lock
    ledger: Ledger
    saved: SavedRun | None = None
    steady_limits: Mapping[str, Limits] = field(
        default_factory=dict
    )  # the file's own, by which a twin is ready
    incident: Incident | None = None
    part: Part | None = None
    unmatched_words: frozenset[str] = (
        frozenset()
    )  # the words of the part that no check of the profile belongs to
    baseline: Baseline | None = None
    bundle: Path | None = None
    values: dict[str, Any] = field(default_factory=dict)  # observations as saved, where there is a baseline
    chosen: frozenset[str] = frozenset()  # node ids of the checks that were to run
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    checks: dict[str, Check] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    results: dict[str, CheckResult] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    surfaces: dict[tuple[str, str], Surface] = field(default_factory=dict)
    not_configured: dict[str, str] = field(default_factory=dict)
    timelines: dict[str, list[Step]] = field(default_factory=dict)
    reports: dict[str, Path] = field(default_factory=dict)
    shown: bool = False
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unwritable: bool = False
    left_changed: bool = False
    busy: str | None = None
    command: CommandResult | None = None
    interrupted: bool = False
    internal_error: bool = False
    usage_error: bool = False
    no_such_alert: bool = False
    not_started: dict[str, str] = field(default_factory=dict)
    waivers: Waivers = field(default_factory=Waivers)
    canary: CanaryRun | None = None
    canary_summary: CanarySummary | None = None
    trends: tuple[Trend, ...] = ()
    metrics: Path | None = None
    first_sample: dict[str, Outcome] = field(default_factory=dict)  # of P0 checks that were observed twice
    confirmed: frozenset[str] = frozenset()  # node ids of those whose two samples lie close together

    @property
    def looked(self) -> bool:
        """Whether this run judged the target, as far as it was asked to."""
        ended_early = self.busy is not None or self.interrupted or self.internal_error or self.usage_error
        judged = any(result.verdict is not Verdict.SKIP for result in self.results.values())
        return not ended_early and self.saved is None and self.command is None and judged

    @property
    def arming(self) -> Arming:
        """What may act on this target in this run."""
        arm = self.target.arm
        return Arming(
            target=self.target.name,
            owned=self.target.owned,
            actions=frozenset(arm.actions if arm else ()),
            faults=frozenset(arm.faults if arm else ()),
            expires=arm.expires if arm else None,
            confirmed=self.options.arm == self.target.name,
        )

    @cached_property
    def runbooks(self) -> Mapping[str, Runbook]:
        """The runbook map of each system of the target that has one beside its checks. Raises pytest.UsageError."""
        return runbooks_beside(self.checks_folder, self.target.sections())

    def specs_of(self, check: Check) -> list[ObservationSpec]:
        """The observations that a check asks for by parameter name. Drills take their own."""
        if check.drill:
            return []
        known = self._specs
        if check.system not in self.target.sections():
            known = {spec.name: spec for spec in self.systems[check.system].observations}
        return [known[name] for name in check.asks if name in known]

    @cached_property
    def _specs(self) -> dict[str, ObservationSpec]:
        return {
            spec.name: spec for name in self.target.sections() for spec in self.systems[name].observations
        }

    def severity(self, check: Check) -> Severity:
        """The check's severity; a target may raise it, never lower it."""
        raised = self.target.severity.get(check.id)
        return raised if raised and raised.at_or_above(check.severity) else check.severity

    def problem(self, text: str) -> None:
        """Record something that is wrong with the run itself, not with the target."""
        text = self.redactor.text(text)
        self.problems.append(text)
        self.journal.write("problem", text=text)

    def record(
        self,
        check: Check,
        outcome: Outcome,
        judged_from: Iterable[Observation[Any]],
        took: float,
        detail: str = "",
    ) -> CheckResult:
        """Record a check's outcome: in memory for the report, in the journal at once. `took` is in seconds."""
        observations = list(judged_from)
        severity = self.severity(check)
        source = dict.fromkeys(line for o in observations for line in o.source)
        record = self.redactor.data(
            CheckResult(
                id=check.id,
                row=check.row,
                name=check.name,
                promise=check.promise,
                system=check.system,
                subsystem=check.subsystem,
                severity=severity,
                verdict=outcome.verdict,
                reason=outcome.reason,
                explanation=outcome.explanation,
                gated=severity.at_or_above(self.options.gate) and not check.advisory,
                advisory=check.advisory,
                findings=outcome.findings,
                source=tuple(source),
                backend=" + ".join(dict.fromkeys(o.backend for o in observations if o.backend)),
                identity=" + ".join(dict.fromkeys(o.identity for o in observations if o.identity)),
                observed_at=max((o.at for o in observations), default=None),
                took=took,
                runbook=check.runbook,
                alert=check.alert,
                next_step=check.next_step,
                again=self._again(check),
                respond_within=_duration_text(severity.response.total_seconds()),
                resolve_within=_duration_text(severity.resolution.total_seconds()),
                nodeid=check.nodeid,
                detail=detail,
            ).model_dump(mode="json")
        )
        record = shortened(record)  # after redaction: a secret that is cut in half is not found any more
        result = CheckResult.model_validate(record)
        self.results[check.nodeid] = result
        self.journal.append("finding", record)
        return result

    def _again(self, check: Check) -> str:
        folder = check.nodeid.split("::")[0]
        source = "--replay" if self.saved else "--target"
        option = f" {check.option}" if check.option else ""
        return f"pytest {folder} {source} {self.target_file} -k {check.function.__name__}{option}"

    def facts(self) -> RunFacts:
        """What the exit status depends on."""
        stand_ins = self._missing_stand_ins()
        judged = tuple(Judged(r.verdict, r.severity, r.advisory) for r in self.results.values())
        applied = [r for r in self.results.values() if r.verdict is not Verdict.SKIP]
        vacuous = (
            bool(self._required_not_run())
            or bool(stand_ins)
            or bool(self.chosen - self.results.keys())
            or not applied
        )
        return RunFacts(
            judged=judged,
            gate=self.options.gate,
            strict_severity=self.options.strict_severity,
            left_changed=self.left_changed,
            interrupted=self.interrupted,
            internal_error=self.internal_error,
            usage_error=self.usage_error,
            no_such_alert=self.no_such_alert,
            vacuous=vacuous,
            unwritable=self.unwritable or self.journal.trouble is not None,
            busy=self.busy is not None,
            busy_is_ok=self.options.busy_is_ok,
        )

    def _required_not_run(self) -> dict[str, str]:
        part_unknown = self.options.only and self.part is None  # the part is not resolved yet
        if self.options.profile is None or self.usage_error or part_unknown:
            return {}
        ran = {r.id for r in self.results.values()}
        period = self.options.period
        other = {c.id for c in self.checks.values() if period and c.period not in ("", period)}
        missing = {}
        for system, runbook in self.runbooks.items():
            for check in runbook.required.get(self.options.profile, ()):
                tied = self.incident is None or self.incident.place(check) is not None
                if check not in ran | other and tied and self._may_be_of_part(check, system):
                    reason = f"required by {system}'s {self.options.profile} profile, but it did not run"
                    missing[check] = self.not_configured.get(check, reason)
        return missing

    @property
    def about(self) -> tuple[str, ...]:
        """The words of the part that the run is about, without those that match no check of its profile."""
        return tuple(word for word in self.options.only if word not in self.unmatched_words)

    def in_part(self, check: Check) -> bool:
        """Whether the run is about this check: about all of the target, or about a part that has it."""
        return self.part is None or self.part.has(check, self.surfaces_of(check))

    def surfaces_of(self, check: Check) -> list[str]:
        """The surfaces that a check looks at."""
        return [surface for spec in self.specs_of(check) for surface in spec.surfaces]

    def _may_be_of_part(self, check_id: str, system: str) -> bool:
        if self.part is None:
            return True
        collected = [check for check in self.checks.values() if check.id == check_id]
        return any(map(self.in_part, collected)) if collected else self.part.may_have(check_id, system)

    def _missing_stand_ins(self) -> dict[str, str]:
        """Checks that a target publishes nothing for, and whose stand-in did not run either."""
        judged = {
            r.id for r in self.results.values() if r.verdict in (Verdict.PASS, Verdict.FAIL, Verdict.WAIVED)
        }
        skipped = {
            r.id: r
            for r in self.results.values()
            if r.verdict is Verdict.SKIP and r.reason.startswith("not published")
        }
        pairs = {check: stand for book in self.runbooks.values() for check, stand in book.stand_in.items()}
        missing = {}
        for check in skipped:
            stand_in = pairs.get(check)
            if stand_in is None:
                missing[check] = "not published by this target, and runbook.toml names no stand-in for it"
            elif stand_in not in judged:
                missing[check] = f"not published by this target, and its stand-in {stand_in} was not judged"
        return missing

    def not_looked_at(self) -> list[NotLookedAt]:
        """Checks that this run did not judge, with reason and cause, for the first screen of every report."""
        severities = {check.id: self.severity(check) for check in self.checks.values()}
        listed = {check: (why, DID_NOT_RUN) for check, why in self._required_not_run().items()}
        listed |= {check: (why, "not configured") for check, why in self.not_configured.items()}
        listed |= {check: (why, "no stand-in") for check, why in self._missing_stand_ins().items()}
        for result in self.results.values():
            if result.verdict is Verdict.SKIP:
                outcome = self.outcomes.get(result.nodeid)
                cause = (outcome.cause if outcome else "") or result.reason
                listed.setdefault(result.id, (f"{result.reason}: {result.explanation}", cause))
        return [
            NotLookedAt(
                id=check,
                reason=self.redactor.text(why),
                severity=severities.get(check),
                cause=self.redactor.text(cause),
            )
            for check, (why, cause) in sorted(listed.items())
        ]

    def build_report(self) -> RunReport:
        """The report as of now. Pure: asking again after more has happened gives the newer one."""
        status, meaning = decide(self.facts())
        if self.busy:
            meaning = f"{meaning}: {self.busy}"
        finished = datetime.now(UTC)
        not_looked_at = tuple(self.not_looked_at())
        report = RunReport(
            run_id=self.id,
            opsverify_version=version("opsverify"),
            target=self.target.name,
            target_file=str(self.target_file),
            target_key=self.key,
            kind="replay" if self.saved else "twin" if self.target.owned else "live",
            profile=self.options.profile,
            only=self.about,
            gate=self.options.gate,
            started=self.started,
            finished=finished,
            took=(finished - self.started).total_seconds(),
            exit_status=int(status),
            exit_meaning=self.redactor.text(meaning),
            headline=self.redactor.text(headline(meaning, not_looked_at, self.about)),
            counts=dict(Counter(r.verdict for r in self.results.values())),
            surfaces=tuple(self.surfaces.values()),
            not_looked_at=not_looked_at,
            problems=(*self.problems, *([self.journal.trouble] if self.journal.trouble else [])),
            warnings=(*self.redactor.warnings, *self.warnings),
            contact=self.target.contact,
            incident=Tied.model_validate(asdict(self.incident)) if self.incident else None,
            canary=self.canary_summary,
            trends=self.trends,
            environment={"python": platform.python_version(), "pytest": version("pytest")},
            checks=tuple(self._with_timeline(result) for result in self.results.values()),
        )
        if self.baseline is None:
            return report
        return report.model_copy(update={"comparison": self._compared(self.baseline, report)})

    def _compared(self, earlier: Baseline, report: RunReport) -> Comparison:
        from opsverify.evidence.baseline import compare  # noqa: PLC0415 -- only what is asked for is loaded

        sections = self.target.sections()
        own = [check for check in self.checks.values() if check.system in sections]
        judged_from = {check.id: [spec.name for spec in self.specs_of(check)] for check in own}
        limits = {name: section.limits.model_dump(mode="json") for name, section in sections.items()}
        return compare(earlier, report, self.values, limits, judged_from)

    @cached_property
    def key(self) -> str:
        """The identity of the instance: the target's, or that of the saved run."""
        return str(self.saved.run.get("key", "")) if self.saved else self.target.key

    def _with_timeline(self, result: CheckResult) -> CheckResult:
        # A drill undoes its fault after its verdict is in: that belongs to its timeline too.
        timeline = self.timelines.get(result.nodeid)
        return result.model_copy(update={"timeline": tuple(timeline)}) if timeline else result

    def exit_status_now(self) -> Exit:
        """The exit status as of now."""
        return decide(self.facts())[0]


RUN = pytest.StashKey[Run]()


def _duration_text(amount: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if amount >= size and amount % size == 0:
            return f"{amount / size:g} {unit}"
    return f"{amount:g} s"
