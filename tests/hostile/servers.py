"""Servers on loopback that speak HTTP and other protocols badly, each on a port of its own, in one thread."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from types import TracebackType
    from typing import Self

__all__ = [
    "ESCAPES",
    "EXPOSITION",
    "MIB",
    "TEXT",
    "Act",
    "Play",
    "Stage",
    "answer",
    "bomb",
    "closes",
    "drips",
    "endless",
    "http",
    "nissa",
    "page",
    "resets",
    "says",
    "silent",
]

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What is done with an accepted connection."""
Act = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What is done once the head of an HTTP request was read."""

LOOPBACK = "127.0.0.1"
MIB = 1024 * 1024
LONGEST_S = 60.0
DRIP_S = 0.2
CLOSING_S = 0.05
JSON, TEXT = "application/json", "text/plain; version=0.0.4"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\x08\x07"
EXPOSITION = "".join(
    f"# TYPE esper_{name}_total counter\nesper_{name}_total 1.0\n"
    for name in (
        "training_runs",
        "telemetry_packets",
        "system_state_packets",
        "field_reports",
        "simic_training_reward",
        "simic_training_iterations",
    )
)


class Stage:
    """Holds the servers of a test; when it closes, their connections are cut and their thread ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stage", daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self._busy: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(LONGEST_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LONGEST_S)
        self._loop.close()

    def open(self, play: Play, tls: ssl.SSLContext | None = None) -> int:
        """Start a server that plays `play` on each connection (over TLS, with a context for it); its port."""
        return asyncio.run_coroutine_threadsafe(self._open(play, tls), self._loop).result(LONGEST_S)

    def http(self, play: Play) -> str:
        """Start a server where Nissa should be; its address."""
        return f"http://{LOOPBACK}:{self.open(play)}"

    def redis(self, play: Play) -> str:
        """Start a server where Redis should be; its address."""
        return f"redis://{LOOPBACK}:{self.open(play)}/0"

    async def _open(self, play: Play, tls: ssl.SSLContext | None) -> int:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._busy.add(task)
            try:
                with suppress(
                    ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError
                ):
                    async with asyncio.timeout(LONGEST_S):
                        await play(reader, writer)
            except asyncio.CancelledError:
                writer.transport.abort()
            finally:
                self._busy.discard(task)
                writer.close()

        server = await asyncio.start_server(accept, LOOPBACK, 0, ssl=tls)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)
        await asyncio.sleep(0.01)  # transports tell their protocols in the next turn of the loop


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept, read, and never answer."""
    while await reader.read(65536):
        pass


async def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and close a moment later, without an answer."""
    await asyncio.sleep(CLOSING_S)
    writer.close()


async def resets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and reset: with a linger of 0 the kernel sends RST instead of FIN."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def says(raw: bytes, *, first: bool = False) -> Play:
    """Send `raw` whatever is asked (with `first`, before anything is asked), then close."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not first:
            await reader.read(65536)
        writer.write(raw)
        await writer.drain()
        writer.write_eof()
        while await reader.read(65536):  # closing with unread input would reset what was just sent
            pass

    return play


def http(acts: Act | Mapping[str, Act]) -> Play:
    """Read the head of one request, then act, by path where there are several acts; then close."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        act = acts.get(path, page(status=404)) if isinstance(acts, Mapping) else acts
        await act(writer)
        await writer.drain()

    return play


def answer(body: bytes, *, status: int = 200, kind: str = JSON, headers: tuple[str, ...] = ()) -> bytes:
    """A whole HTTP reply."""
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Type: {kind}", "Connection: close", *headers]
    if not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def page(
    body: bytes | str | object = b"{}", *, status: int = 200, kind: str = JSON, headers: tuple[str, ...] = ()
) -> Act:
    """Send one page. A body that is no text is sent as JSON (with NaN and Infinity, where it has them)."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(raw, status=status, kind=kind, headers=headers))

    return act


def endless(chunk: bytes, *, kind: str = JSON) -> Act:
    """Send a body without end, as fast as it is taken."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
        while True:
            writer.write(chunk)
            await writer.drain()

    return act


def drips(body: bytes, *, kind: str = JSON) -> Act:
    """Send the head, then one byte of the body every 0.2 s."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", kind=kind, headers=(f"Content-Length: {len(body)}",)))
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(DRIP_S)

    return act


def bomb(*, kind: str = JSON) -> Act:
    """Send a small compressed body that unpacks to 256 MiB, though nobody asked for compression."""
    return page(_packed(), kind=kind, headers=("Content-Encoding: gzip",))


@cache
def _packed() -> bytes:
    return gzip.compress(bytes(256 * MIB), compresslevel=1)


def nissa(**acts: Act) -> Play:
    """A Nissa that is well but for `acts`, by the names healthz, metrics and summary."""
    well = {
        "healthz": page({"status": "ok"}),
        "metrics": page(EXPOSITION, kind=TEXT),
        "summary": page({"slo": {}, "alerts": {}}),
    }
    paths = {"healthz": "/healthz", "metrics": "/metrics", "summary": "/metrics/summary"}
    return http({paths[name]: act for name, act in (well | acts).items()})
