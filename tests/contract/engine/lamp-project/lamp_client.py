"""Reads the lamp's files, and does what they say: answer, wait, or raise."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opsverify.model.observation import ErrorKind, Observed, Unobservable, record_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lamp_target import LampSection

__all__ = ["LampClient", "Reading", "Serial", "open_lamp"]


class Reading(Observed):
    """What a surface answers."""

    value: float | str


class Serial(Observed):
    """Which lamp answers."""

    identity: str


class LampClient:
    """Read-only access to a lamp."""

    def __init__(self, section: LampSection) -> None:
        self.section = section

    async def read(self, surface: str) -> dict[str, Any]:
        """What the surface's file says, after its delay. Raises what the file asks for."""
        address = self.section.addresses()[surface]
        record_source(f"read {address}")
        text = Path(urlsplit(address).path).read_bytes()  # noqa: ASYNC240 - a small file
        answer: dict[str, Any] = json.loads(text)
        await asyncio.sleep(answer.get("delay", 0))
        _trouble(answer.get("raise", ""), answer.get("message", "as asked"))
        return answer

    async def reading(self, surface: str) -> Reading:
        """The surface's value."""
        value = (await self.read(surface)).get("value", 100)
        return Reading(value=float(value) if isinstance(value, int) else value)


def _trouble(kind: str, message: str) -> None:
    if kind == "refused":
        raise ConnectionRefusedError(message)
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "crash":
        raise RuntimeError(message)
    if kind:
        raise Unobservable(ErrorKind(kind), message)


@asynccontextmanager
async def open_lamp(section: LampSection) -> AsyncIterator[LampClient]:
    """A client of this lamp."""
    yield LampClient(section)
