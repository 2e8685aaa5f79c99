"""Wire format of the Oona streams: messages to stream entries and back. Pure; client and twin share it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from google.protobuf.message import DecodeError
from pydantic import BaseModel, ConfigDict

from systems.esper.leyline import leyline_pb2 as leyline
from systems.esper.leyline.values import unknown_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.timestamp_pb2 import Timestamp

__all__ = [
    "Decoded",
    "Event",
    "Message",
    "Problem",
    "Signature",
    "decode_entry",
    "encode_entry",
    "identity",
    "sign",
]

Message: TypeAlias = (
    leyline.SystemStatePacket
    | leyline.AdaptationCommand
    | leyline.FieldReport
    | leyline.TelemetryPacket
    | leyline.PolicyUpdate
)
Problem = Literal[
    "", "no-payload", "not-an-envelope", "unknown-type", "undecodable", "signature-missing", "signature-wrong"
]
"""The problem of an entry; empty if there is none."""
Signature = Literal["valid", "wrong", "missing", "unverified"]

PAYLOAD, SIGNATURE = b"payload", b"signature"
CLASSES: Mapping[int, type[Message]] = {
    leyline.BUS_MESSAGE_TYPE_SYSTEM_STATE: leyline.SystemStatePacket,
    leyline.BUS_MESSAGE_TYPE_ADAPTATION_COMMAND: leyline.AdaptationCommand,
    leyline.BUS_MESSAGE_TYPE_FIELD_REPORT: leyline.FieldReport,
    leyline.BUS_MESSAGE_TYPE_TELEMETRY: leyline.TelemetryPacket,
    leyline.BUS_MESSAGE_TYPE_POLICY_UPDATE: leyline.PolicyUpdate,
}
TYPES = {kind: number for number, kind in CLASSES.items()}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMESTAMP_RANGE = range(-62_135_596_800, 253_402_300_800)
"""Seconds that a Timestamp may hold: the years 1 to 9999."""
NANOS_RANGE = range(1_000_000_000)


MOST_METRICS, MOST_EVENTS, MOST_ATTRIBUTES, MOST_TEXT = 1000, 100, 20, 200
"""Bounds of what is kept of one message; real ones have about ten metrics and a few events with short attributes."""


class Event(BaseModel):
    """An event of a telemetry packet; `level` is the end of the enum's name, or its number if Leyline does not know it."""

    model_config = ConfigDict(frozen=True)

    description: str
    level: str = ""
    attributes: dict[str, str] = {}


class Decoded(BaseModel):
    """A decoded stream entry. If the payload has a problem, the fields after `signature` are empty.

    `blueprint` is that of a field report; `unknown_values` are enum values that Leyline does not know, each with its place in the message.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    problem: Problem
    signature: Signature
    detail: str = ""
    message_type: str = ""
    source: str = ""
    packet_id: str = ""
    metrics: dict[str, float] = {}
    events: tuple[Event, ...] = ()
    health: str = ""
    summary: str = ""
    indicators: dict[str, str] = {}
    issued_at: datetime | None = None
    blueprint: str = ""
    unknown_values: tuple[str, ...] = ()


def sign(secret: str, payload: bytes) -> str:
    """The value of an entry's signature field: HMAC-SHA256 of the payload in standard base64.

    Raises:
        ValueError: an empty secret; the real program refuses it too.
    """
    if not secret:
        msg = "the signing secret is empty; set ESPER_LEYLINE_SECRET to a value, or unset it to turn signing off"
        raise ValueError(msg)
    key = secret.encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.new(key, payload, hashlib.sha256).digest()).decode("ascii")


def encode_entry(message: Message, *, secret: str | None) -> dict[bytes, bytes]:
    """The fields of the stream entry that carries `message`, signed when there is a secret."""
    envelope = leyline.BusEnvelope(
        message_type=cast("leyline.BusMessageType", TYPES[type(message)]), payload=message.SerializeToString()
    )
    payload = envelope.SerializeToString()
    if secret is None:
        return {PAYLOAD: payload}
    return {PAYLOAD: payload, SIGNATURE: sign(secret, payload).encode("ascii")}


def decode_entry(fields: Mapping[bytes, bytes], *, secret: str | None) -> Decoded:
    """Decode the fields of a stream entry. Never raises: `problem` says what is wrong with the bytes."""
    payload = fields.get(PAYLOAD, b"")
    signature = _signature(fields, payload, secret)
    decoded = _decode_payload(fields, payload, signature)
    if not decoded.problem and secret is not None and signature != "valid":
        detail = (
            "no signature field" if signature == "missing" else "the signature is not that of the payload"
        )
        problem = "signature-missing" if signature == "missing" else "signature-wrong"
        return decoded.model_copy(update={"problem": problem, "detail": detail})
    return decoded


def identity(message: Message) -> str:
    """The identifying field of a message: its packet, report, command or policy id."""
    if isinstance(message, leyline.SystemStatePacket | leyline.TelemetryPacket):
        return message.packet_id
    if isinstance(message, leyline.FieldReport):
        return message.report_id
    return message.command_id if isinstance(message, leyline.AdaptationCommand) else message.policy_id


def _signature(fields: Mapping[bytes, bytes], payload: bytes, secret: str | None) -> Signature:
    signature = fields.get(SIGNATURE)
    if signature is None:
        return "missing"
    if secret is None:
        return "unverified"
    return "valid" if hmac.compare_digest(signature, sign(secret, payload).encode("ascii")) else "wrong"


def _decode_payload(fields: Mapping[bytes, bytes], payload: bytes, signature: Signature) -> Decoded:
    def failed(problem: Problem, detail: str, **more: Any) -> Decoded:
        return Decoded(problem=problem, signature=signature, detail=detail, **more)

    if not payload:
        names = ", ".join(sorted(repr(name[:40]) for name in list(fields)[:10])) or "none"
        return failed("no-payload", f"no payload, or an empty one; fields: {names}")
    try:
        envelope = leyline.BusEnvelope.FromString(payload)
    except DecodeError as error:
        return failed("not-an-envelope", f"{len(payload)} bytes are not a BusEnvelope: {error}")
    kind = CLASSES.get(envelope.message_type)
    if kind is None:
        detail = f"message type {int(envelope.message_type)} is not 1 to 5"
        return failed("unknown-type", detail, unknown_values=unknown_values(envelope))
    name = _tail(leyline.BusMessageType.DESCRIPTOR, envelope.message_type, "BUS_MESSAGE_TYPE_")
    try:
        message = kind.FromString(envelope.payload)
    except DecodeError as error:
        return failed("undecodable", f"not a {kind.__name__}: {error}", message_type=name)
    if not identity(message):
        detail = f"a {kind.__name__} without the field that identifies it"
        return failed("undecodable", detail, message_type=name)
    unknown = unknown_values(message)
    return Decoded(
        problem="",
        signature=signature,
        message_type=name,
        packet_id=identity(message),
        unknown_values=unknown,
        **_contents(message),
    )


def _contents(message: Message) -> dict[str, Any]:
    if isinstance(message, leyline.TelemetryPacket):
        points = itertools.islice(message.metrics, MOST_METRICS)
        contents: dict[str, Any] = {
            "source": message.source_subsystem,
            "metrics": {point.name[:MOST_TEXT]: point.value for point in points},
            "events": tuple(_event(event) for event in itertools.islice(message.events, MOST_EVENTS)),
            "issued_at": _moment(message.timestamp) if message.HasField("timestamp") else None,
        }
        if message.HasField("system_health"):
            health = message.system_health
            contents["health"] = _tail(leyline.HealthStatus.DESCRIPTOR, health.status, "HEALTH_STATUS_")
            contents["summary"] = health.summary[:MOST_TEXT]
            contents["indicators"] = _short(health.indicators)
        return contents
    if isinstance(message, leyline.SystemStatePacket):
        passed = timedelta(microseconds=message.timestamp_ns // 1000)
        return {
            "source": message.source_subsystem,
            "metrics": dict(itertools.islice(message.training_metrics.items(), MOST_METRICS)),
            "issued_at": EPOCH + passed if passed else None,
        }
    metrics = message.metrics.items() if isinstance(message, leyline.FieldReport) else ()
    return {
        "blueprint": message.blueprint_id[:MOST_TEXT] if isinstance(message, leyline.FieldReport) else "",
        "metrics": dict(itertools.islice(metrics, MOST_METRICS)),
        "issued_at": _moment(message.issued_at) if message.HasField("issued_at") else None,
    }


def _event(event: leyline.TelemetryEvent) -> Event:
    return Event(
        description=event.description[:MOST_TEXT],
        level=_tail(leyline.TelemetryLevel.DESCRIPTOR, event.level, "TELEMETRY_LEVEL_"),
        attributes=_short(event.attributes),
    )


def _short(texts: Mapping[str, str]) -> dict[str, str]:
    return {k[:MOST_TEXT]: v[:MOST_TEXT] for k, v in itertools.islice(texts.items(), MOST_ATTRIBUTES)}


def _moment(stamp: Timestamp) -> datetime | None:
    if stamp.seconds not in TIMESTAMP_RANGE or stamp.nanos not in NANOS_RANGE:
        return None
    return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _tail(kind: EnumDescriptor, number: int, prefix: str) -> str:
    value = kind.values_by_number.get(number)
    return str(number) if value is None else value.name.removeprefix(prefix)
