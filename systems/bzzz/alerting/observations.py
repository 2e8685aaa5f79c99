"""Observations of alerts, rules, silences and notifications."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta

from opsverify.model.deadline import Deadline, seconds
from opsverify.model.observation import Unobservable, observation
from opsverify.probes.prometheus import instant
from systems.bzzz.alerting.models import Alerts, Cleared, Failures, TestAlert
from systems.bzzz.client import BzzzClient
from systems.bzzz.incidents.alerts import ADMIN, HEALTH, INCIDENTS, PEERS, REPLICATION, needed_rules
from systems.bzzz.monitoring.models import Rule, Rules, Sample, Watching

__all__ = [
    "alerts",
    "cleared_admin",
    "cleared_health",
    "cleared_memory",
    "cleared_peers",
    "cleared_replication",
    "notification_failures",
    "test_alert",
    "watching",
]

_LEAST_STEP_S = 1.0
_MOST_INPUTS = 20
_MOMENTS = seconds(3)  # since it fired: a reload, or a late scrape, may make it fire again
_REDISCOVERY = seconds(6)  # after a reload Prometheus has no Alertmanager for five seconds
_PAUSE_S = 0.5


@observation(of="prometheus", deadline=seconds(14))
async def watching(bzzz: BzzzClient) -> Watching:
    """The rules that are loaded, and the Alertmanagers that get their alerts; without one it is asked again."""
    clock = Deadline(_REDISCOVERY)
    while True:
        managers = await bzzz.prometheus.alertmanagers()
        if managers or clock.passed:
            break
        await asyncio.sleep(_PAUSE_S)
    rules, needed = await bzzz.prometheus.rules(), needed_rules(bzzz.prometheus.target)
    loaded = Watching(rules=rules, alertmanagers=managers, needed=needed)
    return loaded.model_copy(update={"rules": await _dated(bzzz, rules, loaded.own)})


async def _dated(bzzz: BzzzClient, loaded: Rules, own: tuple[Rule, ...]) -> Rules:
    """The rules with the time of their load, where one of BZZZ's was never evaluated."""
    if all(rule.evaluated_ago_s is not None for rule in own):
        return loaded
    return loaded.model_copy(update={"taken": (await bzzz.prometheus.server()).configured})


@observation(of="alertmanager", deadline=seconds(8))
async def alerts(bzzz: BzzzClient) -> Alerts:
    """BZZZ's alerts that have not ended, and all silences. Where its alerts are more than can be read, the Watchdog is
    asked for by itself.
    """
    target = bzzz.alertmanager.target
    server, (active, whole), silences = await asyncio.gather(
        bzzz.alertmanager.server(),
        bzzz.alertmanager.first_alerts(*target.matchers),
        bzzz.alertmanager.silences(),
    )
    at = datetime.now(UTC)
    if not whole and target.watchdog:
        watchdog = await bzzz.alertmanager.alerts(f'alertname="{target.watchdog}"')
        active = (*(a for a in active if a.name != target.watchdog), *watchdog)
    return Alerts(
        at=at,
        watchdog=target.watchdog,
        server=server,
        matchers=target.matchers,
        alerts=active,
        silences=silences,
        whole=whole,
    )


@observation(of="prometheus", deadline=seconds(8))
async def notification_failures(bzzz: BzzzClient) -> Failures:
    """How many of Alertmanager's notifications failed in the window.

    Raises:
        Unobservable: Prometheus does not scrape Alertmanager.
    """
    window_s = bzzz.section.limits.notify_window.value
    increase = "sum by (integration) (increase(alertmanager_notifications_{}total[{:g}s]))".format
    job = bzzz.prometheus.target.alertmanager_job
    failed, sent = await asyncio.gather(
        bzzz.prometheus.current(increase("failed_", window_s), job=job),
        bzzz.prometheus.current(increase("", window_s), job=job),
    )
    return Failures(
        failed=_by_integration(failed.series),
        sent=_by_integration(sent.series),
        window_s=window_s,
        warnings=tuple(dict.fromkeys((*failed.warnings, *sent.warnings))),
    )


def _by_integration(series: Iterable[Sample]) -> dict[str, float]:
    """The sum of each integration: a server that does not sum for us hides nothing."""
    summed: dict[str, float] = {}
    for sample in series:
        name = sample.labels.get("integration", "?")
        summed[name] = summed.get(name, 0.0) + sample.value
    return summed


@observation(of="alertmanager", deadline=seconds(100), active="send_test_alert")
async def test_alert(
    bzzz: BzzzClient,  # noqa: ARG001 -- the first parameter names the system
    send_test_alert: Callable[[], Awaitable[TestAlert]],
) -> TestAlert:
    """A test alert, followed to its receiver."""
    return await send_test_alert()


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def cleared_health(bzzz: BzzzClient) -> Cleared:
    """State of the alert BZZZSystemHealthCritical."""
    return await _cleared(bzzz, HEALTH, INCIDENTS[HEALTH])


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def cleared_peers(bzzz: BzzzClient) -> Cleared:
    """State of the alert BZZZInsufficientPeers."""
    return await _cleared(bzzz, PEERS, INCIDENTS[PEERS])


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def cleared_admin(bzzz: BzzzClient) -> Cleared:
    """State of the alert BZZZNoAdminElected."""
    return await _cleared(bzzz, ADMIN, INCIDENTS[ADMIN])


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def cleared_replication(bzzz: BzzzClient) -> Cleared:
    """State of the alert BZZZDHTReplicationDegraded."""
    return await _cleared(bzzz, REPLICATION, INCIDENTS[REPLICATION])


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def cleared_memory(bzzz: BzzzClient) -> Cleared:
    """State of the alert on high memory."""
    target = bzzz.prometheus.target
    return await _cleared(bzzz, target.memory, f'process_resident_memory_bytes{{job="{target.job}"}}')


async def _cleared(bzzz: BzzzClient, alert: str, metric: str) -> Cleared:
    """State of an incident's alert; where it is inactive and fired moments ago, it is read once more.

    Raises:
        Unobservable: the time at which it last fired is none (unexpected-reply).
    """
    state = await _state(bzzz, alert, metric)
    calm = state.state == "inactive" and not state.active
    if not calm or state.fired_at is None:
        return state
    left = state.fired_at + _MOMENTS - state.rules.at
    if not timedelta(0) < left <= _MOMENTS:
        return state
    await asyncio.sleep(left.total_seconds())
    return await _state(bzzz, alert, metric)


async def _state(bzzz: BzzzClient, alert: str, metric: str) -> Cleared:
    loaded, active, silences, (inputs, missing) = await asyncio.gather(
        bzzz.prometheus.rules(),
        bzzz.alertmanager.alerts(f'alertname="{alert}"'),
        bzzz.alertmanager.silences(),
        _inputs(bzzz, metric),
    )
    own = tuple(r for r in loaded.named(alert) if r.kind == "alerting")
    labels = {"alertname": alert, **(own[0].labels if own else {})}
    rules = await _dated(bzzz, loaded.model_copy(update={"rules": own}), own)
    return Cleared(
        alert=alert,
        rules=rules,
        active=tuple(f"{a.state}: {a.summary}" for a in active),
        muted_by=tuple(s.summary for s in silences if s.state == "active" and s.may_mute(labels)),
        fired_at=await _fired_at(bzzz, alert, own),
        inputs=inputs,
        missing=missing,
    )


async def _inputs(bzzz: BzzzClient, metric: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The current values of the rule's metric, or why there are none."""
    try:
        samples = await bzzz.prometheus.current(metric)
    except Unobservable as why:
        return (), (str(why),)
    return tuple(f"{s.who} {s.value:g}" for s in samples.series[:_MOST_INPUTS]), ()


async def _fired_at(bzzz: BzzzClient, alert: str, rules: tuple[Rule, ...]) -> datetime | None:
    """When it fired last within the look-back, as often as its rules are evaluated; None where it did not."""
    if not rules:
        return None
    look_back = bzzz.section.limits.look_back
    step_s = max(_LEAST_STEP_S, min(r.interval_s for r in rules))
    firing = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
    samples = await bzzz.prometheus.vector(
        f"max(max_over_time(timestamp({firing})[{look_back.value:g}s:{step_s:g}s]))"
    )
    return instant(samples.series[0].value) if samples.series else None
