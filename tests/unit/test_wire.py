"""The stream entries of Oona: what is encoded comes back, and no bytes whatsoever make decoding raise."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems.esper.bus.entries import Decoded, Event, decode_entry, encode_entry, sign
from systems.esper.leyline import leyline_pb2 as leyline

if TYPE_CHECKING:
    from systems.esper.bus.entries import Message

SECRET = "a secret of the test"
NOON = datetime(2026, 11, 20, 12, 0, 0, 5000, tzinfo=UTC)

TELEMETRY = leyline.TelemetryPacket(
    packet_id="training-run-epoch-0",
    timestamp=NOON,
    source_subsystem="tolaria",
    metrics=[leyline.MetricPoint(name="tolaria.training.latency_ms", value=39.5, unit="ms")],
    events=[leyline.TelemetryEvent(event_id="evt-1", description="latency_high")],
    system_health=leyline.SystemHealth(status="HEALTH_STATUS_DEGRADED", summary="latency_high"),
)
STATE = leyline.SystemStatePacket(
    packet_id="training-run-epoch-1",
    timestamp_ns=int(NOON.timestamp() * 1e6) * 1000,
    source_subsystem="tolaria",
    training_metrics={"loss": 0.5},
)
REPORT = leyline.FieldReport(report_id="field-report-0", issued_at=NOON, metrics={"loss_delta": -0.25})
COMMAND = leyline.AdaptationCommand(
    command_id="c-1", issued_at=NOON, seed_operation=leyline.CommandSeedOperation(operation="SEED_OP_CULL")
)
POLICY = leyline.PolicyUpdate(policy_id="policy-demo", issued_at=NOON, payload=b"PK\x03\x04")


def envelope(kind: int, payload: bytes) -> dict[bytes, bytes]:
    """Build an entry whose envelope says `kind`, whatever the payload is."""
    made = leyline.BusEnvelope(payload=payload)
    return {b"payload": bytes([0x08, kind]) + made.SerializeToString()}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            TELEMETRY,
            Decoded(
                problem="",
                signature="missing",
                message_type="TELEMETRY",
                source="tolaria",
                packet_id="training-run-epoch-0",
                metrics={"tolaria.training.latency_ms": 39.5},
                events=(Event(description="latency_high", level="UNSPECIFIED"),),
                health="DEGRADED",
                summary="latency_high",
                issued_at=NOON,
            ),
        ),
        (
            STATE,
            Decoded(
                problem="",
                signature="missing",
                message_type="SYSTEM_STATE",
                source="tolaria",
                packet_id="training-run-epoch-1",
                metrics={"loss": 0.5},
                issued_at=NOON,
            ),
        ),
        (
            REPORT,
            Decoded(
                problem="",
                signature="missing",
                message_type="FIELD_REPORT",
                packet_id="field-report-0",
                metrics={"loss_delta": -0.25},
                issued_at=NOON,
            ),
        ),
        (
            COMMAND,
            Decoded(
                problem="",
                signature="missing",
                message_type="ADAPTATION_COMMAND",
                packet_id="c-1",
                issued_at=NOON,
            ),
        ),
        (
            POLICY,
            Decoded(
                problem="",
                signature="missing",
                message_type="POLICY_UPDATE",
                packet_id="policy-demo",
                issued_at=NOON,
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("secret", [None, SECRET])
def test_each_message_comes_back_as_it_was_sent(
    message: Message, expected: Decoded, secret: str | None
) -> None:
    """Every message of the bus is read back with its type, identity, values and time."""
    decoded = decode_entry(encode_entry(message, secret=secret), secret=secret)
    assert decoded == expected.model_copy(update={"signature": "valid" if secret else "missing"})


def test_the_signature_is_that_of_the_real_program() -> None:
    """An entry is signed with 44 characters of standard base64 over HMAC-SHA256 of the payload bytes."""
    fields = encode_entry(STATE, secret=SECRET)
    assert set(fields) == {b"payload", b"signature"}
    digest = hmac.new(SECRET.encode(), fields[b"payload"], hashlib.sha256).digest()
    assert fields[b"signature"] == base64.b64encode(digest)
    assert len(fields[b"signature"]) == 44
    assert set(encode_entry(STATE, secret=None)) == {b"payload"}


def test_an_empty_secret_is_refused() -> None:
    """An empty secret is an error, as it is for the real program."""
    with pytest.raises(ValueError, match="ESPER_LEYLINE_SECRET"):
        sign("", b"")


@pytest.mark.parametrize(
    ("sent_with", "read_with", "signature", "problem"),
    [
        (None, None, "missing", ""),
        (SECRET, None, "unverified", ""),
        (None, SECRET, "missing", "signature-missing"),
        ("another", SECRET, "wrong", "signature-wrong"),
        (SECRET, SECRET, "valid", ""),
    ],
)
def test_a_signature_problem_leaves_the_rest_readable(
    sent_with: str | None, read_with: str | None, signature: str, problem: str
) -> None:
    """A missing or wrong signature is named, and the message is still read."""
    decoded = decode_entry(encode_entry(REPORT, secret=sent_with), secret=read_with)
    assert (decoded.signature, decoded.problem) == (signature, problem)
    assert decoded.packet_id == "field-report-0"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "no-payload"),
        ({b"other": b"x"}, "no-payload"),
        ({b"payload": b""}, "no-payload"),
        ({b"payload": b"\xff\xff\xff"}, "not-an-envelope"),
        (envelope(0, b""), "unknown-type"),
        (envelope(77, b""), "unknown-type"),
        (envelope(4, b""), "undecodable"),
        (envelope(4, b"\xff\xff"), "undecodable"),
        (envelope(4, b"\x0a\x01\xff"), "undecodable"),  # a name that is not UTF-8
        (envelope(4, b"\xfa\x3e\x01x"), "undecodable"),  # field 1007 alone: all unknown
        (envelope(1, TELEMETRY.SerializeToString()), "undecodable"),
    ],
)
@pytest.mark.parametrize("secret", [None, SECRET])
def test_trouble_with_the_payload_is_named_before_the_signature(
    fields: dict[bytes, bytes], problem: str, secret: str | None
) -> None:
    """An entry that holds no readable message says what is wrong with it, signed or not."""
    decoded = decode_entry(fields, secret=secret)
    assert decoded.problem == problem
    assert decoded.detail


def test_nan_and_impossible_times_are_kept_apart_from_errors() -> None:
    """A NaN stays NaN, also through JSON, and a time outside of the years 1 to 9999 is no time."""
    packet = leyline.TelemetryPacket(packet_id="p", metrics=[leyline.MetricPoint(name="m", value=math.nan)])
    packet.timestamp.seconds = 2**62
    decoded = decode_entry(encode_entry(packet, secret=None), secret=None)
    assert math.isnan(decoded.metrics["m"])
    assert decoded.issued_at is None
    assert not decoded.problem
    assert math.isnan(Decoded.model_validate_json(decoded.model_dump_json()).metrics["m"])


@given(
    st.dictionaries(
        st.sampled_from([b"payload", b"signature"]) | st.binary(max_size=8), st.binary(max_size=300)
    )
)
def test_no_field_map_makes_decoding_raise(fields: dict[bytes, bytes]) -> None:
    """Whatever stands in a stream, reading it ends with an answer."""
    assert isinstance(decode_entry(fields, secret=SECRET), Decoded)
    decode_entry(fields, secret=None).model_dump_json()


@given(st.integers(0, 7), st.binary(max_size=300))
def test_no_inner_bytes_make_decoding_raise(kind: int, inner: bytes) -> None:
    """An envelope of any type around any bytes is read or refused, never an exception."""
    decoded = decode_entry(envelope(kind, inner), secret=None)
    assert decoded.problem or decoded.packet_id


@given(st.sampled_from([TELEMETRY, STATE, REPORT, COMMAND, POLICY]), st.data())
def test_no_damage_to_a_real_entry_makes_decoding_raise(message: Message, data: st.DataObject) -> None:
    """A real entry with a byte changed, or cut short, is read or refused, never an exception."""
    payload = bytearray(encode_entry(message, secret=None)[b"payload"])
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    decode_entry({b"payload": bytes(payload[:cut])}, secret=None).model_dump_json()
