"""Drills: steady state, fault, detection, the runbook's recovery, steady state again, nothing lost, all undone."""

from __future__ import annotations

import signal
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from opsverify.model.check import CheckDeclarationError
from opsverify.model.deadline import DeadlinePassed, eventually
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.system import Site
from opsverify.model.verdict import CheckFailed, Finding, Outcome, Verdict
from opsverify.report.model import Step, Surface
from opsverify.run.look import judged, observe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import timedelta

    from opsverify.model.check import Check
    from opsverify.model.fault import Fault
    from opsverify.model.observation import Observation
    from opsverify.run.check_index import CheckIndex
    from opsverify.run.lock import LedgerEntry
    from opsverify.run.run import Run

__all__ = ["Drill"]

Phase = Literal["steady state", "fault", "detect", "recover", "steady state again", "undo"]


class Drill:
    """One rehearsal on a twin of its own. Its observations are always fresh, never the session's.

    What is changed stands in the ledger on disk before it is changed; `end` undoes it, last in first out,
    where what is observed is still what the fault left, and looks whether the undoing worked.
    """

    def __init__(self, run: Run, check: Check, checks: CheckIndex) -> None:
        self.run, self.check, self._checks = run, check, checks
        self.findings: list[Finding] = []
        self.observations: list[Observation[Any]] = []
        self.site = Site(
            system=run.systems[check.system],
            section=run.target.sections()[check.system],
            arming=run.arming,
            folder=run.folder,
        )
        self._timeline = run.timelines.setdefault(check.nodeid, [])
        self._stack = AsyncExitStack()
        self._in_force: list[tuple[Fault, LedgerEntry]] = []
        self._start = time.monotonic()

    async def start(self) -> None:
        """Start the drill's own twin and connect to it.

        Raises:
            Unobservable: the target is live (drills break things), or the twin does not start.
        """
        if not self.run.target.owned:
            reason = f"target {self.run.target.name!r} is live; drills run on a twin: --target embedded"
            raise Unobservable(ErrorKind.PRECONDITION, reason)
        async with self.step("steady state", "start a twin for this drill"):
            try:
                self.site.twin = self.site.system.start_twin(self.site.section, self.run.target.servers)
            except Exception as error:
                raise Unobservable(ErrorKind.NOT_STARTED, str(error)) from error
            self._stack.callback(self.site.twin.stop)
            self.site.section, self.site.backends = self.site.twin.section, self.site.twin.backends
            self.site.client = await self._stack.enter_async_context(
                self.site.system.connect(self.site.section)
            )
        for surface, backend in self.site.backends.items():
            key = self.site.system.name, surface
            self.run.surfaces.setdefault(
                key, Surface(system=key[0], surface=surface, backend=f"{backend} (a drill's own)")
            )

    @property
    def twin(self) -> Any:
        """The drill's twin, for constructing faults."""
        return self.site.twin

    async def configure(self, **changes: Any) -> None:
        """Change the section as a person changes the target file in the course of a recovery, and connect anew with it."""
        self.site.section = self.site.section.model_copy(update=changes)
        self.site.client = await self._stack.enter_async_context(self.site.system.connect(self.site.section))

    @asynccontextmanager
    async def step(
        self, phase: Phase, title: str, *, bound: timedelta | None = None
    ) -> AsyncIterator[list[str]]:
        """Time one step; the body may append its outcome to the yielded list."""
        after, notes, failed = time.monotonic() - self._start, list[str](), ""
        try:
            yield notes
        except BaseException as error:
            failed = f"{type(error).__name__}: {error}"
            raise
        finally:
            took = time.monotonic() - self._start - after
            done = Step(
                phase=phase,
                title=title,
                after=round(after, 3),
                took=round(took, 3),
                bound=bound.total_seconds() if bound else None,
                outcome=self.run.redactor.text("; ".join([*notes, *([failed] if failed else [])]) or "done"),
            )
            self._timeline.append(done)
            if bound is not None and took > bound.total_seconds():
                self.add_finding(
                    holds=False,
                    reason="step-too-slow",
                    expected=f"{title} within {_seconds(bound)}",
                    observed=f"{took:.1f} s",
                )
            self.run.journal.write("step", check=self.check.id, **done.model_dump(mode="json"))

    async def observe(self, *names: str) -> dict[str, Observation[Any]]:
        """Fresh observations by name."""
        specs = [s for s in self.site.system.observations if s.name in names]
        unknown = set(names) - {s.name for s in specs}
        if unknown:
            msg = f"{self.site.system.name} has no observation {sorted(unknown)}"
            raise LookupError(msg)
        gathered = await observe(self.site, specs)
        self.observations = [*[o for o in self.observations if o.name not in gathered], *gathered.values()]
        return gathered

    async def judge(self, *checks: str) -> dict[str, Outcome]:
        """Judge checks, named by their ids, on fresh observations: outcome by check id.

        Raises:
            CheckDeclarationError: none is named, or the system has no such check.
        """
        if not checks:
            msg = f"{self.check.id}: the drill names no check here; an empty set never passes"
            raise CheckDeclarationError(msg)
        declared = [self._checks[check] for check in checks]
        names = {name for check in declared for name in check.asks} - {"limits"}
        return judged(declared, await self.observe(*names), self.site.section.limits)

    async def steady(self, *checks: str, within: timedelta) -> None:
        """The steady state before the fault: every check passes. Not met: the drill is UNKNOWN.

        Raises:
            Unobservable: it was not met within the time.
        """
        async with self.step("steady state", "all is well before the fault", bound=within):
            try:
                await eventually(
                    lambda: self.judge(*checks),
                    _all_pass,
                    expected="every check PASS",
                    within=within,
                    shown=_red_text,
                )
            except DeadlinePassed as passed:
                raise Unobservable(
                    ErrorKind.PRECONDITION, f"steady state not met before the fault: {passed}"
                ) from None

    async def inject(self, fault: Fault) -> None:
        """Put a fault in force, after writing it down."""
        async with self.step("fault", fault.name) as notes:
            change = self.run.ledger.enter(fault.name, before=fault.state(), by_hand=fault.by_hand)
            self._in_force.append((fault, change))
            fault.inject()
            fault.settled()
            self._in_force[-1] = fault, self.run.ledger.left(change, fault.state())
            notes.append(fault.state())

    async def detected(self, check: str, *, within: timedelta, beside: tuple[str, ...] = ()) -> Outcome:
        """The check FAILs within the time: the fault is seen.

        Checks `beside` it are judged too: one dead server alone cannot be told from an observer that is cut off.
        """

        def fails(outcomes: dict[str, Outcome]) -> bool:
            return outcomes[check].verdict is Verdict.FAIL

        async with self.step("detect", f"{check} turns red", bound=within) as notes:
            try:
                outcomes = await eventually(
                    lambda: self.judge(check, *beside),
                    fails,
                    expected=f"{check} FAIL",
                    within=within,
                    shown=_red_text,
                )
            except DeadlinePassed as passed:
                self.add_finding(
                    holds=False,
                    reason="not-detected",
                    expected=f"{check} turns red within {within}",
                    observed=str(passed),
                )
                raise CheckFailed(self.findings) from None
            notes.append(outcomes[check].reason)
        self.add_finding(
            holds=True,
            reason="detected",
            expected=f"{check} turns red within {_seconds(within)}",
            observed=f"{check} {outcomes[check].reason} after {self._timeline[-1].took:.2f} s",
        )
        return outcomes[check]

    async def recovered(self, *checks: str, within: timedelta) -> None:
        """The steady state after the recovery, within the time."""
        async with self.step("steady state again", "every check passes", bound=within):
            try:
                await eventually(
                    lambda: self.judge(*checks),
                    _all_pass,
                    expected="every check PASS",
                    within=within,
                    shown=_red_text,
                )
            except DeadlinePassed as passed:
                self.add_finding(
                    holds=False,
                    reason="not-recovered",
                    expected=f"steady state within {_seconds(within)}",
                    observed=str(passed),
                )
                raise CheckFailed(self.findings) from None
        since_fault = next((s.after for s in reversed(self._timeline) if s.phase == "fault"), 0.0)
        took = time.monotonic() - self._start - since_fault
        target = self.check.severity.resolution
        self.add_finding(
            holds=took <= target.total_seconds(),
            reason="recovered",
            expected=f"steady state again within {within.total_seconds():g} s ({self.check.severity} allows {target})",
            observed=f"steady {took:.1f} s after the fault began",
        )

    def add_finding(
        self, *, holds: bool, reason: str, expected: str, observed: str, details: tuple[str, ...] = ()
    ) -> None:
        """State one thing that the drill promises. A promise that does not hold makes the drill FAIL at its end."""
        self.findings.append(
            Finding(holds=holds, reason=reason, expected=expected, observed=observed, details=details)
        )

    async def end(self) -> None:
        """Undo what is in force, last in first out, and stop the twin. Signals wait until that is done."""
        held = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            while self._in_force:
                await self._undo(*self._in_force.pop())
            await self._stack.aclose()
        finally:
            for number, handler in held.items():
                signal.signal(number, handler)

    async def _undo(self, fault: Fault, change: LedgerEntry) -> None:
        async with self.step("undo", fault.name) as notes:
            try:
                now = fault.state()
                if now not in (change.left, change.before) and change.left != "(about to be changed)":
                    self._left_changed(
                        change,
                        f"is now {now!r}, neither what the fault left ({change.left!r}) nor what was before",
                    )
                    return
                if now != change.before:
                    fault.restore()
                    now = fault.state()
            except Exception as error:  # noqa: BLE001 - an undo that fails must be reported, never hidden by the next step
                self._left_changed(change, f"undoing it raised {type(error).__name__}: {error}")
                return
            if now != change.before:
                self._left_changed(change, f"was {change.before!r} before and is {now!r} after undoing")
                return
            self.run.ledger.settle(change)
            notes.append(now)

    def _left_changed(self, change: LedgerEntry, what: str) -> None:
        self.run.left_changed = True
        self.run.problem(f"{change.name} could not be undone: {what}. By hand: {change.by_hand}")


def _all_pass(outcomes: dict[str, Outcome]) -> bool:
    return all(o.verdict is Verdict.PASS for o in outcomes.values())


def _seconds(within: timedelta) -> str:
    return f"{within.total_seconds():g} s"


def _red_text(outcomes: dict[str, Outcome]) -> str:
    shown = [
        f"{i} {o.verdict} {o.reason} {o.explanation or o.findings[-1].observed}"
        for i, o in outcomes.items()
        if o.verdict is not Verdict.PASS
    ]
    return "; ".join(shown) or f"all of {', '.join(outcomes)} PASS"
