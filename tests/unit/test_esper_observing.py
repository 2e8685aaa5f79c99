"""Esper-Lite's observations say what was answered and what is missing, and read no threshold."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.esper.limits import EsperLimits
from fixtures.esper.observations import OBSERVATIONS
from fixtures.esper.seen.bus import Entry, GroupState, StreamState
from fixtures.esper.seen.nissa import CoreAlert
from fixtures.esper.target import EsperSection
from fixtures.esper.telemetry import LATENCY, LOSS, Telemetry, evidence
from fixtures.esper.wire import Decoded
from opsverify.limits import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2] / "fixtures/esper"
LOOKING = [*ROOT.glob("observations/*.py"), *ROOT.glob("seen/*.py"), *ROOT.glob("*.py")]
NOW = 1_800_000_000_000
LOOK = {spec.name: spec.function for spec in OBSERVATIONS}


def test_only_windows_are_read() -> None:
    """Whatever looks reads of the limits none that a criterion compares with."""
    read = {
        node.attr
        for path in LOOKING
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and "limits" in (getattr(node.value, "attr", ""), getattr(node.value, "id", ""))
    }
    windows = {name for name, limit in EsperLimits() if isinstance(limit, Window)}
    assert read
    assert read | {spec.window for spec in OBSERVATIONS if spec.window} == windows


def group(name: str = "nissa-service", **more: Any) -> GroupState:
    """A group at the end of its stream."""
    at_end = {"consumers": 1, "pending": 2, "last_delivered": "9-0", "lag": 3, "lag_exact": True, "gone": 0}
    return GroupState.model_validate({"name": name, **at_end, **more})


def client(*, alerts: Sequence[CoreAlert] = (), telemetry: Telemetry | None = None, **streams: Any) -> Any:
    """A client whose streams are these (None: a plain text), the others healthy with one group."""
    names = EsperSection().streams.names()

    async def stream(role: Any) -> StreamState:
        groups = streams.get(role, (group(),))
        if groups is None:
            return StreamState.none(role, names[role], "string")
        at_end = {"kind": "stream", "length": 9, "last_id": "9-0", "groups": tuple(groups)}
        return StreamState.none(role, names[role], "stream").model_copy(update=at_end)

    async def oldest_pending(_stream: str, _group: str) -> list[tuple[str, float]]:
        return [("1-0", 0.5)]

    async def read(*, fresh: bool = False) -> Telemetry | None:
        return telemetry

    async def summary() -> tuple[tuple[CoreAlert, ...], tuple[()]]:
        return tuple(alerts), ()

    section = EsperSection.model_validate({"limits": {"settle": 0.01}})
    bus = SimpleNamespace(stream=stream, oldest_pending=oldest_pending, telemetry=read)
    return SimpleNamespace(section=section, bus=bus, nissa=SimpleNamespace(summary=summary))


async def test_a_reader_without_its_group_is_missing() -> None:
    """A group that does not exist owes nothing that could be told; it is named."""
    seen = await LOOK["normal_queue"](client(normal=(group("ops", lag=0),)))
    assert (seen.behind, seen.missing, seen.others) == ({}, ("nissa-service",), ("ops",))
    there = await LOOK["normal_queue"](client(normal=(group(lag_exact=False),)))
    assert (there.behind, there.missing) == ({"nissa-service": 5}, ())
    assert there.at_least == ("nissa-service",)
    text = await LOOK["normal_queue"](client(normal=None))
    assert (text.kind, text.length, text.missing) == ("string", 0, ("nissa-service",))


async def test_what_is_no_stream_is_missing_beside_the_others() -> None:
    """One stream that is none keeps nobody from seeing the others."""
    seen = await LOOK["stream_flow"](client(emergency=None), timedelta(0))
    assert seen.missing == {"emergency": "oona.emergency is a string, not a stream"}
    assert seen.lengths == {"normal": 9, "telemetry": 9, "policy": 9}


async def test_groups_are_looked_at_one_by_one() -> None:
    """One group that is missing keeps nobody from seeing the others."""
    seen = await LOOK["consumer_progress"](client(normal=()), timedelta(0))
    assert [p.stream for p in seen.progress] == ["oona.telemetry"]
    assert seen.missing == ("group nissa-service on oona.normal does not exist",)
    none = await LOOK["consumer_progress"](client(normal=None), timedelta(0))
    assert none.missing == ("oona.normal is a string, not a stream",)


def epochs(*latencies: float, age_ms: int = 60_000) -> Telemetry:
    """A stream of epochs with these latencies, a second apart, the newest of them so old."""
    entries = [
        Entry(
            id=f"{NOW - age_ms - 1000 * back}-0",
            decoded=Decoded(
                problem="",
                signature="missing",
                message_type="TELEMETRY",
                source="tolaria",
                packet_id=f"training-run-epoch-{len(latencies) - back}",
                metrics={LATENCY: latency, LOSS: 0.2, "tolaria.epoch_hook.latency_ms": 1.0},
            ),
        )
        for back, latency in zip(range(len(latencies) - 1, -1, -1), latencies, strict=True)
    ]
    return Telemetry(now_ms=NOW, stream="t", read=len(entries), packets=evidence(entries))


ACTIVE = CoreAlert(name="training_latency_high", metric=LATENCY, value=25.0, routes=())


@pytest.mark.parametrize(
    ("latencies", "alerts", "looks"),
    [
        ((12.0,) * 3, (), 1),
        ((25.0,) * 3, (ACTIVE,), 1),
        ((25.0,) * 3, (), 2),
        ((12.0,) * 3, (ACTIVE,), 2),
        ((17.0,) * 3, (), 1),  # whatever limit a target sets
    ],
)
async def test_the_alert_is_looked_at_again_by_nissas_own_rule(
    latencies: tuple[float, ...], alerts: tuple[CoreAlert, ...], looks: int
) -> None:
    """Only an alert that is not what Nissa's rule makes of the packets is looked at twice."""
    seen = await LOOK["latency_alert"](client(alerts=alerts, telemetry=epochs(*latencies)))
    assert (seen.looks, seen.behind, seen.latencies) == (looks, 0, latencies)


async def test_epochs_that_nissa_may_not_have_had_are_counted() -> None:
    """What came within the time that Nissa may be behind is told apart."""
    seen = await LOOK["latency_alert"](client(telemetry=epochs(12.0, 12.0, age_ms=5)))
    assert seen.behind == 1


async def test_the_age_of_what_feeds_an_alert_is_told() -> None:
    """By Redis's own clock, however old; of a metric that did not come there is none."""
    seen = await LOOK["nissa_summary"](client(telemetry=epochs(12.0, 12.0, age_ms=90_000)))
    assert seen.fed_s["training_latency_high"] == 90.0
    assert seen.fed_s["oona_queue_depth"] is None
