"""A small TCP proxy in a process of its own: paused it is a black hole, killed it refuses connections."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from opsverify.servers.process import LOOPBACK, OwnedProcess, free_port, refuse_if_answers

if TYPE_CHECKING:
    from opsverify.servers.guard import Guard

__all__ = ["TcpProxy"]

READY = timedelta(seconds=10)
CONNECT_S = 0.5
CHUNK = 65536
ROOT = Path(__file__).resolve().parents[2]


class TcpProxy:
    """The proxy's launcher."""

    def __init__(self, *, port: int, process: OwnedProcess) -> None:
        self.port = port
        self.process = process

    @classmethod
    def start(cls, *, to: tuple[str, int], guard: Guard, folder: Path | None = None) -> TcpProxy:
        """Start a proxy to `to` on a free loopback port; its log goes to `folder`, or a new temporary one."""
        port, folder = free_port(), folder or guard.folder("opsverify-proxy-")
        refuse_if_answers(LOOPBACK, port)
        argv = [sys.executable, "-m", "opsverify.servers.tcp_proxy"]
        argv += ["--listen", str(port), "--to", f"{to[0]}:{to[1]}"]
        env = {
            **guard.environment(),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        process = OwnedProcess.start(
            argv, name="proxy", guard=guard, log=folder / "proxy.log", env=env, cwd=ROOT
        )
        proxy = cls(port=port, process=process)
        process.wait_ready(proxy._no_answer, READY)
        return proxy

    def stop(self) -> None:
        """End it; can be called again."""
        self.process.stop()

    def _no_answer(self) -> str | None:
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=CONNECT_S).close()
        except OSError as error:
            return f"connecting to {LOOPBACK}:{self.port}: {error}"
        return None


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then pass the end on."""
    while chunk := await source.read(CHUNK):
        sink.write(chunk)
        await sink.drain()
    sink.write_eof()


async def _serve(port: int, host: str, upstream: int) -> None:
    async def carry(near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # a side that is reset or refused ends both
            try:
                far_reader, far = await asyncio.open_connection(host, upstream)
                try:
                    async with asyncio.TaskGroup() as both:
                        both.create_task(_pump(near_reader, far))
                        both.create_task(_pump(far_reader, near))
                except* OSError:
                    near.transport.abort()
                finally:
                    far.close()
            finally:
                near.close()

    server = await asyncio.start_server(carry, LOOPBACK, port)
    await server.serve_forever()


def main() -> None:
    """Listen on one loopback port and carry every connection to another."""
    parser = argparse.ArgumentParser(prog="opsverify.servers.tcp_proxy", description=__doc__)
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    options = parser.parse_args()
    host, _, upstream = options.to.rpartition(":")
    if host != LOOPBACK or not upstream.isdecimal():
        parser.error(f"--to {options.to!r}: right would be {LOOPBACK}:PORT, this proxy stays on loopback")
    asyncio.run(_serve(options.listen, host, int(upstream)))


if __name__ == "__main__":
    main()
