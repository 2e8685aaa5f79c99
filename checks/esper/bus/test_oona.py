"""The Oona message bus: consumer groups, depth, consumption, contents, and a canary message."""

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
    from systems.esper.nissa.models import CanaryMessage

SPIKE = '5 "Oona Queue Depth Spike"'


@pytest.mark.check(
    id="E-OON-1",
    severity="P0",
    profiles="smoke canary incident",
    runbook='3.2 "Oona Message Bus"',
    next_step="restart Nissa (it creates its groups at start), then the producers; entries published meanwhile are never delivered",
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
    next_step="E-OON-5 shows lag and pending of each group; slow the publishers, let the consumers drain, then XTRIM MINID (never MAXLEN)",
)
def test_queue_depth_of_the_normal_stream(normal_queue: Observation[QueueState], limits: EsperLimits) -> None:
    """The normal stream has no backlog in its reroute band, and is not left untrimmed at its drop threshold."""
    verify(criteria.not_in_reroute_band(normal_queue.value, limits))


@pytest.mark.check(
    id="E-OON-2b",
    severity="P0",
    profiles="smoke canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="publishers with a drop threshold are losing messages now: stop non-critical producers, then drain and XTRIM MINID",
)
def test_queue_below_the_drop_threshold(normal_queue: Observation[QueueState], limits: EsperLimits) -> None:
    """The normal stream has no backlog at the drop threshold, where publishes are dropped silently."""
    verify(criteria.not_at_drop(normal_queue.value, limits))


@pytest.mark.check(
    id="E-OON-2c",
    severity="P2",
    profiles="smoke canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="set max_stream_length in the publishers' StreamConfig; run XTRIM MINID once, at what every group has read",
)
def test_normal_stream_is_trimmed(normal_queue: Observation[QueueState], limits: EsperLimits) -> None:
    """A normal stream that every group has read is trimmed below its reroute threshold."""
    verify(criteria.not_untrimmed(normal_queue.value, limits))


@pytest.mark.check(
    id="E-OON-3",
    severity="P1",
    profiles="smoke canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="E-OON-2 shows why publishers reroute; once the normal stream is trimmed, replay these entries to it, then trim this stream",
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
    next_step="ask a publisher for its metrics_snapshot() (a new client shows only zeros); slow the publishers and drain",
)
def test_nothing_is_dropped_or_rerouted(stream_flow: Observation[Flow], limits: EsperLimits) -> None:
    """No publish is dropped or rerouted over a window, as far as the streams show."""
    verify(criteria.nothing_dropped(stream_flow.value, limits))


@pytest.mark.check(
    id="E-OON-5",
    severity="P1",
    profiles="smoke canary incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="is Nissa's ingest loop alive (its log), can it reach Redis, is Elasticsearch slow? /healthz does not show it",
)
def test_consumers_keep_up(consumer_progress: Observation[Consumption], limits: EsperLimits) -> None:
    """Each group that a service reads with advances, and neither its lag nor its pending entries pile up."""
    verify(criteria.keeps_up(consumer_progress.value, limits))


@pytest.mark.check(
    id="E-OON-5b",
    severity="P2",
    profiles="smoke canary incident",
    runbook=SPIKE,
    next_step="look at the entries by id (XRANGE), then XACK them, or publish them again and XACK; no program runs XCLAIM",
)
def test_no_delivery_is_left_unacknowledged(
    consumer_progress: Observation[Consumption], limits: EsperLimits
) -> None:
    """No delivered entry stays pending for long."""
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
    next_step="not delivered: the group is gone or no consumer reads; not acknowledged: Nissa fails on it (its log); not counted: another program consumes in its group",
)
def test_a_canary_message_is_counted_by_nissa(
    canary: Observation[CanaryMessage], limits: EsperLimits
) -> None:
    """A canary telemetry message published to the bus is consumed, acknowledged and counted by Nissa."""
    verify(messages.canary_counted(canary.value, limits))


@pytest.mark.check(
    id="E-REC-1b",
    severity="P1",
    profiles="incident",
    alert="oona_queue_depth",
    runbook=SPIKE,
    next_step="the spike is not over: the failing finding says whether depth, backlog or rerouted messages remain",
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
