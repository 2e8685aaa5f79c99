"""Observations of backups."""

from __future__ import annotations

import hashlib

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.bzzz.backups.models import (
    BaseBackup,
    Configured,
    Dumps,
    Export,
    ExportedService,
    NewestFile,
    OffsiteCopy,
    WalArchive,
)
from systems.bzzz.client import BzzzClient

__all__ = [
    "base_backup",
    "configuration_export",
    "configuration_now",
    "database_dumps",
    "dht_backup",
    "offsite_copy",
    "prometheus_snapshot",
    "wal_archive",
]

_READ_TO_THE_END = seconds(300)


@observation(of="backups", deadline=_READ_TO_THE_END)
async def database_dumps(bzzz: BzzzClient) -> Dumps:
    """The dumps, the newest one read to its end."""
    return await bzzz.backups.dumps()


@observation(of="backups", deadline=_READ_TO_THE_END)
async def base_backup(bzzz: BzzzClient) -> BaseBackup:
    """The newest base backup, verified."""
    return await bzzz.backups.base()


@observation(of="backups", deadline=seconds(30))
async def wal_archive(bzzz: BzzzClient) -> WalArchive:
    """The archived WAL since the newest base backup."""
    return await bzzz.backups.wal()


@observation(of="backups", deadline=seconds(30))
async def configuration_export(bzzz: BzzzClient) -> Export:
    """The configuration export."""
    return await bzzz.backups.export()


@observation(of="services", deadline=seconds(10))
async def configuration_now(bzzz: BzzzClient) -> Configured:
    """Secrets, configs and services as the manager has them."""
    services = await bzzz.services.services()
    configs = await bzzz.services.configs()
    changed = {each.name: each.updated for each in services if each.updated is not None}
    return Configured(
        secrets=tuple(sorted(await bzzz.services.secrets())),
        configs={name: hashlib.sha256(payload).hexdigest() for name, payload in configs.items()},
        services={s.name: ExportedService(image=s.image, replicas=s.desired) for s in services},
        changed=changed,
        used={s.name: tuple(sorted({*s.secrets.values(), *s.configs.values()})) for s in services},
    )


@observation(of="backups", deadline=_READ_TO_THE_END)
async def offsite_copy(bzzz: BzzzClient) -> OffsiteCopy:
    """The newest dump, and its copy off-site."""
    return await bzzz.backups.offsite()


@observation(of="backups", deadline=seconds(60))
async def dht_backup(bzzz: BzzzClient) -> NewestFile:
    """The newest copy of the DHT's content."""
    return await bzzz.backups.dht()


@observation(of="backups", deadline=seconds(10))
async def prometheus_snapshot(bzzz: BzzzClient) -> NewestFile:
    """The newest Prometheus snapshot."""
    return await bzzz.backups.prometheus()
