"""A stub of a web service that cannot be had here: it answers what a file says, and proves a client's wiring only.

The file is JSON: `{path: [status, body, headers]}`, read anew for each request; the path `*` answers for all others.
"""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["Page"]

Page = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""Status, body (JSON; None is empty) and headers of an answer."""
_NO_SUCH_PAGE: Page = (404, {"error": "no such page"})


class _StubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: Path

    def do_GET(self) -> None:
        """Answer from the file."""
        pages = json.loads(self.file.read_text(encoding="utf-8"))
        status, body, *headers = pages.get(self.path.partition("?")[0], pages.get("*", _NO_SUCH_PAGE))
        sent = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers[0] if headers else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class calls it so
        """Say nothing."""


def main() -> None:
    """Serve on loopback until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    options = parser.parse_args()
    _StubHandler.file = options.answers
    ThreadingHTTPServer(("127.0.0.1", options.port), _StubHandler).serve_forever()


if __name__ == "__main__":
    main()
