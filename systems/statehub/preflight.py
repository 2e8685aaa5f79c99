"""Preflight of State Hub: both paths to the API; logins, permissions and clocks of PostgreSQL, Temporal, Kubernetes, systemd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from systems.statehub.api.client import StateHubApiClient
    from systems.statehub.client import StateHubClient

__all__ = ["questions"]


def questions(client: StateHubClient) -> list[tuple[str, str, Callable[[], Awaitable[str]]]]:
    """Surface, topic and question; each question returns a short text, or raises the error that prevented it."""

    async def events(path: StateHubApiClient) -> str:
        newest, _, _ = await path.events(1)
        return f"newest event {newest[0].id} of {newest[0].at:%Y-%m-%d %H:%M:%S}Z"

    async def login() -> str:
        return (await client.activity.server()).identity

    async def rights() -> str:
        rows = await client.activity.definitions()
        since = datetime.now(UTC) - timedelta(hours=1)
        runs, _ = await client.activity.runs(since, 100)
        return f"may read {len(rows)} definition and {len(runs)} runs of the last hour"

    async def clock() -> str:
        return f"{(await client.activity.server()).ahead.total_seconds():+.1f} s against ours"

    async def namespace() -> str:
        frontend = await client.temporal.frontend()
        return f"server {frontend.version}, namespace {frontend.namespace} {frontend.state.lower()}"

    async def schedule() -> str:
        return f"may read schedules: {', '.join((await client.temporal.schedule()).found) or 'none of ours'}"

    async def cluster() -> str:
        target = client.kubernetes.target
        path = f"/apis/apps/v1/namespaces/{target.namespace}/deployments/{target.worker}"
        return f"may read deployments: {target.worker} is {'there' if await client.kubernetes.read(path) else 'not there'}"

    async def systemd() -> str:
        timer = await client.workstation.timer()
        return f"{timer.host} has systemd, scopes {', '.join(unit.scope for unit in timer.units)}"

    return [
        ("api", "events", lambda: events(client.api)),
        ("bridge", "events", lambda: events(client.bridge)),
        ("activity", "login", login),
        ("activity", "rights", rights),
        ("activity", "clock", clock),
        ("temporal", "namespace", namespace),
        ("temporal", "rights", schedule),
        ("kubernetes", "rights", cluster),
        ("workstation", "login", systemd),
    ]
