"""Preflight of Esper-Lite: login, permissions to read, and clocks."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from systems.esper.client import EsperClient

__all__ = ["questions"]


def questions(client: EsperClient) -> list[tuple[str, str, Callable[[], Awaitable[str]]]]:
    """Surface, topic and question; each question returns a short text, or raises the error that prevented it."""

    async def login() -> str:
        return (await client.bus.server()).identity

    async def rights() -> str:
        streams = [await client.bus.stream(role) for role in client.section.streams.names()]
        await client.bus.newest("telemetry", 1)
        return f"may read {', '.join(stream.name for stream in streams)}"

    async def redis_clock() -> str:
        return f"{await client.bus.clock_skew():+.1f} s against ours"

    async def nissa_clock() -> str:
        date = await client.nissa.date()
        if not date:
            return "Nissa sends no Date header"
        return f"{(parsedate_to_datetime(date[0]) - date[1]).total_seconds():+.1f} s against ours"

    async def files() -> str:
        return await client.files.rights()

    return [
        ("redis", "login", login),
        ("redis", "rights", rights),
        ("redis", "clock", redis_clock),
        ("nissa", "clock", nissa_clock),
        ("files", "rights", files),
    ]
