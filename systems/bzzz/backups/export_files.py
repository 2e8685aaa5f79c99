"""Reader of the configuration export as the runbook makes it: secrets/*.json, configs/*.json, services.json (a stream of arrays)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from systems.bzzz.backups.models import KINDS, Export, ExportedService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from opsverify.probes.host import FileSeen, HostReader

__all__ = ["NotExported", "read", "services_of", "stream"]

_MOST_FILES = 500
_LONGEST_NAME = 300
_LARGEST = 1024 * 1024
_MOST_PROBLEMS = 20


class NotExported(ValueError):
    """A file is not what `docker … inspect` prints. The message says why."""


def stream(text: str) -> Iterator[Any]:
    """Every JSON value of a stream, one after the other. Raises NotExported."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            msg = f"no valid JSON from character {at} on ({type(error).__name__})"
            raise NotExported(msg) from None
        yield value


def inspected(content: bytes) -> list[dict[str, Any]]:
    """The objects that one or more `docker … inspect` printed. Raises NotExported."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        msg = "not UTF-8"
        raise NotExported(msg) from None
    objects = list[dict[str, Any]]()
    for value in stream(text):
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            msg = "not arrays of objects, as docker inspect prints them"
            raise NotExported(msg)
        objects += value
    if not objects:
        msg = "the file holds no object"
        raise NotExported(msg)
    return objects


def name_of(thing: dict[str, Any]) -> str:
    """The object's name, which can be shown. Raises NotExported."""
    spec = thing.get("Spec")
    name = spec.get("Name") if isinstance(spec, dict) else None
    if not isinstance(name, str) or not name or bounded_text(name, _LONGEST_NAME) != name:
        msg = "an object has no valid Spec.Name"
        raise NotExported(msg)
    return name


def payload_of(thing: dict[str, Any]) -> bytes | None:
    """A config's payload, None where there is none. Raises NotExported."""
    data = thing["Spec"].get("Data")
    if data is None:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, TypeError, ValueError):
        msg = f"Data of {name_of(thing)} is no valid base64"
        raise NotExported(msg) from None


def services_of(content: bytes) -> dict[str, ExportedService]:
    """The services of services.json. Raises NotExported."""
    services = {}
    for thing in inspected(content):
        name = name_of(thing)
        try:
            image = thing["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
            mode = thing["Spec"]["Mode"]
            replicas = mode["Replicated"]["Replicas"] if "Replicated" in mode else 0
            services[name] = ExportedService(image=image, replicas=replicas)
        except (KeyError, TypeError, ValueError):
            msg = f"service {name} has no image or no mode"
            raise NotExported(msg) from None
    return services


def read(reader: HostReader, folder: str, payloads: str) -> Export:
    """The export in a folder.

    Raises:
        Unobservable: it cannot be read.
    """
    above = reader.listing(folder)
    if above is None:
        message = f"no folder {folder} on {reader.name}: nothing was ever exported there, or the target names another"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    export = _ExportReader(reader, folder)
    for path in export.files("secrets"):
        export.take(path, export.secret)
    for path in export.files("configs"):
        export.take(path, export.config)
    export.take_services()
    return Export(
        folder=folder,
        at=above.at,
        oldest=min(export.written, default=None),
        there=tuple(kind for kind in KINDS if kind not in export.lacking),
        absent=tuple(export.absent),
        files=export.looked,
        read=export.whole,
        problems=tuple(export.problems[:_MOST_PROBLEMS]),
        secrets=tuple(sorted(export.secrets)),
        without_payload=tuple(sorted(name for name, whole in export.secrets.items() if not whole)),
        configs=export.configs,
        services=export.services,
        payloads=payloads,
    )


class _ExportReader:
    """The contents read so far, and the problems with them."""

    def __init__(self, reader: HostReader, folder: str) -> None:
        self._reader, self._folder = reader, folder
        self.written: list[datetime] = []
        self.absent: list[str] = []
        self.lacking: list[str] = []
        self.looked = self.whole = 0
        self.problems: list[str] = []
        self.secrets: dict[str, bool] = {}
        self.configs: dict[str, str] = {}
        self.services: dict[str, ExportedService] = {}

    def files(self, kind: str) -> list[FileSeen]:
        """The files of one folder of the export."""
        folder = f"{self._folder}/{kind}"
        listing = self._reader.listing(folder)
        entries = [e for e in listing.entries if e.name.endswith(".json") and not e.folder] if listing else []
        if not entries:
            self.absent.append(f"{folder}/*.json")
            self.lacking.append(kind)
            return []
        if len(entries) > _MOST_FILES:
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{folder} holds {len(entries)} files")
        self.written += [each.written for each in entries]
        self.looked += len(entries)
        return self._reader.look([f"{folder}/{each.name}" for each in entries], _LARGEST)

    def take(self, file: FileSeen, one: Callable[[dict[str, Any]], None]) -> None:
        """Take a file's objects one by one, or note what is wrong with it."""
        try:
            for thing in inspected(_whole(file)):
                one(thing)
            self.whole += 1
        except NotExported as wrong:
            self.problems.append(f"{file.path}: {wrong}")

    def secret(self, thing: dict[str, Any]) -> None:
        """Take a secret."""
        self.secrets[name_of(thing)] = payload_of(thing) is not None

    def config(self, thing: dict[str, Any]) -> None:
        """Take a config; one without its payload cannot be imported again."""
        name, payload = name_of(thing), payload_of(thing)
        if payload is None:
            msg = f"{name} has no payload"
            raise NotExported(msg)
        self.configs[name] = hashlib.sha256(payload).hexdigest()

    def take_services(self) -> None:
        """Take the service definitions."""
        (file,) = self._reader.look([f"{self._folder}/services.json"], _LARGEST)
        if not file.there:
            self.absent.append(file.path)
            self.lacking.append("services")
            return
        self.written.append(file.written)
        self.looked += 1
        try:
            self.services = services_of(_whole(file))
            self.whole += 1
        except NotExported as wrong:
            self.problems.append(f"{file.path}: {wrong}")


def _whole(file: FileSeen) -> bytes:
    if file.content is None or file.size > _LARGEST:
        msg = f"no regular file of at most {_LARGEST >> 20} MiB"
        raise NotExported(msg)
    return file.content
