"""Criteria of startup procedures: ordered steps, each judged only if the steps before it hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding

__all__ = ["in_order"]


def in_order(*steps: tuple[str, Finding]) -> tuple[Finding, ...]:
    """Findings of the steps up to the first that fails; that one names the later steps, which are not judged.

    An UNKNOWN step does not end the sequence: a later step that fails is still reported.
    """
    findings: list[Finding] = []
    for number, (title, finding) in enumerate(steps, start=1):
        later = [f"{n}. {t}" for n, (t, _) in enumerate(steps, start=1) if n > number]
        waiting = (
            (f"not judged until this holds: {'; '.join(later)}",) if later and finding.holds is False else ()
        )
        update = {
            "expected": f"{number}. {title}: {finding.expected}",
            "details": (*finding.details, *waiting),
        }
        findings.append(finding.model_copy(update=update))
        if finding.holds is False:
            break
    return tuple(findings)
