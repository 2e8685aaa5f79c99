"""The message bus: groups, depth, consumers, contents, and a message that goes all the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.bus.criteria import messages
from checks.esper.bus.criteria import streams as criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.esper.bus.models import (
        Consumption,
        Flow,
        NewestEntries,
        QueueState,
        ServiceGroups,
        StreamState,
    )
    from systems.esper.limits import EsperLimits
    from systems.esper.nissa.models import CanaryRun

SPIKE = '5 "Oona Queue Depth Spike"'


@pytest.mark.check(
    id="E-OON-1",
    severity="P0",
    profiles="smoke canary incident",
    runbook='3.2 "Oona Message Bus"',
    next_step="restart Nissa (it creates its groups at start), then the producers; what was published meanwhile is never delivered",
)
def test_consumer_groups_exist(service_groups: Observation[ServiceGroups]) -> None:
    """The consumer groups that the services need exist on their streams."""
    verify(criteria.groups_exist(service_groups.value))


@pytest.mark.check(
    id="E-OON-2",
    severity="P1",
    profiles="smoke canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="see who owes what in E-OON-5; ease the publishers, let the consumers drain, then trim by MINID (never by length)",
)
def test_queue_depth_of_the_normal_stream(normal_queue: Observation[QueueState], limits: EsperLimits) -> None:
    """The normal stream is neither in its reroute band, where publishers spill over, nor untrimmed at its drop threshold."""
    verify(criteria.not_in_reroute_band(normal_queue.value, limits))


@pytest.mark.check(
    id="E-OON-2b",
    severity="P0",
    profiles="smoke canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="publishers with a drop threshold are losing messages now: stop non-critical producers, then drain and trim by MINID",
)
def test_queue_below_the_drop_threshold(normal_queue: Observation[QueueState], limits: EsperLimits) -> None:
    """The normal stream is below the drop threshold, where publishes are refused without a word."""
    verify(criteria.not_at_drop(normal_queue.value, limits))


@pytest.mark.check(
    id="E-OON-2c",
    severity="P2",
    profiles="smoke canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="set max_stream_length in the publishers' StreamConfig; trim once by MINID at what every group has had",
)
def test_normal_stream_is_trimmed(normal_queue: Observation[QueueState], limits: EsperLimits) -> None:
    """A normal stream that everybody has read is not left above its threshold for want of trimming."""
    verify(criteria.not_untrimmed(normal_queue.value, limits))


@pytest.mark.check(
    id="E-OON-3",
    severity="P1",
    profiles="smoke canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="see E-OON-2 for what reroutes; replay the entries to the normal stream once it is trimmed, then trim here",
)
def test_emergency_stream_stays_low(stream_flow: Observation[Flow], limits: EsperLimits) -> None:
    """The emergency stream stays low, and nothing arrives on it that no service reads."""
    verify(criteria.emergency_low_and_still(stream_flow.value, limits))


@pytest.mark.check(
    id="E-OON-4",
    severity="P1",
    profiles="canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="ask a publisher for its metrics_snapshot() (a fresh client shows only zeros); ease the publishers and drain",
)
def test_nothing_is_dropped_or_rerouted(stream_flow: Observation[Flow], limits: EsperLimits) -> None:
    """No publish is dropped or rerouted over a window, as far as the streams tell."""
    verify(criteria.nothing_dropped(stream_flow.value, limits))


@pytest.mark.check(
    id="E-OON-5",
    severity="P1",
    profiles="smoke canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="is Nissa's ingest loop alive (its log), can it reach Redis, is Elasticsearch slow? /healthz does not know",
)
def test_consumers_keep_up(consumer_progress: Observation[Consumption], limits: EsperLimits) -> None:
    """Each group that a service reads with advances, and neither its lag nor its unacknowledged deliveries pile up."""
    verify(criteria.keeps_up(consumer_progress.value, limits))


@pytest.mark.check(
    id="E-OON-5b",
    severity="P2",
    profiles="smoke canary incident",
    runbook=SPIKE,
    next_step="look at the entries by their ids, then XACK them, or publish them again and XACK; no program ever claims them",
)
def test_no_delivery_is_left_unacknowledged(
    consumer_progress: Observation[Consumption], limits: EsperLimits
) -> None:
    """No delivered entry has been left without its acknowledgement for long."""
    verify(criteria.no_old_pending(consumer_progress.value, limits))


@pytest.mark.check(
    id="E-OON-6",
    severity="P1",
    profiles="canary incident",
    runbook='3.2 "Oona Message Bus"',
    next_step="find the producer by stream and time; compare ESPER_LEYLINE_SECRET of producers and consumers",
)
def test_newest_entries_decode_and_verify(newest_entries: Observation[NewestEntries]) -> None:
    """The newest entries are bus envelopes of known types, and their signatures verify where a secret is configured."""
    verify(messages.decodes(newest_entries.value))


@pytest.mark.check(
    id="E-OON-7",
    severity="P0",
    profiles="canary incident",
    runbook='4 "Oona"',
    next_step="not delivered: the group is gone or nobody reads; not acknowledged: Nissa fails on it (its log); not counted: another program consumes in its group",
)
def test_a_canary_message_is_counted_by_nissa(canary: Observation[CanaryRun], limits: EsperLimits) -> None:
    """A canary telemetry message published to the bus is consumed, acknowledged and counted by Nissa."""
    verify(messages.canary_counted(canary.value, limits))


@pytest.mark.check(
    id="E-REC-1b",
    severity="P1",
    profiles="incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="the spike is not over: depth, backlog or rerouted messages are still there",
)
def test_the_queue_depth_spike_is_over(
    normal_queue: Observation[QueueState],
    consumer_progress: Observation[Consumption],
    emergency_queue: Observation[StreamState],
    limits: EsperLimits,
) -> None:
    """After a queue spike: depth is below its threshold, consumers keep up, and no rerouted message is left unread."""
    verify(
        criteria.not_in_reroute_band(normal_queue.value, limits),
        criteria.not_at_drop(normal_queue.value, limits),
        criteria.keeps_up(consumer_progress.value, limits),
        criteria.emptied(emergency_queue.value),
    )
