"""A Redis that is none: speaks the Redis protocol well enough to be believed, and then badly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.hostile.servers import Play

__all__ = ["INFO", "Reply", "bulk", "error", "flood", "hangs", "pretends"]

Reply = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""The bytes of a reply, or what is done instead of one."""

INFO = (
    "# Server\r\nredis_version:7.0.15\r\nrun_id:0123456789abcdef0123456789abcdef01234567\r\n"
    "uptime_in_seconds:5\r\nrole:master\r\nloading:0\r\n"
    "used_memory:1000\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:0\r\n"
)


def bulk(text: str | bytes) -> bytes:
    """A bulk string."""
    raw = text.encode() if isinstance(text, str) else text
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


def error(text: str) -> bytes:
    """An error reply."""
    return f"-{text}\r\n".encode()


def hangs(begin: bytes) -> Reply:
    """Begin a reply and never go on."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        await writer.drain()
        await asyncio.sleep(30)

    return act


def flood(begin: bytes, more: bytes) -> Reply:
    """Begin a reply and go on with `more` for ever, as fast as it is taken."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while True:
            writer.write(more)
            await writer.drain()

    return act


def pretends(replies: Mapping[str, Reply], *, rest: Reply = b"-ERR unknown command\r\n") -> Play:
    """Answer PING, INFO and CLIENT as Redis does, each command in `replies` as it says there, and others with `rest`."""
    known: dict[str, Reply] = {
        "PING": b"+PONG\r\n",
        "INFO": bulk(INFO),
        "CLIENT": b"+OK\r\n",
        "SELECT": b"+OK\r\n",
        **replies,
    }

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            command = await _command(reader)
            reply = known.get(" ".join(command[:2]), known.get(command[0], rest))
            if isinstance(reply, bytes):
                writer.write(reply)
            else:
                await reply(writer)
            await writer.drain()

    return play


async def _command(reader: asyncio.StreamReader) -> list[str]:
    count = int((await reader.readuntil(b"\r\n"))[1:])
    words = []
    for _ in range(count):
        size = int((await reader.readuntil(b"\r\n"))[1:])
        words.append((await reader.readexactly(size + 2))[:-2].decode(errors="replace").upper())
    return words
