"""Observations: what a probe saw, declared once with `@observation`, or why it could not be seen."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = [
    "Bracketed",
    "ErrorKind",
    "Observation",
    "ObservationSpec",
    "Observed",
    "Unobservable",
    "collect",
    "observation",
    "record_source",
    "record_sources",
]

T = TypeVar("T")
_probes: ContextVar[list[str] | None] = ContextVar("opsverify_probes", default=None)
_MOST_PROBES = 40


class ErrorKind(StrEnum):
    """Why something was not observed. The first group is the system's doing; a check may call it FAIL."""

    REFUSED = "refused"
    SILENT = "silent"
    RESET = "reset"
    SERVER_ERROR = "server-error"
    CERTIFICATE_EXPIRED = "certificate-expired"

    NAME_NOT_FOUND = "name-not-found"
    NO_ROUTE = "no-route"
    UNKNOWN_CA = "unknown-ca"
    DENIED = "denied"
    CREDENTIAL_MISSING = "credential-missing"
    OBSERVER_CUT_OFF = "observer-cut-off"
    NOT_STARTED = "not-started"
    UNEXPECTED_REPLY = "unexpected-reply"
    EMPTY = "empty"
    PRECONDITION = "precondition"
    IDENTITY_CHANGED = "identity-changed"
    BROKEN = "probe-broken"

    NOT_PUBLISHED = "not-published"
    NOT_ARMED = "not-armed"
    DECLARED_ABSENT = "declared-absent"
    NOT_ON_MACHINE = "not-on-machine"

    @property
    def unreachable(self) -> bool:
        """Whether an address that resolves did not serve: refusal, silence, reset, 5xx, expired certificate."""
        return self in _UNREACHABLE

    @property
    def cut_off(self) -> bool:
        """Whether nothing at all came back from the endpoint."""
        return self in _CUT_OFF

    @property
    def not_applicable(self) -> bool:
        """Whether this means that a check does not apply, for a reason of the closed list."""
        return self in _NOT_APPLICABLE


_UNREACHABLE = {
    ErrorKind.REFUSED,
    ErrorKind.SILENT,
    ErrorKind.RESET,
    ErrorKind.SERVER_ERROR,
    ErrorKind.CERTIFICATE_EXPIRED,
}
_CUT_OFF = {
    ErrorKind.REFUSED,
    ErrorKind.SILENT,
    ErrorKind.RESET,
    ErrorKind.NAME_NOT_FOUND,
    ErrorKind.NO_ROUTE,
}
_NOT_APPLICABLE = {
    ErrorKind.NOT_PUBLISHED,
    ErrorKind.NOT_ARMED,
    ErrorKind.DECLARED_ABSENT,
    ErrorKind.NOT_ON_MACHINE,
}


class Unobservable(Exception):
    """Something could not be observed. `kind` says why, `seen` the error or the reply that came instead (already short)."""

    def __init__(self, kind: ErrorKind, seen: str) -> None:
        self.kind, self.seen = kind, seen
        super().__init__(f"{kind.value}: {seen}")

    @property
    def cause(self) -> str:
        """What several observations lack together, in short, such as `no Prometheus on this machine`."""
        surface, _, why = self.seen.partition(": ")
        if self.kind is ErrorKind.NOT_ON_MACHINE:
            return why.partition(";")[0]
        return f"{surface} declared absent" if self.kind is ErrorKind.DECLARED_ABSENT else ""


class Observed(BaseModel):
    """Base of structured observed values: frozen, and saved without loss (NaN as text, bytes as base64)."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        defer_build=True,
        ser_json_inf_nan="strings",
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


class Bracketed(Observed, Generic[T]):
    """The same thing observed before everything else and again after it."""

    first: T
    last: T


@dataclass(frozen=True, slots=True)
class Observation(Generic[T]):
    """What one probe saw: the value or why there is none, when (UTC), how long it took, and of whom.

    `source` lists the exact commands or URLs; `identity` and `backend` say which server answered;
    `window` is the time between two samples, where the observation takes two.
    """

    name: str
    system: str
    surfaces: tuple[str, ...]
    outcome: T | Unobservable
    at: datetime
    took: timedelta = timedelta(0)
    source: tuple[str, ...] = ()
    identity: str = ""
    backend: str = ""
    window: timedelta = timedelta(0)

    @property
    def unobservable(self) -> Unobservable | None:
        """Why there is no value, or None if there is one."""
        return self.outcome if isinstance(self.outcome, Unobservable) else None

    @property
    def value(self) -> T:
        """The value. Raises Unobservable where there is none."""
        if isinstance(self.outcome, Unobservable):
            raise self.outcome
        return self.outcome


@dataclass(frozen=True)
class ObservationSpec:
    """A declared observation: which system and surfaces it looks at, for how long, and how.

    `window` names the limit that holds the time between two samples; `active` the one action that it may
    take (it then runs after all passive ones); `baseline` the observation whose value in the run that `--baseline`
    names it is given, of the same shape (None where there is none); `identity` marks the observation that tells which
    server answers: it runs first and again last, and its value must have an `identity` text; `called` is its name in
    `--expect`, otherwise its surface's.
    """

    name: str
    system: str
    surfaces: tuple[str, ...]
    deadline: timedelta
    function: Callable[..., Awaitable[Any]]
    window: str | None = None
    active: str | None = None
    baseline: str | None = None
    identity: bool = False
    called: str = ""
    declared_in: str = ""
    meaning: str = field(default="", compare=False)

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """The saved form of the value, from the function's return annotation."""
        returned: Any = get_type_hints(self.function)["return"]
        return _adapter(Bracketed.__class_getitem__(returned) if self.identity else returned)


@cache
def _adapter(returned: Any) -> TypeAdapter[Any]:
    if isinstance(returned, type) and issubclass(returned, BaseModel):
        return TypeAdapter(returned)
    config = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="base64", val_json_bytes="base64")
    return TypeAdapter(returned, config=config)


def observation(
    *,
    of: str | tuple[str, ...],
    deadline: timedelta,
    window: str | None = None,
    active: str | None = None,
    baseline: str | None = None,
    identity: bool = False,
    called: str = "",
) -> Callable[[Callable[..., Awaitable[Any]]], ObservationSpec]:
    """Declare an async function of a client as an observation of the surface(s) `of`.

    The function's first parameter is named after its system and receives that system's client. A windowed
    one also takes `window: timedelta`, and its deadline starts after that; an active one takes a parameter
    named after its action; one with a baseline takes `baseline`. Checks receive the result by naming the observation as a parameter.

    Raises:
        TypeError: the function's parameters do not fit the declaration.
    """

    def declare(function: Callable[..., Awaitable[Any]]) -> ObservationSpec:
        parameters = list(inspect.signature(function).parameters)
        expected = parameters[:1] + ([active] if active else []) + (["window"] if window else [])
        expected += ["baseline"] if baseline else []
        if not parameters or sorted(parameters) != sorted(expected):
            msg = (
                f"observation {function.__name__} takes {parameters}; "
                f"it should take {['<system>', *expected[1:]]} to fit its declaration"
            )
            raise TypeError(msg)
        code = inspect.unwrap(function).__code__
        return ObservationSpec(
            name=function.__name__,
            system=parameters[0],
            surfaces=(of,) if isinstance(of, str) else of,
            deadline=deadline,
            function=function,
            window=window,
            active=active,
            baseline=baseline,
            identity=identity,
            called=called or (of if isinstance(of, str) else of[0]),
            declared_in=f"{code.co_filename}:{code.co_firstlineno}",
            meaning=inspect.getdoc(function) or "",
        )

    return declare


def collect(package: str) -> tuple[ObservationSpec, ...]:
    """Every observation of a package: those of its modules whose names end with `observations`, in any folder of it.

    Raises:
        ValueError: two observations have one name.
    """
    specs = dict[str, ObservationSpec]()
    home = importlib.import_module(package)
    for module in pkgutil.walk_packages(home.__path__, f"{package}."):
        if not module.name.endswith("observations"):
            continue
        for spec in vars(importlib.import_module(module.name)).values():
            if isinstance(spec, ObservationSpec) and spec.function.__module__ == module.name:
                if spec.name in specs:
                    msg = f"two observations are called {spec.name}: {specs[spec.name].declared_in} and {spec.declared_in}; rename one"
                    raise ValueError(msg)
                specs[spec.name] = spec
    return tuple(specs.values())


def record_source(probe: str) -> None:
    """Clients call this with the exact command, query or URL they are about to send; it becomes the source."""
    probes = _probes.get()
    if probes is not None and probe not in probes and len(probes) < _MOST_PROBES:
        probes.append(probe)


def record_sources() -> list[str]:
    """Start recording what is asked from here on in this task, and return the growing list."""
    probes: list[str] = []
    _probes.set(probes)
    return probes
