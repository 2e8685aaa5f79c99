"""Client of State Hub's HTTP API, read-only, direct or through the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from opsverify.model.observation import ErrorKind, Unobservable
from systems.statehub.sweeps.results import parse_reply

if TYPE_CHECKING:
    from opsverify.probes.http import Http, Reply
    from systems.statehub.api.target import HttpTarget
    from systems.statehub.sweeps.models import SweepEvent

__all__ = ["StateHubApiClient"]


class StateHubApiClient:
    """The one documented way to read: `GET /progress/` (runbook, "Progress Event Check")."""

    def __init__(self, http: Http, target: HttpTarget | None, *, surface: str, event_type: str) -> None:
        self._http, self._url = http, target.url if target else None
        self._surface, self._event_type = surface, event_type

    async def events(self, limit: int) -> tuple[tuple[SweepEvent, ...], int, bool]:
        """The newest sweep events, newest first; how many appeared twice; and whether there are no older ones.

        Raises:
            Unobservable: the reply has no sweep events.
        """
        reply = await self._progress(limit)
        events, repeated = parse_reply(reply.json(), self._event_type, reply.url)
        if not events:
            raise Unobservable(ErrorKind.EMPTY, f"{reply.url} returned no event of type {self._event_type}")
        return events, repeated, len(events) + repeated < limit

    async def date(self) -> str:
        """The server's clock: the Date header of its reply."""
        return (await self._progress(1)).date

    async def _progress(self, limit: int) -> Reply:
        if self._url is None:
            raise Unobservable(ErrorKind.PRECONDITION, f"the target configures no {self._surface}")
        query = urlencode({"event_type": self._event_type, "limit": limit})
        return await self._http.get(f"{self._url}/progress/?{query}", answers={200})
