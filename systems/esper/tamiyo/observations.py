"""Observations of Tamiyo: conservative mode, the values it decides on, and quarantined blueprints."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.esper.client import EsperClient
from systems.esper.training.models import MOST_READINGS, BlueprintRisk, Conservative, Decisions, Quarantine
from systems.esper.training.readings import events_of, read_telemetry, reading_of, source_of, usable
from systems.esper.training.telemetry import runs

__all__ = ["conservative_mode", "quarantine", "tamiyo_decisions"]

SOURCE, MODE, RISK = "tamiyo", "tamiyo.conservative_mode", "tamiyo.blueprint.risk"
ALWAYS, SOMETIMES = ("tamiyo.validation_loss", "tamiyo.loss_delta"), ("tamiyo.blueprint.risk",)

_TIER = "BLUEPRINT_TIER_"
_REPORTS = 50


@observation(of="redis", deadline=seconds(8))
async def conservative_mode(esper: EsperClient) -> Conservative:
    """Tamiyo's conservative mode in each of its packets, with its pause and quarantine events."""
    telemetry = await read_telemetry(esper)
    packets = telemetry.of(SOURCE)
    source = source_of(esper, telemetry, SOURCE, packets)
    modes = [reading_of(telemetry, p, MODE) for p in reversed(packets)][:MOST_READINGS]
    if modes and modes[0].value not in (0.0, 1.0):
        message = (
            f"{MODE} is {modes[0].value} in packet {modes[0].packet} ({modes[0].entry}), neither 0 nor 1"
        )
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
    newest = packets[-1].metrics if packets else {}
    return Conservative(
        source=source,
        modes=tuple(modes),
        reasons=events_of(telemetry, packets, "pause_triggered", "bp_quarantine"),
        loss_delta=newest.get("tamiyo.loss_delta"),
        risk=newest.get("tamiyo.blueprint.risk"),
    )


@observation(of="redis", deadline=seconds(8))
async def tamiyo_decisions(esper: EsperClient) -> Decisions:
    """Loss, loss delta and risk: of the newest packet while it runs, else the highest of the last run."""
    telemetry = await read_telemetry(esper)
    packets = telemetry.of(SOURCE)
    source = source_of(esper, telemetry, SOURCE, packets)
    judged = packets[-1:] if source.workload == "running" else runs(packets)[-1]
    highest = []
    for metric in (*ALWAYS, *SOMETIMES):
        readings = [reading_of(telemetry, p, metric) for p in judged]
        published = [r for r in readings if r.value is not None]
        if metric in SOMETIMES and not published:
            highest += readings[-1:]
        elif readings:
            highest.append(max(published if metric in SOMETIMES else readings, key=usable))
    return Decisions(source=source, highest=tuple(highest))


@observation(of=("redis", "files"), deadline=seconds(20))
async def quarantine(esper: EsperClient) -> Quarantine:
    """The newest risk that Tamiyo published, and that blueprint's row in the library."""
    telemetry = await read_telemetry(esper)
    packets = telemetry.of(SOURCE)
    source = source_of(esper, telemetry, SOURCE, packets)
    judged = [p for p in packets if RISK in p.metrics]
    if not judged:
        message = f"{RISK} is in none of the newest {len(packets)} packets of {SOURCE}: published only with a library attached"
        raise Unobservable(ErrorKind.NOT_PUBLISHED, message)
    newest = reading_of(telemetry, judged[-1], RISK)
    usable(newest)
    packet = judged[-1].message
    tiers = [packet.indicators.get("tier", ""), *(e.attributes.get("tier", "") for e in packet.events)]
    library = await esper.files.library()
    return Quarantine(
        source=source,
        risk=newest,
        tier=_plain(next((t for t in tiers if t), "")),
        blueprint=await _reported(esper),
        rows=library.rows,
        library=tuple(BlueprintRisk(id=b.id, tier=_plain(b.tier), risk=b.risk) for b in library.blueprints),
        unreadable=library.problem,
        response=events_of(telemetry, packets, "bp_quarantine", "pause_triggered"),
    )


async def _reported(esper: EsperClient) -> str:
    """The blueprint of the newest field report: telemetry does not name it."""
    entries = await esper.bus.newest("normal", _REPORTS)
    return next((e.decoded.blueprint for e in entries if e.decoded.blueprint), "")


def _plain(tier: str) -> str:
    return tier.upper().removeprefix(_TIER)
