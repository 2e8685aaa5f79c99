"""How lost and uncounted deliveries are judged: from the group's own advance, and from what Redis tells of its lag."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.esper.bus.criteria.streams import keeps_up
from checks.esper.nissa.criteria import ingests
from systems.esper.bus.client import _gone
from systems.esper.bus.models import Consumption, GroupState, Progress, order
from systems.esper.limits import EsperLimits
from systems.esper.nissa.models import Ingest


def seen(**said: Any) -> Ingest:
    """A healthy second, but for what is said."""
    well: dict[str, Any] = {
        "workload": "running",
        "names": {"telemetry": "oona.telemetry", "normal": "oona.normal"},
        "missing": (),
        "quiet_s": {"telemetry": 0.1, "normal": 0.1},
        "rerouted": False,
        "arrived": {"telemetry": 4, "normal": 6},
        "counted": {"telemetry": 4.0, "normal": 6.0},
        "handled": {"TELEMETRY": 4, "SYSTEM_STATE": 3, "FIELD_REPORT": 3},
        "counted_kinds": {"TELEMETRY": 4.0, "SYSTEM_STATE": 3.0, "FIELD_REPORT": 3.0},
        "consumers": ("oona-client",),
        "caught_up": True,
        "owed": "",
        "reset": (),
        "seconds": 1.0,
        "settled": 0.2,
    }
    return Ingest.model_validate(well | said)


IDLE: dict[str, Any] = {"workload": "idle"}
NOTHING: dict[str, Any] = {
    "arrived": {"telemetry": 0, "normal": 0},
    "counted": {"telemetry": 0.0, "normal": 0.0},
}
OWED: dict[str, Any] = {"caught_up": False, "owed": "group g owes 3"}


def quiet(role: str, age_s: float | None) -> dict[str, Any]:
    """Entries on one stream, and none for so long on the other."""
    other = "normal" if role == "telemetry" else "telemetry"
    return {"arrived": {role: 0, other: 4}, "quiet_s": {role: age_s, other: 0.1}}


NAN = float("nan")
SHORT = {"TELEMETRY": 4.0, "SYSTEM_STATE": 1.0, "FIELD_REPORT": 3.0}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "ingests"),
        ({"counted": {"telemetry": 4.0, "normal": 0.0}}, "counters-flat"),
        ({"arrived": {"telemetry": 1, "normal": 0}, "counted": NOTHING["counted"]}, "counters-flat"),
        ({"arrived": {"telemetry": 1, "normal": 0}}, "ingests"),
        (
            {"arrived": {"telemetry": 1, "normal": 6}, "quiet_s": {"telemetry": 60.1, "normal": 0.1}},
            "ingests",
        ),
        ({"counted_kinds": SHORT}, "counters-short"),
        ({"counted_kinds": SHORT, "reset": ("esper_x_total",)}, "ingests"),
        ({"counted_kinds": {}, "handled": {}}, "ingests"),
        ({**IDLE, **NOTHING}, "idle"),
        ({**IDLE, **NOTHING, **OWED}, "idle-not-caught-up"),
        ({**IDLE, **NOTHING, "counted_kinds": SHORT}, "counters-short"),
        (NOTHING, "caught-up"),  # traffic comes in bursts
        ({**NOTHING, **OWED}, "not-caught-up"),
        ({**NOTHING, "quiet_s": {"telemetry": 60.0, "normal": 61.0}}, "caught-up"),
        ({**NOTHING, "quiet_s": {"telemetry": 60.1, "normal": 61.0}}, "no-traffic"),
        ({**NOTHING, "quiet_s": {"telemetry": None, "normal": -61.0}}, "no-traffic"),
        ({**NOTHING, "quiet_s": {}}, "no-traffic"),
        (quiet("telemetry", 60.0), "ingests"),
        (quiet("telemetry", 60.1), "stream-quiet"),
        (quiet("telemetry", None), "stream-quiet"),
        ({**quiet("telemetry", 60.1), **IDLE}, "ingests"),
        ({**quiet("telemetry", 60.1), "counted": {"telemetry": 0.0, "normal": 0.0}}, "counters-flat"),
        (quiet("normal", 60.1), "stream-quiet"),
        ({**quiet("normal", 60.1), "rerouted": True}, "ingests"),
        ({"handled": {"TELEMETRY": 4, "SYSTEM_STATE": 3}}, "part-missing"),
        ({"handled": {}}, "part-missing"),
        ({"seconds": 0.0}, "no-window"),
        ({**IDLE, **NOTHING, "seconds": 0.0}, "no-window"),
        ({"counted_kinds": {"TELEMETRY": 4.0}}, "part-missing"),
        ({"counted_kinds": {**SHORT, "FIELD_REPORT": NAN, "SYSTEM_STATE": 3.0}}, "counters-short"),
        ({"counted": {"telemetry": 4.0, "normal": NAN}}, "counters-flat"),
        ({"counted": {"telemetry": 4.0}}, "part-missing"),
        ({"arrived": {"telemetry": 4}}, "part-missing"),
        ({"quiet_s": {"telemetry": 0.1}}, "part-missing"),
        ({"quiet_s": {"telemetry": 0.1}, "missing": ("normal",)}, "ingests"),  # E-OON-1 tells it
    ],
)
def test_ingest_is_judged_by_what_was_handed_out(said: dict[str, Any], reason: str) -> None:
    """Nissa has to count each entry that its group has had and acknowledged, unless it was restarted meanwhile."""
    found = ingests(seen(**said), EsperLimits())
    holds = reason in ("ingests", "idle", "caught-up")
    open_ = reason in ("no-traffic", "stream-quiet", "not-caught-up", "part-missing", "no-window")
    assert (found.reason, found.holds) == (reason, None if open_ else holds)


def test_a_short_count_names_who_is_at_work() -> None:
    """The finding says which kind is short, and which consumers share the group."""
    told = "\n".join(
        ingests(seen(counted_kinds=SHORT, consumers=("oona-client", "thief")), EsperLimits()).details
    )
    assert "SYSTEM_STATE: the group acknowledged 3, Nissa counted 1" in told
    assert "active consumers: oona-client, thief" in told


def progress(*, gone: int = 0, deleted: str = "0-0") -> Progress:
    """A group that stands at 100-0, all read."""
    group = GroupState(
        name="g", consumers=1, pending=0, last_delivered="100-0", lag=0, lag_exact=True, gone=gone
    )
    return Progress(
        group="g",
        stream="s",
        first=group,
        last=group,
        added=0,
        seconds=1,
        settled=0,
        oldest=(),
        oldest_idle_s=0,
        deleted=deleted,
    )


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (progress(), "keeps-up"),
        (progress(deleted="100-0"), "keeps-up"),
        (progress(deleted="99-7"), "keeps-up"),
        (progress(deleted="100-1"), "deleted-undelivered"),
        (progress(gone=3), "deleted-undelivered"),
    ],
)
def test_entries_deleted_before_delivery_are_told(one: Progress, reason: str) -> None:
    """What was deleted after its delivery is no loss; what was deleted before it is, though nothing lags."""
    assert (
        keeps_up(Consumption(wanted=(("g", "s"),), progress=(one,), missing=()), EsperLimits()).reason
        == reason
    )


@given(
    read=st.integers(0, 50), waiting=st.integers(0, 50), arrives=st.integers(0, 5), trimmed=st.integers(0, 50)
)
def test_what_arrives_between_two_answers_is_no_loss(
    read: int, waiting: int, arrives: int, trimmed: int
) -> None:
    """Entries that arrive while Redis is asked, and the trimming of what was read, never look like a loss."""
    added = read + waiting + arrives
    before = {"lag": waiting, "entries-read": read}
    info = {"length": added - min(trimmed, read), "entries-added": added}
    after = {"lag": waiting + arrives, "entries-read": read}
    assert _gone(before, info, after) == 0


@given(read=st.integers(0, 50), lost=st.integers(1, 50), left=st.integers(0, 50))
def test_what_was_trimmed_unread_is_counted(read: int, lost: int, left: int) -> None:
    """A lag longer than the stream (Redis 7), or one that has forgotten entries (Redis 8), tells how many are lost."""
    info = {"length": left, "entries-added": read + lost + left}
    seven = {"lag": lost + left, "entries-read": read}
    eight = {"lag": left, "entries-read": read}
    assert _gone(seven, info, seven) == _gone(eight, info, eight) == lost


@given(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)))
def test_ids_are_ordered_as_numbers(entry: tuple[int, int]) -> None:
    """An id is compared by its two numbers, not by its text."""
    assert order(f"{entry[0]}-{entry[1]}") == entry
