"""The exit contract: one table from which the decision, its documentation and its test all come."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from opsverify.model.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CONTRACT", "Exit", "Judged", "RunFacts", "decide", "markdown_table"]


class Exit(IntEnum):
    """Exit statuses of a run that is under the contract. 1 and 5 never leave the process."""

    HOLDS = 0
    INTERRUPTED = 2
    INTERNAL = 3
    USAGE = 4
    GATED_FAIL = 10
    UNGATED = 11
    GATED_UNKNOWN = 12
    VACUOUS = 13
    LEFT_CHANGED = 14
    UNWRITABLE = 15
    BUSY = 16


class Judged(NamedTuple):
    """A judged check, as far as the exit status depends on it."""

    verdict: Verdict
    severity: Severity
    advisory: bool = False


class RunFacts(NamedTuple):
    """Everything that the exit status depends on."""

    judged: tuple[Judged, ...] = ()
    gate: Severity = Severity.P1
    strict_severity: bool = False
    left_changed: bool = False
    interrupted: bool = False
    internal_error: bool = False
    usage_error: bool = False
    no_such_alert: bool = False
    vacuous: bool = False
    unwritable: bool = False
    busy: bool = False
    busy_is_ok: bool = False

    def any(self, verdict: Verdict, *, gated: bool) -> bool:
        """Whether a counted check on this side of the gate has `verdict`."""
        return any(
            j.verdict is verdict and j.severity.at_or_above(self.gate) is gated
            for j in self.judged
            if not j.advisory
        )


class _Rule(NamedTuple):
    code: Exit
    meaning: str
    applies: Callable[[RunFacts], bool]


def _ungated_trouble(facts: RunFacts) -> bool:
    return facts.any(Verdict.FAIL, gated=False) or facts.any(Verdict.UNKNOWN, gated=False)


# Top down: the first that applies is the exit status (DESIGN, section 4).
CONTRACT: tuple[_Rule, ...] = (
    _Rule(
        Exit.LEFT_CHANGED,
        "something that a fault or an action changed could not be undone",
        lambda f: f.left_changed,
    ),
    _Rule(
        Exit.INTERRUPTED,
        "interrupted (Ctrl-C, SIGTERM, SIGHUP); what was finished is in the journal",
        lambda f: f.interrupted,
    ),
    _Rule(
        Exit.INTERNAL,
        "internal error: the suite itself is broken, or a check file cannot be collected",
        lambda f: f.internal_error,
    ),
    _Rule(
        Exit.USAGE,
        "usage: a bad option, target file or environment; nothing was looked at",
        lambda f: f.usage_error,
    ),
    _Rule(
        Exit.USAGE,
        "usage: the target's monitoring has no rule for the alert that --incident names, so nothing there can say that it is over",
        lambda f: f.no_such_alert,
    ),
    _Rule(
        Exit.BUSY,
        "another run holds this target's lock; nothing was looked at",
        lambda f: f.busy and not f.busy_is_ok,
    ),
    _Rule(Exit.HOLDS, "another run holds the lock and --if-busy=ok was given", lambda f: f.busy),
    _Rule(Exit.GATED_FAIL, "a gated check FAILs", lambda f: f.any(Verdict.FAIL, gated=True)),
    _Rule(Exit.GATED_UNKNOWN, "a gated check is UNKNOWN", lambda f: f.any(Verdict.UNKNOWN, gated=True)),
    _Rule(
        Exit.VACUOUS,
        "vacuous: a required check did not run (with --profile), or nothing ran (without)",
        lambda f: f.vacuous,
    ),
    _Rule(
        Exit.UNWRITABLE,
        "a report or the evidence could not be written (the others still were)",
        lambda f: f.unwritable,
    ),
    _Rule(
        Exit.UNGATED,
        "only ungated checks FAIL or are UNKNOWN, with --strict-severity",
        lambda f: f.strict_severity and _ungated_trouble(f),
    ),
    _Rule(Exit.HOLDS, "the gate holds", lambda _: True),
)


def decide(facts: RunFacts) -> tuple[Exit, str]:
    """The exit status of a run and what it means: the first row of the contract that applies."""
    rule = next(rule for rule in CONTRACT if rule.applies(facts))
    return rule.code, rule.meaning


def markdown_table(rules: Iterable[_Rule] = CONTRACT) -> str:
    """The contract as the table that the documentation carries."""
    rows = [f"| {rule.code.value} | {rule.meaning} |" for rule in rules]
    return "\n".join(["| exit | when (the first that applies, top down) |", "|---|---|", *rows])
