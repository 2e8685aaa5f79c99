"""What a drill needs to say "nothing lost": every accepted packet seen on the bus, and a queue that is drained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.deadline import eventually

if TYPE_CHECKING:
    from datetime import timedelta

    from fixtures.esper.twin.site import EsperTwin
    from systems.esper.bus.models import StreamState
    from systems.esper.client import EsperClient

__all__ = ["Accounting", "drained", "on_the_queues"]


async def on_the_queues(client: EsperClient) -> set[str]:
    """Ids of the packets that stand on the normal and the emergency stream now."""
    return await client.bus.packet_ids("normal") | await client.bus.packet_ids("emergency")


class Accounting:
    """Holds the producers' books (what the bus accepted) against what stands, or stood, on its two queues.

    A packet counts as kept if it was seen on the normal or the emergency stream at some `note`. What is trimmed in
    between was delivered to every group and acknowledged: the operator refuses to trim anything else.
    """

    def __init__(self, twin: EsperTwin, client: EsperClient) -> None:
        self._twin, self._client = twin, client
        self._seen: set[str] = set()
        self._accepted: set[str] = set()

    async def note(self) -> None:
        """Read the books first, the streams after: what is accepted in between is found by the next note."""
        self._accepted |= self._twin.accepted_packets()
        self._seen |= await on_the_queues(self._client)

    @property
    def accepted(self) -> int:
        """How many packets the bus took."""
        return len(self._accepted)

    def lost(self) -> set[str]:
        """Ids of accepted packets that no note has seen."""
        return self._accepted - self._seen


async def drained(client: EsperClient, *, within: timedelta) -> str:
    """Wait until every group has read and acknowledged the normal stream.

    Raises:
        DeadlinePassed: with what is still owed.
    """

    def owes_nothing(stream: StreamState) -> bool:
        return bool(stream.groups) and all(not g.lag and not g.pending for g in stream.groups)

    def owed(stream: StreamState) -> str:
        return (
            "; ".join(f"{g.name} owes {g.lag} undelivered, {g.pending} unacknowledged" for g in stream.groups)
            or "no group"
        )

    stream = await eventually(
        lambda: client.bus.stream("normal"),
        owes_nothing,
        expected="every group at the end of the normal stream",
        within=within,
        shown=owed,
    )
    return f"{stream.length} entries, all read and acknowledged by {', '.join(g.name for g in stream.groups)}"
