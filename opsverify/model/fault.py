"""Faults: injectable defects that know how to be undone and exactly which checks they turn red."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsverify.model.arming import Arming
    from opsverify.model.verdict import Verdict

__all__ = ["Expected", "Fault", "collect"]

Expected: TypeAlias = "Mapping[str, tuple[Verdict, str]]"
"""Check id → the verdict it turns to, and a pattern of the reason."""


class Fault(ABC):
    """A defect that can be put into a system and taken out again.

    `expected_failures` maps check ids to the verdict and a pattern of its reason; exactly these turn, no others.
    `by_hand` is what a person runs if undoing fails. Constructing one asks the target's arming first.

    Raises:
        NotArmed: on construction for a live target that does not arm this fault.
    """

    name: ClassVar[str]
    expected_failures: ClassVar[Expected]
    by_hand: ClassVar[str] = "stop the twin"

    def __init__(self, arming: Arming) -> None:
        arming.require("faults", self.name)
        self.arming = arming

    @abstractmethod
    def state(self) -> str:
        """What this fault changes, as observed right now; compared before anything is put back."""

    @abstractmethod
    def inject(self) -> None:
        """Break it. Returns when it is broken."""

    @abstractmethod
    def restore(self) -> None:
        """Take the defect out again. Returns when it is out."""

    def settled(self) -> None:  # noqa: B027 - most faults act at once
        """Wait, bounded, until the effect can be seen by an observer."""


def collect(package: str, *, leaving_out: tuple[str, ...] = ()) -> tuple[type[Fault], ...]:
    """Every concrete fault of a package that declares `expected_failures`, except in modules with a name in `leaving_out`."""
    faults = list[type[Fault]]()
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if set(module.name.split(".")) & set(leaving_out):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if (
                inspect.isclass(value)
                and issubclass(value, Fault)
                and value.__module__ == module.name
                and not inspect.isabstract(value)
                and getattr(value, "expected_failures", None)
            ):
                faults.append(value)
    return tuple(faults)
