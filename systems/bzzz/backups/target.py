"""The target's table of backups: hosts, folders, stores."""

from __future__ import annotations

from pydantic import field_validator, model_validator

from opsverify.target.file import Table, address
from systems.bzzz.backups.stores.target import S3Target, is_s3, refuse_without_library, s3_address
from systems.bzzz.restore.target import RestoringTarget, ValidationQuery

__all__ = ["BackupsTarget"]


class BackupsTarget(Table):
    """Where backups lie (runbook, "Backup Procedures"): a host with folders on it, and the off-site copy.

    `folder` holds the dumps `<prefix>YYYYMMDD_HHMMSS.sql.gz`; `base` is a base backup, or a folder of them; `wal` the
    archive that archive_command fills; `configuration` has secrets/, configs/ and services.json; `prometheus` a folder
    for each snapshot. `offsite` is a folder on `offsite_host` (default: `host`).

    `folder` and `offsite` may each be `s3://bucket/prefix` instead, in the store that `s3` names; `offsite_s3` is the
    off-site copy's, where that is another store or another identity.

    `payloads` says where the secrets' payloads are kept, which no export holds. `dht` is a folder with copies of the
    DHT's content; `dht_replication_only` the reason why there is none. `programs` is the folder of PostgreSQL's
    programs on the host, where they are not in its PATH. `maintenance` is a file on this machine that says when a
    person did what (see docs/bzzz/maintenance.md). `validation` are queries, by name, that a restored dump must
    satisfy.
    """

    host: str
    ssh_config: str | None = None
    identity_file: str | None = None
    folder: str = "/rust/bzzz-v2/backups"
    prefix: str = "bzzz_"
    base: str = "/backup/base"
    wal: str | None = None
    configuration: str = "/backup"
    prometheus: str = "/backup/prometheus"
    offsite: str | None = None
    offsite_host: str | None = None
    s3: S3Target = S3Target()
    offsite_s3: S3Target | None = None
    payloads: str = ""
    dht: str | None = None
    dht_replication_only: str = ""
    programs: str | None = None
    maintenance: str | None = None
    restoring: RestoringTarget = RestoringTarget()
    validation: dict[str, ValidationQuery] = {}

    @field_validator("host", "offsite_host")
    @classmethod
    def _host(cls, host: str | None) -> str | None:
        return host if host in {None, "local://"} else address(str(host), ("ssh",))

    @field_validator("base", "wal", "configuration", "prometheus", "dht", "programs")
    @classmethod
    def _absolute(cls, folder: str | None) -> str | None:
        if folder is not None and not folder.startswith("/"):
            msg = f"found {folder!r}; must be an absolute folder on the host"
            raise ValueError(msg)
        return folder and (folder.rstrip("/") or "/")

    @field_validator("folder", "offsite")
    @classmethod
    def _folder_or_store(cls, place: str | None) -> str | None:
        if place is None or not is_s3(place):
            if place is not None and "://" in place:
                msg = f"found {place.partition('://')[0]!r}; must be an absolute folder on the host, or s3://bucket/prefix"
                raise ValueError(msg)
            return cls._absolute(place)
        store = s3_address(place)
        refuse_without_library(place)
        return f"s3://{store.bucket}/{store.prefix}".rstrip("/")

    @model_validator(mode="after")
    def _one_offsite(self) -> BackupsTarget:
        if self.offsite_host is not None and is_s3(self.offsite):
            msg = f"offsite is {self.offsite}, which lies on no host; take offsite_host away"
            raise ValueError(msg)
        return self

    def places(self) -> str:
        """The host, and the addresses of dumps that lie in a store."""
        return ", ".join([self.host, *(p for p in (self.folder, self.offsite) if p is not None and is_s3(p))])
