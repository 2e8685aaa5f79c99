"""Prometheus queries for capacity: node_exporter's metrics of use, and the agents' latency histogram."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from systems.bzzz.capacity.models import Latency, Percentiles, ResourceUse, Trail, Trails, Uses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems.bzzz.capacity.models import Resource
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.monitoring.client import PrometheusClient
    from systems.bzzz.monitoring.models import SeriesRange
    from systems.bzzz.section import BzzzSection

__all__ = ["CapacityClient"]

# File systems that are no disk, or always full.
_DISKS = 'fstype!~"tmpfs|devtmpfs|ramfs|overlay|squashfs|iso9660|autofs|nsfs|rpc_pipefs|fuse.*"'
_LINES = 'device!~"lo|veth.*|docker.*|br-.*|ov.*|cni.*|flannel.*|tun.*"'
_MOST_TRAILS = 300
_ROUNDING = 1e-6
_STEPS = 112  # of a trail: three hours each, in fourteen days
_HISTOGRAM = "bzzz_dht_operation_latency_seconds"


class CapacityClient:
    """Queries Prometheus; no query contains a comparison with a limit. Methods raise Unobservable as its client does."""

    def __init__(self, prometheus: PrometheusClient, section: BzzzSection) -> None:
        self._prometheus, self._section = prometheus, section

    @property
    def _limits(self) -> BzzzLimits:
        return self._section.limits

    @property
    def _of(self) -> str:
        """The selector of the nodes' exporters."""
        return f'job="{self._job}"'

    @property
    def _job(self) -> str:
        """The scrape job of the nodes' exporters."""
        return self._prometheus.target.node_job

    def _rate(self, family: str, more: str, window_s: float) -> str:
        return f"rate({family}{{{self._of},{more}}}[{window_s:g}s])"

    def _of_cpu(self, mode: str, window_s: float) -> str:
        """The share of a mode in the CPU time of all modes: also right while the window is not yet full."""
        of_mode = self._rate("node_cpu_seconds_total", f'mode="{mode}"', window_s)
        counted = self._rate("node_cpu_seconds_total", 'mode!=""', window_s)
        return f"sum by (job, instance) ({of_mode}) / sum by (job, instance) ({counted})"

    def _used(self, window_s: float, *, averaged: bool = False) -> dict[Resource, str]:
        """The query of each resource's use, as a share from 0 to 1; on average over the window, or now."""
        of, disk = self._of, f"{self._of},{_DISKS}"

        def gauge(name: str, chosen: str) -> str:
            return f"avg_over_time({name}{{{chosen}}}[{window_s:g}s])" if averaged else f"{name}{{{chosen}}}"

        memory = f"{gauge('node_memory_MemAvailable_bytes', of)} / {gauge('node_memory_MemTotal_bytes', of)}"
        room = f"{gauge('node_filesystem_avail_bytes', disk)} / {gauge('node_filesystem_size_bytes', disk)}"
        return {
            "cpu": f"1 - {self._of_cpu('idle', window_s)}",
            "memory": f"1 - {memory}",
            "disk": f"1 - {room}",
        }

    async def use(self, resource: Resource) -> Uses:
        """How much of a resource each node uses now."""
        return await self._shares(self._used(self._limits.rate_window.value)[resource])

    async def io_wait(self) -> Uses:
        """The share of CPU time that waits for a disk."""
        return await self._shares(self._of_cpu("iowait", self._limits.rate_window.value))

    async def network(self) -> Uses:
        """The used share of each network interface's speed, of the busier direction. An interface of unknown speed (a
        virtual one has none, or a negative one) is left out.

        Raises:
            Unobservable: no interface has a known speed (empty).
        """
        window = self._limits.rate_window.value
        speed = f"node_network_speed_bytes{{{self._of},{_LINES}}}"
        both = [
            f"{self._rate(f'node_network_{way}_bytes_total', _LINES, window)} / {speed}"
            for way in ("receive", "transmit")
        ]
        received, sent = await asyncio.gather(*(self._uses(query) for query in both))
        busier = {(u.node, u.what): u for u in sorted((*received.uses, *sent.uses), key=lambda u: u.value)}
        known = tuple(u for u in busier.values() if math.copysign(1, u.value) > 0)
        if not known:
            raise Unobservable(ErrorKind.EMPTY, f"none of {len(busier)} network interfaces reports its speed")
        unknown = sorted({u.node for u in busier.values()} - {u.node for u in known})
        stale = (
            *received.stale,
            *sent.stale,
            *(f"{node}: none of its network interfaces reports its speed" for node in unknown),
        )
        return received.model_copy(update={"uses": known, "stale": tuple(dict.fromkeys(stale))})

    async def setting(self, family: str) -> Uses:
        """A kernel setting as the exporters report it, where `--collector.sysctl` names it."""
        return await self._uses(f"{family}{{{self._of}}}")

    async def trails(self) -> Trails:
        """The use of every resource of every node over the days that are judged."""
        days = timedelta(days=self._limits.history_days.value)
        step = timedelta(
            seconds=max(round(days.total_seconds() / _STEPS), 1)
        )  # PromQL has no fractions of one
        now = await self._prometheus.now()
        names = await self._names()
        used = self._used(step.total_seconds(), averaged=True)
        queries = (self._prometheus.range(q, start=now - days, end=now, step=step) for q in used.values())
        ranges = await asyncio.gather(*queries)
        trails = [
            trail
            for resource, answer in zip(used, ranges, strict=True)
            for trail in _trails(resource, answer, names)
        ]
        if not trails:
            raise Unobservable(
                ErrorKind.EMPTY, f"Prometheus has no series of CPU, memory or disk use in {days.days} days"
            )
        if len(trails) > _MOST_TRAILS:
            message = f"{len(trails)} series of use over days, more than the {_MOST_TRAILS} that are read"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
        warnings = dict.fromkeys(w for answer in ranges for w in answer.warnings)
        return Trails(at=now, trails=tuple(trails), warnings=tuple(warnings))

    async def latency(self) -> Latency:
        """Median and 95th percentile of the DHT's operations over the window.

        Raises:
            Unobservable: there was no operation in the window (empty).
        """
        window = self._limits.latency_window.value
        job = self._prometheus.job
        rate = f'sum by (le, operation) (rate({_HISTOGRAM}_bucket{{job="{job}"}}[{window:g}s]))'
        counted = f'sum by (operation) (increase({_HISTOGRAM}_count{{job="{job}"}}[{window:g}s]))'
        count, p50, p95 = await asyncio.gather(
            self._prometheus.vector(counted),
            self._prometheus.vector(f"histogram_quantile(0.5, {rate})"),
            self._prometheus.vector(f"histogram_quantile(0.95, {rate})"),
        )
        half, high = p50.by("operation"), p95.by("operation")
        percentiles = [
            Percentiles(
                operation=name or "all", p50=half[name].value, p95=high[name].value, count=sample.value
            )
            for name, sample in sorted(count.by("operation").items())
            if sample.value > 0
            and name in half
            and name in high
            and _finite(half[name].value, high[name].value)
        ]
        if not percentiles:
            message = (
                f"no DHT operation was measured in {window:g} s: {_HISTOGRAM} has {len(count.series)} series"
            )
            raise Unobservable(ErrorKind.EMPTY, message)
        return Latency(at=count.at, window_s=window, operations=tuple(percentiles), warnings=count.warnings)

    async def _shares(self, query: str) -> Uses:
        """Negative shares are left out: the exporter's counters are wrong. Raises Unobservable (unexpected-reply) where all
        are negative.
        """
        uses = await self._uses(query)
        known = tuple(u for u in uses.uses if u.value >= -_ROUNDING)
        if len(known) == len(uses.uses):
            return uses
        below = (f"{u.node} {u.what}".strip() + f": {u.value:.1%}" for u in uses.uses if u not in known)
        negative = bounded_text(f"{query} is below 0: {', '.join(below)}")
        if not known:
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, negative)
        return uses.model_copy(update={"uses": known, "stale": (*uses.stale, negative)})

    async def _uses(self, query: str) -> Uses:
        samples, names, scraping = await asyncio.gather(
            self._prometheus.current(query), self._names(), self._prometheus.targets()
        )
        uses = tuple(
            ResourceUse(node=_node(s.labels, names), what=_what(s.labels), value=s.value)
            for s in samples.series
        )
        instances = {s.labels.get("instance") for s in samples.series}
        silent = (
            bounded_text(
                f"{names.get(t.instance, t.instance)}: no series, its scrape is {t.health} {t.error}", 200
            )
            for t in scraping.of(self._job)
            if t.instance not in instances
            and not any(why.startswith((f"{t.instance}:", f"{t.instance} ")) for why in samples.stale)
        )
        scraped = {t.instance for t in scraping.of(self._job)}
        nodes = self._section.nodes
        lacking = (
            [f"{len(scraped)} nodes are scraped as job {self._job}, and the target has {len(nodes)}"]
            if len(scraped) < len(nodes)
            else []
        )
        return Uses(
            at=samples.at, uses=uses, stale=(*samples.stale, *silent, *lacking), warnings=samples.warnings
        )

    async def _names(self) -> dict[str, str]:
        """The nodes' own names by instance, where node_uname_info has them."""
        samples = await self._prometheus.vector(f"node_uname_info{{{self._of}}}")
        return {
            s.labels["instance"]: s.labels["nodename"]
            for s in samples.series
            if {"instance", "nodename"} <= s.labels.keys()
        }


def _finite(*values: float) -> bool:
    return all(map(math.isfinite, values))


def _node(labels: Mapping[str, str], names: Mapping[str, str]) -> str:
    instance = labels.get("instance", "")
    return bounded_text(names.get(instance, instance) or "(no instance)", 100)


def _what(labels: Mapping[str, str]) -> str:
    return bounded_text(labels.get("mountpoint", labels.get("device", "")), 100)


def _trails(resource: Resource, answer: SeriesRange, names: Mapping[str, str]) -> list[Trail]:
    return [
        Trail(
            resource=resource,
            node=_node(series.labels, names),
            what=_what(series.labels),
            points=tuple((at, value) for at, value in series.points if math.isfinite(value)),
        )
        for series in answer.series
    ]
