"""Is it over? The criteria of the training side's recoveries, and the library's word on a blueprint's risk."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from checks.esper.recovery import criteria as recovery
from checks.esper.startup.criteria import in_order
from opsverify.model.verdict import Finding
from systems.esper.bus.entries import Decoded
from systems.esper.forge.models import Blueprint, Library
from systems.esper.limits import EsperLimits
from systems.esper.nissa.models import CoreAlert, NissaSummary
from systems.esper.tamiyo.observations import quarantine
from systems.esper.training.models import Acknowledged, Conservative, EventSeen, Isolation, Reading
from systems.esper.training.telemetry import Packet, Telemetry
from tests.unit.esper_seen import source

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOURCE = source("tamiyo", age_s=0.1)
LIMITS = EsperLimits()


def reading(value: float, age_s: float) -> Reading:
    """What one packet says of some metric."""
    return Reading(metric="m", value=value, packet="p", entry="1-0", age_s=age_s)


def tamiyo(modes: str, *, paused_s: float | None = None) -> Conservative:
    """Modes newest first, a packet a second, with a pause so many seconds ago."""
    pauses = [] if paused_s is None else [paused_s]
    return Conservative(
        source=SOURCE.model_copy(update={"packets": len(modes)}),
        modes=tuple(reading(float(mode), age) for age, mode in enumerate(modes)),
        reasons=tuple(
            EventSeen(description="pause_triggered", level="WARNING", attributes={}, packet="p", age_s=age)
            for age in pauses
        ),
        loss_delta=0.0,
        risk=None,
    )


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (tamiyo("000000"), "stays-off"),
        (tamiyo("00000"), "stays-off"),
        (tamiyo("0000"), "too-few-packets"),
        (tamiyo("0000011", paused_s=5.0), "stays-off"),  # that pause was of the lock itself
        (tamiyo("0001111", paused_s=4.0), "too-few-packets"),
        (tamiyo("0001111", paused_s=1.0), "paused-again"),
        (tamiyo("00000000", paused_s=2.0), "paused-again"),
        (tamiyo("00000000", paused_s=4.0), "paused-again"),  # with the oldest of the packets that count
        (tamiyo("00000000", paused_s=7.0), "stays-off"),  # some calm packets ago
        (tamiyo("1000", paused_s=0.0), "still-on"),
        (tamiyo(""), "too-few-packets"),
    ],
)
def test_a_lock_is_over_once_tamiyo_stays_calm(seen: Conservative, reason: str) -> None:
    """Off and calm holds; a pause since, or the mode still on, does not."""
    found = recovery.not_paused_again(seen, LIMITS)
    assert (found.holds, found.reason) == (
        None if reason == "too-few-packets" else reason == "stays-off",
        reason,
    )


def watched(packets: int) -> Isolation:
    """Kasmina's counter at rest in so many packets."""
    readings = tuple(reading(0.0, float(age)) for age in range(packets))
    heard = SOURCE.model_copy(update={"packets": packets})
    return Isolation(source=heard, at=NOW, readings=readings, recorded=(), seeds=(), acknowledged=None)


@pytest.mark.parametrize(
    ("active", "given", "ends_in_s", "reason"),
    [
        (None, 0, 60, "alert-quiet"),
        (5.0, 5, 60, "alert-of-what-is-known"),
        (6.0, 5, 60, "alert-active"),
        (5.0, 5, 0, "alert-active"),
        (5.0, 5, -1, "alert-active"),  # what was acknowledged has run out
        (5.0, None, 60, "alert-active"),
    ],
)
def test_an_alert_of_what_is_acknowledged_is_explained(
    active: float | None, given: int | None, ends_in_s: float, reason: str
) -> None:
    """The isolation alert may speak of acknowledged violations, for as long as they are, and of no more."""
    acknowledged = None
    if given is not None:
        acknowledged = Acknowledged(count=given, owner="me", expires=NOW + timedelta(seconds=ends_in_s))
    alerts = (
        ()
        if active is None
        else (CoreAlert(name="kasmina_isolation_violation", metric="m", value=active, routes=()),)
    )
    summary = NissaSummary(workload="running", alerts=alerts, slos=(), fed_s={})
    isolation = watched(1).model_copy(update={"acknowledged": acknowledged})
    found = recovery.isolation_alert_explained(summary, isolation)
    assert (found.holds, found.reason) == (reason != "alert-active", reason)
    if active is None:
        never = recovery.isolation_alert_explained(summary, watched(0))
        assert (never.holds, never.reason) == (None, "never-fed")


@pytest.mark.parametrize(
    ("packets", "reason"),
    [(0, "too-few-packets"), (3, "too-few-packets"), (4, "watched"), (5, "watched")],
)
def test_a_breach_is_over_only_after_some_packets(packets: int, reason: str) -> None:
    """As many packets as the limit have to follow the first."""
    found = recovery.isolation_watched(watched(packets), LIMITS)
    assert (found.holds, found.reason) == (True if reason == "watched" else None, reason)


def esper(risk: float, tier: str, reported: str) -> Any:
    """A client whose Tamiyo tells this risk, and whose library has 35 safe blueprints of one and the same risk."""
    said = Decoded(
        problem="",
        signature="missing",
        message_type="TELEMETRY",
        source="tamiyo",
        packet_id="p",
        metrics={"tamiyo.blueprint.risk": risk},
        indicators={"tier": tier},
    )
    telemetry = Telemetry(
        now_ms=1000, stream="t", read=1, packets=(Packet(entry="900-0", at_ms=900, message=said),)
    )
    rows = [
        Blueprint(
            id=f"BP{n:03d}",
            name="n",
            tier="BLUEPRINT_TIER_SAFE",
            path="p",
            problem="",
            copies=1,
            size=9,
            stamp="s",
            risk=0.2,
        )
        for n in range(1, 36)
    ]
    rows.append(rows[0].model_copy(update={"id": "BP036", "risk": None}))
    report = SimpleNamespace(
        decoded=said.model_copy(update={"message_type": "FIELD_REPORT", "blueprint": reported})
    )

    async def read(*, fresh: bool) -> Telemetry:
        assert not fresh
        return telemetry

    async def newest(_role: str, _count: int) -> tuple[Any, ...]:
        return (report,)

    async def library() -> Library:
        return Library(
            path="catalog.db",
            problem="",
            rows=len(rows),
            files=len(rows),
            blueprints=tuple(rows),
            orphans=(),
        )

    return SimpleNamespace(
        section=SimpleNamespace(workload="running"),
        bus=SimpleNamespace(telemetry=read, newest=newest),
        files=SimpleNamespace(library=library),
    )


@pytest.mark.parametrize(
    ("risk", "tier", "reported", "reason"),
    [
        (0.2, "SAFE", "BP001", "risk-agrees"),
        (0.2, "SAFE", "BP035", "risk-agrees"),  # the last of many that are alike
        (0.20000000298, "BLUEPRINT_TIER_SAFE", "BP020", "risk-agrees"),  # a float32's 0.2
        (0.3, "SAFE", "BP001", "risk-differs"),
        (0.2, "HIGH_RISK", "BP001", "risk-differs"),
        (0.2, "SAFE", "bp-demo", "risk-agrees"),
        (0.9, "HIGH_RISK", "bp-demo", "not-in-the-library"),
        (0.2, "SAFE", "BP036", "risk-not-told"),  # its metadata tell none
        (0.0, "SAFE", "BP036", "risk-agrees"),
    ],
)
async def test_a_blueprints_risk_is_that_of_its_row(
    risk: float, tier: str, reported: str, reason: str
) -> None:
    """Risk and tier agree with the blueprint's own row, however many rows are alike; without a row, with any."""
    spec = quarantine
    found = recovery.risk_is_the_librarys(await spec.function(esper(risk, tier, reported)))
    assert (found.holds, found.reason) == (
        None if reason == "risk-not-told" else reason == "risk-agrees",
        reason,
    )


async def test_a_blueprint_whose_row_is_not_told_is_not_that_of_another() -> None:
    """One row less than the library has may be the very row: that others are alike says nothing then."""
    spec = quarantine
    seen = await spec.function(esper(0.2, "SAFE", "BP001"))
    found = recovery.risk_is_the_librarys(seen.model_copy(update={"library": seen.library[1:]}))
    assert (found.holds, found.reason) == (None, "part-missing")
    assert recovery.risk_is_the_librarys(
        seen.model_copy(update={"tier": ""})
    ).holds  # a tier is not always told


@pytest.mark.parametrize("place", ["modes", "reasons"])
def test_a_pause_whose_time_is_no_number_leaves_it_open(place: str) -> None:
    """Without a time it cannot be told whether a pause came before conservative mode was switched off, or after."""
    seen = tamiyo("00000000", paused_s=2.0)
    odd = [one.model_copy(update={"age_s": math.nan}) for one in getattr(seen, place)]
    found = recovery.not_paused_again(seen.model_copy(update={place: tuple(odd)}), LIMITS)
    assert (found.holds, found.reason) == (None, "not-a-number")


def test_each_packet_has_to_be_there() -> None:
    """Where Tamiyo shows more packets than there are readings, what the others say is not known."""
    seen = tamiyo("000000")
    found = recovery.not_paused_again(seen.model_copy(update={"modes": seen.modes[1:]}), LIMITS)
    assert (found.holds, found.reason) == (None, "part-missing")


async def test_a_library_that_cannot_be_read_tells_no_risk() -> None:
    """Without a library to hold it against, a risk neither agrees nor differs."""
    spec = quarantine
    seen = await spec.function(esper(0.2, "SAFE", "BP001"))
    unread = seen.model_copy(update={"library": (), "unreadable": "no SQLite"})
    found = recovery.risk_is_the_librarys(unread)
    assert (found.holds, found.reason) == (None, "library-unreadable")


def test_a_step_is_judged_only_after_those_before_it() -> None:
    """The first step that does not hold is the last one told, and names those that wait for it; an open one ends nothing."""
    steps = [
        (name, Finding(holds=holds, reason=name, expected="e", observed="o"))
        for name, holds in (("open", None), ("second", False), ("third", True))
    ]
    found = in_order(*steps)
    assert [f.reason for f in found] == ["open", "second"]
    assert found[1].expected == "2. second: e"
    assert found[1].details == ("not judged until this holds: 3. third",)
    assert in_order(steps[0])[0].details == ()
