"""Preflight of BZZZ: address, login and rights of each surface."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from systems.bzzz.agents.models import Running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from systems.bzzz.client import BzzzClient

    _Question = tuple[str, str, Callable[[], Awaitable[str]]]

__all__ = ["questions"]


def questions(client: BzzzClient) -> list[_Question]:
    """Surface, topic and coroutine of each question; it returns a short text, or raises why it cannot."""
    return [*_surfaces(client), *_monitoring(client), *_database(client)]


def _surfaces(client: BzzzClient) -> list[_Question]:
    async def services() -> str:
        return f"{len(await client.services.services())} services"

    async def api() -> str:
        return (await client.api.health()).word

    async def nodes() -> str:
        answers, silent = await client.nodes.ask(lambda agent, _: agent.health(), Running(nodes=None))
        return ", ".join([*(f"{node} {health.word}" for node, health in answers.items()), *map(str, silent)])

    return [
        ("api", "answers", api),
        ("nodes", "answer", nodes),
        ("services", "rights", services),
    ]


def _monitoring(client: BzzzClient) -> list[_Question]:
    async def prometheus() -> str:
        return (await client.prometheus.server()).identity

    async def scraping() -> str:
        seen = await client.prometheus.targets()
        own = seen.of(client.prometheus.job)
        up = sum(t.health == "up" for t in own)
        return f"{up} of {len(own)} targets of job {client.prometheus.job} are up, {len(seen.targets)} in all"

    async def prometheus_clock() -> str:
        return f"{(await client.prometheus.now() - datetime.now(UTC)).total_seconds():+.1f} s against ours"

    async def alertmanager() -> str:
        seen = await client.alertmanager.server()
        return f"{seen.identity}, API {seen.api}"

    async def alerts() -> str:
        matchers = client.alertmanager.target.matchers
        return f"{len(await client.alertmanager.alerts(*matchers))} alerts match {', '.join(matchers)}"

    return [
        ("prometheus", "login", prometheus),
        ("prometheus", "rights", scraping),
        ("prometheus", "clock", prometheus_clock),
        ("alertmanager", "login", alertmanager),
        ("alertmanager", "rights", alerts),
    ]


def _database(client: BzzzClient) -> list[_Question]:
    async def database() -> str:
        server = await client.database.server()
        connections = await client.database.connections()
        return f"PostgreSQL {server.version}, {connections.used} of {connections.limit} connections"

    async def archive() -> str:
        wal = await client.backups.wal()
        return f"{wal.segments} segments since {wal.base}"

    backups = client.section.backups
    offsite = [("backups", "off-site", client.backups.offsite_rights)] if backups and backups.offsite else []
    return [
        ("database", "rights", database),
        ("backups", "dumps", client.backups.rights),
        *offsite,
        ("backups", "archive", archive),
    ]
