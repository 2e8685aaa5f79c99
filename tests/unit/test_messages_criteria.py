"""What the criteria of the bus's messages say of entries that were seen, and of a canary's way."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from checks.esper.bus.criteria import messages
from opsverify.model.verdict import Finding
from systems.esper.bus.entries import Decoded, Problem
from systems.esper.bus.models import Entry, NewestEntries
from systems.esper.limits import EsperLimits
from systems.esper.nissa.models import CanaryMessage

LIMITS = EsperLimits()
OPEN = {"stream-missing", "part-missing", "no-entries"}


def see(found: Finding, reason: str, good: str) -> None:
    """Assert reason and verdict: the `good` reason holds, those of OPEN cannot be told, all others fail."""
    expected = True if reason == good else None if reason in OPEN else False
    assert (found.reason, found.holds) == (reason, expected)


def entry(problem: Any = "", signature: Any = "valid") -> Entry:
    """An entry."""
    return Entry(
        id="1-0", decoded=Decoded(problem=problem, message_type="TELEMETRY", signature=signature, detail="d")
    )


PROBLEMS = [name for name in get_args(Problem) if name]


def newest_entries(entries: tuple[Entry, ...], **said: Any) -> NewestEntries:
    """These entries on one stream, and none on another."""
    well: dict[str, Any] = {
        "names": ("s", "empty"),
        "counts": {"s": len(entries), "empty": 0},
        "streams": {"s": entries, "empty": ()},
        "missing": (),
        "verified": True,
    }
    return NewestEntries(**{**well, **said})


@pytest.mark.parametrize(
    ("entries", "missing", "reason"),
    [
        ((entry(), entry()), (), "decodes"),
        ((entry(signature="missing"),), (), "decodes"),
        *[((entry(), entry(problem)), (), problem) for problem in PROBLEMS],
        ((entry("no-payload"), entry("signature-wrong")), (), "signature-wrong"),
        ((entry(), entry(signature="missing")), (), "signatures-mixed"),
        ((entry(),), ("oona.x is a string",), "stream-missing"),
        ((entry("undecodable"),), ("oona.x is a string",), "undecodable"),
        ((), (), "no-entries"),
    ],
)
def test_entries_decode(entries: tuple[Entry, ...], missing: tuple[str, ...], reason: str) -> None:
    """Each problem that the wire knows is a reason; a stream that cannot be read leaves it open."""
    newest = newest_entries(entries, missing=missing)
    see(messages.decodes(newest), reason, "decodes")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"names": ("s", "empty", "policy")}, "stream-missing"),
        ({"counts": {"s": 2, "empty": 0}}, "part-missing"),
        ({"counts": {"s": 1, "empty": 3}}, "part-missing"),
    ],
)
def test_entries_that_are_not_there_do_not_decode(said: dict[str, Any], reason: str) -> None:
    """As many as Redis gave must be there, of each stream that the target names."""
    see(messages.decodes(newest_entries((entry(),), **said)), reason, "decodes")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "counted"),
        ({"counted": False}, "not-counted"),
        ({"counted": False, "acknowledged": False}, "not-acknowledged"),
        ({"counted": False, "acknowledged": False, "delivered": False}, "not-delivered"),
        (
            {"counted": False, "acknowledged": False, "delivered": False, "refused": "OOM"},
            "refused",
        ),
    ],
)
def test_a_canary_goes_all_the_way(said: dict[str, Any], reason: str) -> None:
    """The first step that it did not take is the reason."""
    run = CanaryMessage(
        entry="1-0",
        packet="p",
        signed=True,
        refused="",
        delivered=True,
        acknowledged=True,
        counted=True,
        waited_s=0.5,
        left_behind="nothing",
    )
    see(messages.canary_counted(run.model_copy(update=said), LIMITS), reason, "counted")
