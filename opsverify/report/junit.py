"""JUnit: properties of a check, and failure texts whose first line says it all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opsverify.model.verdict import Verdict

if TYPE_CHECKING:
    from opsverify.report.model import CheckResult

__all__ = ["Rendering", "properties"]


class _Crash(NamedTuple):
    message: str


class Rendering:
    """A check's message in the form that pytest's reports take for a failure representation.

    `reprcrash.message` is what JUnit shows as the first line; the text is what a terminal shows.
    """

    def __init__(self, first_line: str, text: str) -> None:
        self.reprcrash = _Crash(first_line)
        self._text = text

    def __str__(self) -> str:
        return self._text

    def toterminal(self, terminal: Any) -> None:
        """Write the text to a pytest terminal writer."""
        for line in self._text.splitlines():
            terminal.line(line)


def properties(result: CheckResult) -> list[tuple[str, str]]:
    """What a JUnit reader can filter and group by."""
    waived = [("waiver", result.explanation)] if result.verdict is Verdict.WAIVED else []
    return [
        ("id", result.id),
        ("row", result.row),
        ("system", result.system),
        ("subsystem", result.subsystem),
        ("severity", result.severity.value),
        ("verdict", result.verdict.value),
        ("reason", result.reason),
        ("gated", str(result.gated).lower()),
        ("backend", result.backend),
        *waived,
    ]
