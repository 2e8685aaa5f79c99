"""Where the files of an Esper-Lite target lie."""

from __future__ import annotations

from pydantic import field_validator

from opsverify.target.file import Table, address

__all__ = ["FilesTarget"]


class FilesTarget(Table):
    """The program's files on a host: `local://`, `ssh://[user@]host[:port]` or `docker://container`.

    `root` is the working directory of the program; the paths are relative to it, or absolute.
    """

    host: str
    root: str
    ssh_config: str | None = None
    identity_file: str | None = None
    field_reports: str = "var/tamiyo/field_reports.log"
    forge_wal: str = "var/urza/forge_wal.json"
    compiler_wal: str = "var/artifacts/tezzeret_wal.json"
    library_wal: str = "var/urza/urza_wal.json"
    library: str = "var/urza/catalog.db"
    blueprints: str = "var/urza"
    artifacts: str = "var/artifacts"

    @field_validator("host")
    @classmethod
    def _host(cls, host: str) -> str:
        return host if host == "local://" else address(host, ("ssh", "docker"))

    @field_validator("root")
    @classmethod
    def _absolute(cls, root: str) -> str:
        if not root.startswith("/"):
            msg = f"found {root!r}; must be an absolute folder: the working directory of the program on that host"
            raise ValueError(msg)
        return root.rstrip("/") or "/"
