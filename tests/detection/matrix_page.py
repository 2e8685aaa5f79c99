"""Writes the detection matrix down: `python -m tests.detection.matrix_page` makes docs/detection-matrix.md anew."""

from __future__ import annotations

import inspect

from tests.detection.parts import PARTS, ROOT, Part, drills_of
from tests.detection.recordings import last_seen

__all__ = ["PAGE", "matrix_page"]

PAGE = ROOT / "docs" / "detection-matrix.md"
_HEAD = """# Detection matrix

Each fault is put into a running twin, and the twin is looked at as a live system. The checks that are not green must be
exactly these; the next look shows that the fault was undone. `tox run -e detection` does it; what was seen is kept and
judged anew by every run of the tests (`docs/evidence.md`).
"""
_DRILL = "its own drill: the fault must be detected, recovered from, and nothing be lost"


def matrix_page() -> str:
    """The page: for each part its faults and its checks."""
    return "\n".join([_HEAD, *(_part(part) for part in PARTS.values())])


def _part(part: Part) -> str:
    """What each fault expected_failures, when that was last seen, and by which faults each check has been seen to fail."""
    lines = [
        f"## {part.title}",
        "",
        "| fault | what is broken | checks that turn (reason) | last seen red |",
        "|---|---|---|---|",
    ]
    for fault in part.faults:
        what = " ".join((inspect.getdoc(fault) or "").split())
        turned = "; ".join(
            f"{check} {verdict} ({reason})"
            for check, (verdict, reason) in sorted(fault.expected_failures.items())
        )
        seen = last_seen(part.name, fault.name)
        lines.append(f"| `{fault.name}` | {what} | {turned.replace('|', ' or ')} | {seen} |")
    lines += ["", "| check | promise | faults that make it FAIL |", "|---|---|---|"]
    for check in sorted([*part.checks.values(), *drills_of(part)], key=lambda c: c.id):
        failing = [
            f"`{fault.name}`"
            for fault in part.faults
            if fault.expected_failures.get(check.id, ("",))[0] == "FAIL"
        ]
        if check.drill or failing:
            lines.append(f"| {check.id} | {check.promise} | {', '.join(failing) or _DRILL} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, if it is not what it was."""
    page = matrix_page()
    if PAGE.read_text(encoding="utf-8") != page:
        PAGE.write_text(page, encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT)} is new")


if __name__ == "__main__":
    main()
