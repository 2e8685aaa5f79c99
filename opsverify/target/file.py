"""Target files: which instance is looked at, read and validated, with errors that name file, key and remedy."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from opsverify.evidence.redaction import Redactor
from opsverify.model.limits import Limits
from opsverify.model.table import EnvSecret, Table
from opsverify.model.verdict import Severity
from opsverify.target.canary import CanaryTable, HistoryTable, NotifyTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = [
    "Arm",
    "EnvSecret",
    "Section",
    "ServersTable",
    "Table",
    "Target",
    "TargetError",
    "address",
    "load_target",
    "make_target",
]

_LONGEST_ARM = timedelta(hours=24)
_SHORTEST_PATH = 8


class TargetError(Exception):
    """A target file or its environment is bad. The message names file, key, what was found and what would be right."""


def address(url: str, schemes: tuple[str, ...]) -> str:
    """`url` if it is an address of one of `schemes`; for validators of a section. Raises ValueError saying what is right."""
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        msg = f"found {parts.scheme or url[:20]!r}; must be an address such as {schemes[0]}://host:port"
        raise ValueError(msg)
    if not _one_port(parts):
        where = parts.netloc.rpartition("@")[2]
        msg = f"found {where!r}; must be one host and one port, such as {schemes[0]}://host:port"
        raise ValueError(msg)
    return url.rstrip("/") if parts.scheme.startswith("http") else url


def _one_port(parts: SplitResult) -> bool:
    """Whether the port is a number, or none is given; several hosts in one address have no such port."""
    try:
        return parts.port is None or bool(parts.port)
    except ValueError:
        return False


class ServersTable(Table):
    """Where servers come from. `external`: the target's own addresses; otherwise this run starts them (a twin)."""

    provider: Literal["embedded", "containers", "external"] = "external"
    origins: tuple[Literal["local", "wheel"], ...] = Field(default=("local", "wheel"), min_length=1)


class Arm(Table):
    """What may act on this target: named actions and faults, until `expires` (UTC, at most 24 h ahead)."""

    actions: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    expires: AwareDatetime

    @field_validator("expires")
    @classmethod
    def _soon(cls, expires: datetime) -> datetime:
        if expires - datetime.now(UTC) > _LONGEST_ARM:
            msg = "must be at most 24 h ahead, so that nothing stays armed by oversight"
            raise ValueError(msg)
        return expires


class Section(Table):
    """One system's part of a target. Each surface is configured, or declared `absent` with a reason."""

    surfaces: ClassVar[tuple[str, ...]] = ()

    absent: dict[str, str] = {}
    limits: Limits = Limits()
    _lacking: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _absent_are_surfaces(self) -> Section:
        for surface, reason in self.absent.items():
            if surface not in self.surfaces:
                msg = f"absent.{surface}: no such surface; surfaces are {', '.join(self.surfaces)}{_nearest(surface, self.surfaces)}"
                raise ValueError(msg)
            if not reason.strip():
                msg = f"absent.{surface}: needs a reason"
                raise ValueError(msg)
            if surface in self.addresses():
                msg = f"absent.{surface}: is declared absent and configured as {_shown_address(self.addresses()[surface])}; keep one"
                raise ValueError(msg)
        return self

    @property
    def lacking(self) -> dict[str, str]:
        """Surfaces that a twin cannot have on this machine: `no SERVER on this machine; to have it: COMMAND`.

        A twin sets it; no target file can, so a live system is never excused by it.
        """
        return self._lacking

    def without(self, lacking: Mapping[str, str]) -> Self:
        """The same section, without these surfaces, which this machine cannot provide."""
        section = self.model_copy()
        section._lacking = {**self._lacking, **lacking}  # noqa: SLF001 - of our own copy
        return section

    def addresses(self) -> dict[str, str]:
        """Address of each configured surface; of several, with a comma and a blank between them."""
        return {}

    def unconfigured(self) -> list[str]:
        """Surfaces that are neither configured nor declared absent: their required checks make a run vacuous."""
        known = {*self.addresses(), *self.absent, *self.lacking}
        return [s for s in self.surfaces if s not in known]


class Target(Table):
    """A configured instance. Systems add their own section under their name (see `load_target`).

    `waivers` is the path of a waiver file, relative to the target file. `only` names the part of the target that runs
    are about (`opsverify.run.part`); empty: all of it.
    """

    name: str = Field(min_length=1, pattern=r"^[\w.\-]+$")
    description: str = ""
    contact: str = ""
    servers: ServersTable = ServersTable()
    arm: Arm | None = None
    severity: dict[str, Severity] = {}
    redact: tuple[EnvSecret, ...] = ()
    waivers: str = ""
    only: tuple[str, ...] = ()
    canary: CanaryTable = CanaryTable()
    history: HistoryTable | None = None
    notify: tuple[NotifyTable, ...] = ()

    def sections(self) -> dict[str, Section]:
        """The systems that this target has."""
        own = set(Target.model_fields)
        return {n: s for n in type(self).model_fields if n not in own and (s := getattr(self, n)) is not None}

    @property
    def owned(self) -> bool:
        """Whether this run starts the servers. Any external address is live, whatever the file says."""
        return self.servers.provider != "external"

    @property
    def key(self) -> str:
        """The instance's identity, whatever the file is called: a digest of the addresses it names."""
        addresses = sorted(
            f"{n}.{s}={','.join(map(_same_address, a.split(', ')))}"
            for n, part in self.sections().items()
            for s, a in part.addresses().items()
        )
        return (
            hashlib.sha256("\n".join(addresses).encode()).hexdigest()[:16]
            if addresses
            else f"twin-{self.name}"
        )

    @field_validator("notify")
    @classmethod
    def _names_differ(cls, notify: tuple[NotifyTable, ...]) -> tuple[NotifyTable, ...]:
        titles = [table.title for table in notify]
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice is not None:
            msg = f"two receivers are called {twice!r}; give each its own name"
            raise ValueError(msg)
        return notify

    def secrets(self) -> dict[str, str]:
        """Every secret of the target by the key that names it: environment variables and passwords in URLs."""
        return dict(_secrets(self, ""))

    @model_validator(mode="after")
    def _addresses_fit_provider(self) -> Target:
        for name, section in self.sections().items():
            if self.owned and section.addresses():
                surface, address = next(iter(section.addresses().items()))
                msg = (
                    f"{name}.{surface}: has the address {_shown_address(address)}, but servers.provider is {self.servers.provider!r}, "
                    'which starts servers of its own; remove the address, or set servers.provider = "external"'
                )
                raise ValueError(msg)
        if not self.sections():
            systems = ", ".join(f"[{n}]" for n in type(self).model_fields if n not in Target.model_fields)
            msg = f"names no system; add at least one of {systems}"
            raise ValueError(msg)
        return self


def _shown_address(address: str) -> str:
    """An address without its login."""
    return Redactor({}).text(address)


def _same_address(address: str) -> str:
    """An address without login, case of the host and final slash: what identifies an instance."""
    parts = urlsplit(address)
    if not parts.hostname:
        return address
    port = f":{parts.port}" if _one_port(parts) and parts.port else ""
    return f"{parts.scheme.lower()}://{parts.hostname}{port}{parts.path.rstrip('/')}?{parts.query}"


def _secrets(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, SecretStr):
        yield path, value.get_secret_value()
        yield from _inside(value.get_secret_value(), path)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _secrets(item, f"{path}.{name}")
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _secrets(item, f"{path}[{index}]")
    elif isinstance(value, str) and "://" in value and "@" in value:
        password = urlsplit(value).password
        if password:
            yield path, unquote(password)


def _inside(secret: str, path: str) -> Iterator[tuple[str, str]]:
    """What is secret in an address that is secret as a whole: servers and libraries repeat it in parts."""
    yield from _secrets(secret, f"{path} (password)")
    path_secret = urlsplit(secret).path.strip("/") if secret.startswith(("http://", "https://")) else ""
    if len(path_secret) >= _SHORTEST_PATH:
        yield f"{path} (path)", path_secret


def load_target(
    path: Path, systems: Mapping[str, type[Section]], limits: Mapping[str, Mapping[str, float]] | None = None
) -> Target:
    """Read and validate a target file for the registered systems; `limits` by system go over the file's own.

    Raises:
        TargetError: the file is missing, not TOML, or does not fit; each trouble on a line of its own.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        beside = sorted(p.name for p in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        msg = f"{path}: no such target file. Found there: {', '.join(beside) or 'no .toml file'}{_nearest(path.name, beside)}"
        raise TargetError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise TargetError(msg) from None
    except tomllib.TOMLDecodeError as error:
        msg = f"{path}: not valid TOML: {error}"
        raise TargetError(msg) from None
    return make_target(str(path), data, systems, limits)


def make_target(
    where: str,
    data: dict[str, Any],
    systems: Mapping[str, type[Section]],
    limits: Mapping[str, Mapping[str, float]] | None = None,
) -> Target:
    """A target from the tables of a file, or of a saved run; `where` is named in errors.

    Raises:
        TargetError: it does not fit.
    """
    for system, values in (limits or {}).items():
        section = data.get(system)
        if not isinstance(section, dict):
            msg = f"--limit {system}.…: {where} has no system {system!r}{_nearest(system, list(data))}"
            raise TargetError(msg)
        section["limits"] = {**section.get("limits", {}), **values}
    optional: dict[str, Any] = {name: (section | None, None) for name, section in systems.items()}
    model = create_model("Target", __base__=Target, **optional)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [f"{where}: {_explain(each, model)}" for each in error.errors()]
        raise TargetError("\n".join(lines)) from None


def _explain(error: Any, model: type[BaseModel]) -> str:
    where = tuple(str(part) for part in error["loc"])
    key = ".".join(where) or "the file"
    value = error.get("input")
    if error["type"] == "extra_forbidden":
        allowed = _keys_at(model, where[:-1])
        return f"unknown key {key!r}{_nearest(where[-1], allowed)}; keys here: {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"key {key!r} is missing; {_line_to_add(where)}"
    if error["type"] == "union_tag_not_found":
        return f"key '{key}.kind' is missing; {_line_to_add((*where, 'kind'))}"
    if error["type"] == "union_tag_invalid":
        kinds = error["ctx"]["expected_tags"]
        return f"{key}.kind: found {error['ctx']['tag']!r}; kinds are {kinds}"
    if error["type"] == "value_error":
        return f"{key}: {error['ctx']['error']!s}" if "ctx" in error else f"{key}: {error['msg']}"
    return f"{key}: found {_value_text(value)}; {error['msg'].lower()}"


def _value_text(value: Any) -> str:
    return "a table" if isinstance(value, dict) else f"{str(value)[:60]!r} ({type(value).__name__})"


def _line_to_add(where: tuple[str, ...]) -> str:
    if len(where) > 1 and where[1].isdigit():
        return f"add a line `{where[-1]} = …` under [[{where[0]}]]"
    table = f" under [{'.'.join(where[:-1])}]" if where[:-1] else ""
    return f"add a line `{where[-1]} = …`{table}"


def _keys_at(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    current: list[type[BaseModel]] = [model]
    for part in path:
        if part.isdigit():
            continue  # one of a list: the same keys as any
        of_kind = [
            m for m in current if (kind := m.model_fields.get("kind")) and part in get_args(kind.annotation)
        ]
        annotations = [m.model_fields[part].annotation for m in current if part in m.model_fields]
        current = of_kind or [m for annotation in annotations for m in _models_in(annotation)]
    return sorted({key for m in current for key in m.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in _models_in(each)]


def _nearest(word: str, among: list[str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, among, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
