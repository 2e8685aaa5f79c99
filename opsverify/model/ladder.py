"""Ladders: verdict and reason of a finding from one expression, worst first.

    first_of(
        fail("cut", cut),
        fail("slow", slow),
        unknown("part-missing", missing),
        ok="reached",
    ).finding(expected=…, observed=…)

What is known to be wrong outranks what is missing, in whatever order the steps stand. Reasons are written out where a
step is, so that a reader, and a test, can list all that a criterion can say.
"""

from __future__ import annotations

from typing import NamedTuple

from opsverify.model.verdict import Figure, Finding

__all__ = ["Judgement", "Rung", "fail", "fine", "first_of", "unknown"]


class Rung(NamedTuple):
    """One step of a ladder: the reason that it gives, what it then says of the promise, and whether it applies."""

    reason: str
    holds: bool | None
    applies: bool


class Judgement(NamedTuple):
    """The result of a ladder."""

    reason: str
    holds: bool | None

    def finding(
        self,
        *,
        expected: str,
        observed: str,
        details: tuple[str, ...] = (),
        limits: tuple[str, ...] = (),
        evidence: tuple[str, ...] = (),
        figure: Figure | None = None,
    ) -> Finding:
        """The finding with this verdict and reason."""
        return Finding(
            holds=self.holds,
            reason=self.reason,
            expected=expected,
            observed=observed,
            details=details,
            limits=limits,
            evidence=evidence,
            figure=figure,
        )


def fail(reason: str, when: object) -> Rung:
    """The promise is not kept, where `when` is true or not empty."""
    return Rung(reason, holds=False, applies=bool(when))


def unknown(reason: str, when: object) -> Rung:
    """It cannot be told whether the promise is kept, where `when` is true or not empty."""
    return Rung(reason, holds=None, applies=bool(when))


def fine(reason: str, when: object) -> Rung:
    """The promise is kept for a reason of its own, where `when` is true or not empty and nothing is worse."""
    return Rung(reason, holds=True, applies=bool(when))


def first_of(*steps: Rung, ok: str) -> Judgement:
    """The first step that fails; of none the first that is unknown; of none the first that is fine; else `ok`."""
    ladder = (*steps, fine(ok, when=True))
    return next(
        Judgement(step.reason, step.holds)
        for holds in (False, None, True)
        for step in ladder
        if step.applies and step.holds is holds
    )
