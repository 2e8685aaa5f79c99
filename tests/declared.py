"""The checks of a system as its folder declares them."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from opsverify.model.check import Check, check_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ROOT", "checks_declared"]

ROOT = Path(__file__).resolve().parents[1]


@cache
def checks_declared(system: str) -> Mapping[str, Check]:
    """Every check of a system, drills included, by id."""
    found = dict[str, Check]()
    for path in sorted((ROOT / "checks" / system).rglob("test_*.py")):
        module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for name, value in vars(module).items():
            if name.startswith("test_") and getattr(value, "__module__", "") == module.__name__:
                check = check_of(value)
                assert check.id not in found, check.id
                found[check.id] = check
    return found
