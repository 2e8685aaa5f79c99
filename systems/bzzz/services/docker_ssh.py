"""The way to a Docker daemon behind ssh: a socket of our own, each connection of which is one `ssh … dial-stdio`.

The SDK's own way by the ssh program asks for passwords on the terminal, keeps the reason of a failure from its caller,
and leaves its processes behind; this one does none of that, and the socket's timeouts hold.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systems.bzzz.services.target import ServicesTarget

__all__ = ["ssh_way"]

_SSH = ("ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=4", "-o", "ServerAliveInterval=2")
_DIAL = "docker system dial-stdio"
_ENDING_S, _ENDED_S = 2, 0.5
# What ssh and Docker's program say (their own words, in the C locale), and what it means.
_TEXT = (
    (r"Could not resolve hostname", ErrorKind.NAME_NOT_FOUND),
    (r"Connection refused|Cannot connect to the Docker daemon|no such file or directory", ErrorKind.REFUSED),
    (r"No route to host|[Nn]etwork is unreachable", ErrorKind.NO_ROUTE),
    (r"timed out|not responding", ErrorKind.SILENT),
    (r"Host key verification failed|REMOTE HOST IDENTIFICATION", ErrorKind.UNKNOWN_CA),
    (r"[Pp]ermission denied|Too many authentication failures", ErrorKind.DENIED),
    (r"reset by peer|closed by remote host|Connection closed|Broken pipe", ErrorKind.RESET),
    (r"command not found|not found", ErrorKind.PRECONDITION),
)


@contextmanager
def ssh_way(target: ServicesTarget) -> Iterator[str]:
    """The address, as the SDK takes it, of the daemon that a target names.

    Raises:
        Unobservable: ssh could not connect, with the reason that it gave, whatever the SDK made of that.
    """
    address = target.manager.removeprefix("docker+")
    if address.startswith("ssh://") and shutil.which("ssh") is None:
        raise Unobservable(ErrorKind.PRECONDITION, f"{target.manager}: there is no ssh on this machine")
    if not address.startswith("ssh://"):
        yield address
        return
    with tempfile.TemporaryDirectory(prefix="opsverify-ssh-") as folder:
        relay = _Relay(target, Path(folder))
        try:
            yield f"unix://{folder}/docker.sock"
        except Exception:
            told = relay.ended()
            if told is not None:
                raise told from None
            raise
        finally:
            relay.close()


class _Relay:
    """Accepts on a socket; each connection becomes the standard input and output of an ssh of its own."""

    def __init__(self, target: ServicesTarget, folder: Path) -> None:
        parts = urlsplit(target.manager.removeprefix("docker+"))
        self._where = ["--", str(parts.hostname), _DIAL]
        if parts.port:
            self._where = ["-p", str(parts.port), *self._where]
        if parts.username:
            self._where = ["-l", unquote(parts.username), *self._where]
        if target.identity_file:
            self._where = ["-i", target.identity_file, *self._where]
        if target.ssh_config:
            self._where = ["-F", target.ssh_config, *self._where]
        self._errors = (folder / "errors").open("w+b")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "docker.sock"))
        self._listener.listen()
        self._started: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._serve, name="opsverify-ssh", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: it is over
                return
            with connection, suppress(OSError):
                self._started.append(
                    subprocess.Popen(
                        [*_SSH, *self._where],
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=self._errors,
                    )
                )

    def ended(self) -> Unobservable | None:
        """Why an ssh ended by itself, or None where none did."""
        for each in self._started:
            with suppress(subprocess.TimeoutExpired):
                if each.wait(_ENDED_S):
                    self._errors.seek(0)
                    text = bounded_text(
                        " ".join(self._errors.read(4000).decode(errors="replace").split()), 300
                    )
                    kind = next(
                        (k for pattern, k in _TEXT if re.search(pattern, text)), ErrorKind.UNEXPECTED_REPLY
                    )
                    return Unobservable(kind, f"ssh: {text}")
        return None

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._listener.close()
        self._thread.join(_ENDING_S)
        for each in self._started:
            each.terminate()
            try:
                each.wait(_ENDING_S)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()
        self._errors.close()
