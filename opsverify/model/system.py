"""A system: one value, returned from one hook, by which it makes itself known to the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta
    from pathlib import Path

    from opsverify.model.arming import Arming
    from opsverify.model.fault import Fault
    from opsverify.model.observation import Observation, ObservationSpec
    from opsverify.target.file import Section, ServersTable

__all__ = ["Site", "System", "Twin", "lazily"]


class Twin(Protocol):
    """A running twin: its section with real addresses filled in, what serves each surface, and its end."""

    @property
    def section(self) -> Section:
        """The system's part of the target, with the twin's addresses filled in."""

    @property
    def backends(self) -> Mapping[str, str]:
        """What serves each surface."""

    def stop(self) -> None:
        """Stop everything that was started. Safe to call twice."""


def _no_questions(_client: Any) -> list[tuple[str, str, Callable[[], Awaitable[str]]]]:
    return []


def _any_alert(_alert: str, _observations: Mapping[str, Observation[Any]]) -> str:
    return ""


def _no_faults() -> tuple[type[Fault], ...]:
    return ()


def lazily(path: str) -> Callable[..., Any]:
    """What is at "package.module:name", imported when it is first called; what is no function is returned as it is."""

    def call(*arguments: Any) -> Any:
        member = resolve_name(path)
        return member(*arguments) if callable(member) else member

    call.__qualname__ = path
    return call


@dataclass(frozen=True, kw_only=True)
class System:
    """A system under verification.

    `declares` gives its observations; it is asked where a target has the system, and loads the client only then.
    `connect` opens the read-only client (no traffic yet); `operate` makes the operator, whose methods are the
    runbook's actions (its modules are loaded only then); `start_twin` starts a twin on owned servers.
    `questions` are what the preflight asks of a client: surface, what is asked, and the question. `faults` are the
    ones of its detection matrix (loaded only to explain a check: no run of checks imports them). `no_such_alert` tells
    of an alert, by what was observed, that what watches the target has no rule of it, and what to do then; else "".
    `steady_within` bounds the wait for the steady state of a twin that a run started; None: it is steady when it is up.
    """

    name: str
    title: str
    subsystems: tuple[str, ...]
    section: type[Section]
    connect: Callable[[Any], AbstractAsyncContextManager[Any]]
    operate: Callable[[Site], Any]
    start_twin: Callable[[Any, ServersTable], Twin]
    declares: Callable[[], tuple[ObservationSpec, ...]]
    questions: Callable[[Any], list[tuple[str, str, Callable[[], Awaitable[str]]]]] = _no_questions
    faults: Callable[[], tuple[type[Fault], ...]] = _no_faults
    no_such_alert: Callable[[str, Mapping[str, Observation[Any]]], str] = _any_alert
    steady_within: timedelta | None = None

    @cached_property
    def observations(self) -> tuple[ObservationSpec, ...]:
        """What it declares."""
        return self.declares()


@dataclass(kw_only=True)
class Site:
    """One system of the target as this run meets it."""

    system: System
    section: Section
    arming: Arming
    twin: Twin | None = None
    backends: Mapping[str, str] = field(default_factory=dict)
    client: Any = None
    folder: Path | None = None
    _known: tuple[Section, Mapping[str, str]] | None = field(default=None, init=False, repr=False)

    def operator(self) -> Any:
        """A new operator for this site."""
        return self.system.operate(self)

    def backend(self, surface: str) -> str:
        """What serves `surface`: an owned server's description, or the live address."""
        return self.backends.get(surface) or f"live {self._addresses().get(surface, '(not configured)')}"

    def _addresses(self) -> Mapping[str, str]:
        # Asked once of each section: a run asks for every observation, and a section may have a thousand surfaces.
        if self._known is None or self._known[0] is not self.section:
            self._known = self.section, self.section.addresses()
        return self._known[1]
