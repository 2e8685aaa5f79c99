"""Actions on the Oona bus (runbook 3.2, 5 "Oona Queue Depth Spike")."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from opsverify.model.operator import action
from systems.esper.actions import EsperActions, TrimRefused
from systems.esper.bus.entries import encode_entry
from systems.esper.bus.models import order
from systems.esper.bus.target import Role
from systems.esper.leyline import leyline_pb2 as leyline
from systems.esper.training.telemetry import CANARY_SOURCE

__all__ = ["BusActions"]

_PAGE = 200


class BusActions(EsperActions):
    """Publish a canary, create groups, trim, replay."""

    @action
    async def publish_canary(self, *, packet: str, signed: bool) -> str:
        """Add one telemetry packet without metrics to the telemetry stream, from a source of its own."""
        stamp = Timestamp()
        stamp.FromDatetime(datetime.now(UTC))
        message = leyline.TelemetryPacket(
            packet_id=packet,
            timestamp=stamp,
            source_subsystem=CANARY_SOURCE,
            level=leyline.TELEMETRY_LEVEL_INFO,
        )
        fields = encode_entry(message, secret=self._section.secret if signed else None)
        async with self._writing() as bus:
            entry: bytes = await bus.xadd(self._section.streams.telemetry, dict(fields))
        return entry.decode()

    @action
    async def create_missing_groups(self) -> list[str]:
        """Create each consumer group that the services need and that is missing, from now on ("$"), with its stream."""
        created = []
        async with self._writing() as bus:
            for name, roles in self._section.groups.items():
                for role in roles.on:
                    stream = await self._client.bus.stream(role)
                    if stream.group(name) is None:
                        await bus.xgroup_create(stream.name, name, id="$", mkstream=True)
                        created.append(f"{name} on {stream.name}")
        return created

    @action
    async def trim_stream(self, role: Role) -> int:
        """Remove the entries of a stream that every group has acknowledged; refuse while any group lags. Returns how many."""
        stream = await self._client.bus.stream(role)
        if stream.kind != "stream" or not stream.groups:
            msg = f"{stream.name} has no consumer group, so it is unknown which entries are still needed"
            raise TrimRefused(msg)
        lowest: list[str] = []
        for group in stream.groups:
            if group.lag:
                msg = (
                    f"group {group.name} lags by {group.lag} entries on {stream.name}; let it catch up, or, if no consumer "
                    f"uses it any more, remove it by hand: XGROUP DESTROY {stream.name} {group.name}"
                )
                raise TrimRefused(msg)
            lowest.append(group.last_delivered)
            lowest += [
                entry for entry, _ in await self._client.bus.oldest_pending(stream.name, group.name, most=1)
            ]
        keep_from = min(lowest, key=order)
        async with self._writing() as bus:
            # Exact (no "~"), by id and never by length: entries that arrive meanwhile have higher ids and stay.
            return int(await bus.execute_command("XTRIM", stream.name, "MINID", "=", keep_from))

    @action
    async def replay_emergency(self) -> int:
        """Publish every entry of the emergency stream to the normal one, each removed only once its copy is there."""
        names, moved = self._section.streams, 0
        async with self._writing() as bus:
            while rows := await bus.xrange(names.emergency, count=_PAGE):
                for entry, fields in rows:
                    await bus.xadd(names.normal, fields)
                    await bus.xdel(names.emergency, entry)
                    moved += 1
        return moved
