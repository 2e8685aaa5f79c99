"""A startup procedure as ordered steps: each is judged only when those before it hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding

__all__ = ["in_order"]


def in_order(*steps: tuple[str, Finding]) -> tuple[Finding, ...]:
    """The findings of the steps up to the first that does not hold; it names the steps that were not judged for it.

    A step that cannot be told ends nothing: what fails behind it is known all the same.
    """
    found: list[Finding] = []
    for number, (title, finding) in enumerate(steps, start=1):
        later = [f"{n}. {t}" for n, (t, _) in enumerate(steps, start=1) if n > number]
        waiting = (
            (f"not judged before this holds: {'; '.join(later)}",) if later and finding.holds is False else ()
        )
        told = {
            "expected": f"{number}. {title}: {finding.expected}",
            "details": (*finding.details, *waiting),
        }
        found.append(finding.model_copy(update=told))
        if finding.holds is False:
            break
    return tuple(found)
