"""Esper-Lite's observations say what was answered and what is missing, and read no threshold."""

from __future__ import annotations

import ast
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.limits import Window
from opsverify.model.observation import ErrorKind, Observed, Unobservable
from systems.esper.bus.client import BusClient
from systems.esper.bus.entries import Decoded
from systems.esper.bus.models import Entry, GroupState, StreamState
from systems.esper.limits import EsperLimits
from systems.esper.nissa.models import CoreAlert
from systems.esper.section import EsperSection
from systems.esper.system import ESPER
from systems.esper.training.telemetry import LATENCY, LOSS, Telemetry, evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2] / "systems/esper"
LOOKING = sorted(ROOT.rglob("*.py"))
NOW = 1_800_000_000_000
LOOK = {spec.name: spec.function for spec in ESPER.observations}


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
    assert read | {spec.window for spec in ESPER.observations if spec.window} == windows


def group(name: str = "nissa-service", **more: Any) -> GroupState:
    """A group at the end of its stream."""
    at_end = {"consumers": 1, "pending": 2, "last_delivered": "9-0", "lag": 3, "lag_exact": True, "gone": 0}
    return GroupState.model_validate({"name": name, **at_end, **more})


def client(
    *,
    alerts: Sequence[CoreAlert] = (),
    telemetry: Telemetry | None = None,
    entries: tuple[Entry, ...] = (),
    **streams: Any,
) -> Any:
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

    async def newest_of_each(_count: int) -> tuple[dict[str, tuple[Entry, ...]], tuple[str, ...]]:
        told = {name: entries if name == names["telemetry"] else () for name in names.values()}
        no_stream = [name for role, name in names.items() if streams.get(role, ()) is None]
        return {n: e for n, e in told.items() if n not in no_stream}, tuple(no_stream)

    section = EsperSection.model_validate({"limits": {"settle": 0.01}})
    bus = SimpleNamespace(
        stream=stream, oldest_pending=oldest_pending, telemetry=read, newest_of_each=newest_of_each
    )
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


def test_whatever_is_observed_is_stated() -> None:
    """No field stands for "no trouble" where nobody said so: saved evidence without it cannot be loaded."""
    models = {
        value
        for path in ROOT.glob("*/models.py")
        for value in vars(import_module(f"systems.esper.{path.parent.name}.models")).values()
        if isinstance(value, type) and issubclass(value, Observed)
    }
    assert len(models) > 40
    assert {
        (m.__name__, n) for m in models for n, f in m.model_fields.items() if not f.is_required()
    } == set()
    assert all(Decoded.model_fields[name].is_required() for name in ("problem", "signature"))


def packet(source: str, **metrics: float) -> Decoded:
    """A telemetry packet of the source that says this of it."""
    said = {f"{source}.{name}": value for name, value in metrics.items()}
    return Decoded(
        problem="",
        signature="missing",
        message_type="TELEMETRY",
        source=source,
        packet_id=str(metrics),
        metrics=said,
    )


async def test_of_each_stream_it_is_told_how_much_was_read() -> None:
    """Streams, entries and messages are counted beside what they hold: what gets lost later is missed."""
    odd = packet("x").model_copy(update={"unknown_values": ("level 9",)})
    entries = tuple(Entry(id=f"{n}-0", decoded=one) for n, one in enumerate((packet("x"), odd), start=1))
    newest = await LOOK["newest_entries"](client(entries=entries, policy=None))
    assert newest.names == ("oona.normal", "oona.emergency", "oona.telemetry", "oona.policy")
    assert newest.counts == {"oona.normal": 0, "oona.emergency": 0, "oona.telemetry": 2}
    enums = await LOOK["enum_values"](client(entries=entries, policy=None))
    assert (enums.names, enums.known) == (newest.names, 1)
    assert enums.messages == newest.counts


async def test_each_group_that_is_needed_is_named_and_told_of() -> None:
    """Who is looked for, and who was found, are two lists of the same length."""
    seen = await LOOK["service_groups"](client(normal=()))
    assert [(g.group, g.stream) for g in seen.found] == list(seen.needed)
    assert [g.present for g in seen.found if g.stream == "oona.normal"] == [False]
    taken = await LOOK["consumer_progress"](client(normal=()), timedelta(0))
    assert taken.wanted == (("nissa-service", "oona.telemetry"), ("nissa-service", "oona.normal"))


def stream_of(*packets: Decoded) -> Telemetry:
    """A stream of these packets, a second apart, the newest of them a second old."""
    entries = [Entry(id=f"{NOW - 1000 * (len(packets) - n)}-0", decoded=one) for n, one in enumerate(packets)]
    return Telemetry(now_ms=NOW, stream="t", read=len(entries), packets=evidence(entries))


@pytest.mark.parametrize("risk", [None, 0.5])
async def test_a_risk_that_is_not_published_is_told_so(risk: float | None) -> None:
    """A value that no packet carries has its place, as one that is not there."""
    said = {"validation_loss": 0.2, "loss_delta": 0.0} | ({} if risk is None else {"blueprint.risk": risk})
    seen = await LOOK["tamiyo_decisions"](client(telemetry=stream_of(packet("tamiyo", **said))))
    assert {r.metric: r.value for r in seen.highest} == {
        "tamiyo.validation_loss": 0.2,
        "tamiyo.loss_delta": 0.0,
        "tamiyo.blueprint.risk": risk,
    }


INFO = {
    "run_id": "a",
    "role": "master",
    "loading": 0,
    "maxmemory": 9,
    "used_memory": 9,
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
}


@pytest.mark.parametrize("lacks", [*INFO, ""])
async def test_what_info_does_not_tell_is_not_taken_for_good(lacks: str) -> None:
    """An INFO without what would speak against writes, or against memory, says nothing in their favour."""

    async def execute_command(*command: Any, **_: Any) -> Any:
        return True if command[0] == "PING" else {name: v for name, v in INFO.items() if name != lacks}

    bus = BusClient(SimpleNamespace(execute_command=execute_command), EsperSection())  # type: ignore[arg-type]
    asked = {"server": lacks not in ("", "aof_enabled"), "durability": "m" in lacks or lacks == "aof_enabled"}
    for name, refused in asked.items():
        if refused:
            with pytest.raises(Unobservable) as trouble:
                await getattr(bus, name)()
            assert trouble.value.kind is ErrorKind.UNEXPECTED_REPLY
        else:
            await getattr(bus, name)()
