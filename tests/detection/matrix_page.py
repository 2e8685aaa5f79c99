"""Writes the detection matrix down: `python -m tests.detection.matrix_page` prints docs/detection-matrix.md."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsverify.check import Check
    from opsverify.fault import Fault

__all__ = ["matrix_page"]

_HEAD = """# Detection matrix

Each fault is put into a running twin, the suite is run on it as on a live system, and the checks that are not green
must be exactly these; after the fault is undone all must be green again. `tox run -e detection` does it.
"""


def matrix_page(*parts: tuple[str, Iterable[Check], Iterable[type[Fault]]]) -> str:
    """The page: for each system its title, its checks and its faults."""
    return "\n".join([_HEAD, *(_part(*part) for part in parts)])


def _part(title: str, checks: Iterable[Check], all_faults: Iterable[type[Fault]]) -> str:
    """What each fault reddens, and by which faults each check has been seen to fail."""
    faults = list(all_faults)
    lines = [f"## {title}", "", "| fault | what is broken | checks that turn (reason) |", "|---|---|---|"]
    for fault in faults:
        what = " ".join((inspect.getdoc(fault) or "").split())
        turned = "; ".join(
            f"{check} {verdict} ({reason})" for check, (verdict, reason) in sorted(fault.reddens.items())
        )
        lines.append(f"| `{fault.name}` | {what} | {turned.replace('|', ' or ')} |")
    lines += ["", "| check | promise | faults that make it FAIL |", "|---|---|---|"]
    for check in sorted(checks, key=lambda c: c.id):
        failing = [f"`{fault.name}`" for fault in faults if fault.reddens.get(check.id, ("",))[0] == "FAIL"]
        told = (
            ", ".join(failing)
            or "its own drill: the fault must be detected, recovered from, and nothing be lost"
        )
        lines.append(f"| {check.id} | {check.promise} | {told} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the page."""
    from tests.contract.test_documents import matrix_parts  # noqa: PLC0415

    print(matrix_page(*matrix_parts()), end="")


if __name__ == "__main__":
    main()
