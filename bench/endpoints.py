"""The server that the benchmark asks, in a process of its own: any path answers after 50 ms; a second port never answers."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from bench.measured import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Endpoints", "endpoints", "raise_descriptors"]

LOOPBACK = "127.0.0.1"
ANSWER_S = 0.05
BACKLOG = 8192


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of the server that answers and of the one that never does."""

    answering: str
    silent: str


def raise_descriptors() -> int:
    """Raise the limit of open files to its hard limit; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextmanager
def endpoints() -> Iterator[Endpoints]:
    """Start the servers; they end when their standard input does, whatever happens to this process."""
    command = [sys.executable, "-m", "bench.endpoints"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        ports = json.loads(child.stdout.readline())
        yield Endpoints(*(f"http://{LOOPBACK}:{port}" for port in ports))
        child.stdin.close()


async def _answer(_: web.Request) -> web.Response:
    await asyncio.sleep(ANSWER_S)
    return web.json_response({"status": "ok"})


async def _never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass
    writer.close()


async def _serve() -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", _answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0, backlog=BACKLOG)
    await site.start()
    silent = await asyncio.start_server(_never, LOOPBACK, 0, backlog=BACKLOG)
    ports = [runner.addresses[0][1], silent.sockets[0].getsockname()[1]]
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    silent.close()
    await runner.cleanup()


if __name__ == "__main__":
    raise_descriptors()
    asyncio.run(_serve())
