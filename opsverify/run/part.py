"""The part of a target that a run is about: systems, subsystems, surfaces, single checks (`only` in the target, `--only`)."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from opsverify.model.check import Check
    from opsverify.model.system import System

__all__ = ["Part", "PartError", "part_of"]


class PartError(Exception):
    """A word of `only` names nothing of this target. The message says which words there are."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a target. `words` are as they were given; a check belongs to it by any of them.

    `systems`, `subsystems` (with their system) and `checks` take a check by what it is; `surfaces` (with their system)
    take those that look at nothing else.
    """

    words: tuple[str, ...]
    systems: frozenset[str]
    subsystems: frozenset[tuple[str, str]]
    surfaces: frozenset[tuple[str, str]]
    checks: frozenset[str]

    def has(self, check: Check, surfaces: Collection[str]) -> bool:
        """Whether a check that looks at these surfaces of its system belongs to it."""
        pairs = {(check.system, surface) for surface in surfaces}
        return (
            check.id in self.checks
            or check.system in self.systems
            or (check.system, check.subsystem) in self.subsystems
            or bool(pairs and pairs <= self.surfaces)
        )

    def may_have(self, check_id: str, system: str) -> bool:
        """Whether a check that was not collected, of which nothing but its id and system is known, may belong to it."""
        pairs = self.subsystems | self.surfaces
        return check_id in self.checks or system in self.systems or any(name == system for name, _ in pairs)

    def touches(self, check: Check, surfaces: Collection[str]) -> bool:
        """Whether a check that does not belong to it looks at one of its surfaces nevertheless."""
        pairs = {(check.system, surface) for surface in surfaces}
        return not self.has(check, surfaces) and bool(pairs & self.surfaces)

    def unmatched_words(
        self, checks: Iterable[Check], surfaces_of: Callable[[Check], Collection[str]]
    ) -> list[str]:
        """The words by which none of `checks` belongs to it."""
        listed = list(checks)
        return [
            word
            for word, one in zip(self.words, self._each(), strict=True)
            if not any(one.has(check, surfaces_of(check)) for check in listed)
        ]

    def _each(self) -> list[Part]:
        return [
            Part(
                (word,),
                frozenset({word}) & self.systems,
                frozenset(pair for pair in self.subsystems if word in (pair[1], ".".join(pair))),
                frozenset(pair for pair in self.surfaces if word in (pair[1], ".".join(pair))),
                frozenset({word}) & self.checks,
            )
            for word in self.words
        ]


def part_of(words: Iterable[str], systems: Mapping[str, System], checks: Collection[str]) -> Part:
    """The part that `words` name: a system, `subsystem` or `system.subsystem`, `surface` or `system.surface`, a check's id.

    `systems` are those of the target, `checks` the ids that there are. A word that names several things means all.

    Raises:
        PartError: a word names none of them.
    """
    unique = tuple(dict.fromkeys(words))
    subsystems = {(name, sub) for name, system in systems.items() for sub in system.subsystems}
    surfaces = {(name, surface) for name, system in systems.items() for surface in system.section.surfaces}
    pairs = subsystems | surfaces
    known = {*systems, *checks, *(".".join(pair) for pair in pairs), *(word for _, word in pairs)}
    for word in unique:
        if word not in known:
            near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            names = "; ".join(
                f"{name}: {', '.join(dict.fromkeys((*system.subsystems, *system.section.surfaces)))}"
                for name, system in systems.items()
            )
            msg = f"{word!r} is not a system, subsystem, surface or check of this target{hint} Names by system: {names}; checks have ids such as {min(checks, default='none')}"
            raise PartError(msg)

    def among(pairs: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        return frozenset(pair for pair in pairs if pair[1] in unique or ".".join(pair) in unique)

    return Part(
        unique,
        frozenset(unique) & frozenset(systems),
        among(subsystems),
        among(surfaces),
        frozenset(unique) & frozenset(checks),
    )
