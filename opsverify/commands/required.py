"""`python -m opsverify.commands.required FOLDER…`: writes `required.toml`, the checks that each profile requires, from their markers.

The list stands on disk beside the runbook map, so that a check that is deleted, renamed or never collected is missed:
a run that lacks a required check is not green.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from opsverify.model.check import PROFILES, check_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsverify.model.check import Check

__all__ = ["declared_below", "main", "required_text"]

_HEAD = "# Generated from the checks' markers: python -m opsverify.commands.required {folder}\n"


def declared_below(folder: Path) -> list[Check]:
    """Every check in the test modules below a folder of checks, which are imported as seen from the current folder."""
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        module = import_module(".".join(path.with_suffix("").parts))
        found += [
            check_of(value)
            for value in vars(module).values()
            if any(mark.name == "check" for mark in getattr(value, "pytestmark", ()))
        ]
    return found


def required_text(folder: Path, checks: Iterable[Check]) -> str:
    """The text of `required.toml`: for each profile the ids of the checks that belong to it."""
    every = sorted(checks, key=lambda check: check.id)
    profiles = {profile: [c.id for c in every if profile in c.profiles] for profile in PROFILES}
    lists = [
        f"{profile} = [\n" + "".join(f'    "{check}",\n' for check in ids) + "]\n"
        for profile, ids in profiles.items()
        if ids
    ]
    return _HEAD.format(folder=folder.as_posix()) + "\n".join(lists)


def main() -> None:
    """Write the lists of the folders that the command line names, and say what they gain and lose.

    Raises:
        SystemExit: there is no such folder of checks below the current one.
    """
    sys.path.insert(0, str(Path.cwd()))
    folders = [Path(name) for name in sys.argv[1:]] or [
        path.parent for path in sorted(Path("checks").glob("*/runbook.toml"))
    ]
    wrong = [folder for folder in folders if folder.is_absolute() or not folder.is_dir()]
    if wrong or not folders:
        named = ", ".join(map(str, wrong)) or "checks/*"
        sys.exit(
            f"{named}: no folder of checks below {Path.cwd()}; from the checkout's root: python -m opsverify.commands.required checks/NAME"
        )
    for folder in folders:
        path = folder / "required.toml"
        before = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        path.write_text(required_text(folder, declared_below(folder)), encoding="utf-8")
        after = tomllib.loads(path.read_text(encoding="utf-8"))
        print(path)  # noqa: T201 - the command's answer
        for profile in PROFILES:
            gone, new = (
                sorted(set(one.get(profile, ())) - set(other.get(profile, ())))
                for one, other in ((before, after), (after, before))
            )
            for what, checks in (("no longer required", gone), ("now required", new)):
                if checks:
                    print(f"  {profile}: {what}: {', '.join(checks)}")  # noqa: T201


if __name__ == "__main__":
    main()
