"""A server on loopback that takes whatever it is sent and remembers it; Slack, PagerDuty and others to the runs."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Received", "Sinks", "sinks"]


@dataclass(frozen=True)
class Received:
    """A request: its path and its JSON body, if it has one."""

    path: str
    body: Any
    authorization: str


class Sinks:
    """The server's memory. `status` is what it answers from now on."""

    def __init__(self, url: str) -> None:
        self.url, self.status = url, 202
        self.received: list[Received] = []

    def at(self, path: str) -> list[Any]:
        """Bodies that came to a path, and are taken away with this."""
        bodies = [r.body for r in self.received if r.path == path]
        self.received = [r for r in self.received if r.path != path]
        return bodies


@contextmanager
def sinks() -> Iterator[Sinks]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("content-length", 0)))
            body = json.loads(text) if text else None
            made.received.append(Received(self.path, body, self.headers.get("authorization", "")))
            self.send_response(made.status)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the base class's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep the terminal quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Sinks(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
