"""What the preflight asks of State Hub: both ways to the API; logins, rights and clock of what surrounds it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from systems.statehub.api.client import StateHubApiClient
    from systems.statehub.client import StateHubClient

__all__ = ["questions"]


def questions(client: StateHubClient) -> list[tuple[str, str, Callable[[], Awaitable[str]]]]:
    """Surface, what is asked, and the question; each answers in a few words or raises what kept it from an answer."""

    async def events(way: StateHubApiClient) -> str:
        seen, _, _ = await way.events(1)
        return f"newest event {seen[0].id} of {seen[0].at:%Y-%m-%d %H:%M:%S}Z"

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
        seen = await client.temporal.frontend()
        return f"server {seen.version}, namespace {seen.namespace} {seen.state.lower()}"

    async def schedule() -> str:
        return f"may read schedules: {', '.join((await client.temporal.schedule()).found) or 'none of ours'}"

    async def cluster() -> str:
        target = client.kubernetes.target
        path = f"/apis/apps/v1/namespaces/{target.namespace}/deployments/{target.worker}"
        return f"may read deployments: {target.worker} is {'there' if await client.kubernetes.read(path) else 'not there'}"

    async def systemd() -> str:
        seen = await client.workstation.timer()
        return f"{seen.host} has systemd, asked as {', '.join(unit.scope for unit in seen.units)}"

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
