"""The parts of the detection matrix: each is one kind of twin, with the faults that are put into it."""

from __future__ import annotations

import os
import time
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.bzzz.faults import FAULTS as BZZZ_FAULTS
from fixtures.bzzz.faults.swarm import SWARM_FAULTS
from fixtures.esper.faults import FAULTS as ESPER_FAULTS
from fixtures.esper.faults.infra import PrometheusKilled
from fixtures.statehub.faults import FAULTS as STATEHUB_FAULTS
from opsverify.model.arming import Arming
from opsverify.model.check import Check
from opsverify.servers.alertmanager import PROGRAM as ALERTMANAGER_PROGRAM
from opsverify.servers.images import ALERTMANAGER, POSTGRES, PROMETHEUS, provide_image, refuse_without_docker
from opsverify.servers.prometheus import PROGRAM as PROMETHEUS_PROGRAM
from opsverify.servers.server import ServerFailed
from opsverify.target.file import ServersTable
from systems.bzzz.operator import BzzzOperator
from systems.bzzz.system import BZZZ
from systems.esper.system import ESPER
from systems.statehub.system import STATEHUB
from tests.declared import ROOT, checks_declared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opsverify.model.fault import Fault
    from opsverify.model.limits import Limits
    from opsverify.model.system import System, Twin

__all__ = ["PARTS", "ROOT", "Part", "drills_of"]

_EMBEDDED = tomllib.loads((ROOT / "targets" / "embedded.toml").read_text(encoding="utf-8"))
_QUARTER_S, _BEFORE_S = 900, 15


def _nothing(_given: Any = None) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Part:
    """One kind of twin and its faults. `refuse` skips where this machine cannot have it; `up` waits, after the start, for what
    the start itself does not wait for; `before` is called before each fault is put in force.
    """

    name: str
    title: str
    system: System
    faults: tuple[type[Fault], ...]
    limits: Mapping[str, float]
    actions: tuple[str, ...]
    areas: tuple[str, ...] = ()
    """The areas whose checks are looked at; all without any."""
    provider: str = "embedded"
    refuse: Callable[[], None] = _nothing
    up: Callable[[Any], None] = _nothing
    before: Callable[[Any], None] = _nothing
    live: tuple[str, ...] = ()
    """Faults that are also tried whenever the tests are: one of what is down, one of what is slow, one of what is lost."""

    @property
    def checks(self) -> Mapping[str, Check]:
        """The checks that are looked at, by id; drills have a twin of their own."""
        return {
            check.id: check
            for check in checks_declared(self.system.name).values()
            if not check.drill and (not self.areas or check.function.__module__.split(".")[2] in self.areas)
        }

    @property
    def limits_now(self) -> Limits:
        """The limits by which it is judged: this version's, with the part's own."""
        table: type[Limits] = self.system.section.model_fields["limits"].annotation  # type: ignore[assignment]
        return table.model_validate(dict(self.limits))

    def fault(self, fault_class: Any, twin: Twin) -> Fault:
        """One of its faults, of this twin."""
        made: Fault = fault_class(twin, Arming(target="matrix", owned=True))
        return made

    def start(self) -> Twin:
        """A twin in its steady state. Skips where this machine cannot have it."""
        self.refuse()
        section = self.system.section.model_validate({"limits": dict(self.limits)})
        twin = self.system.start_twin(section, ServersTable.model_validate({"provider": self.provider}))
        self.up(twin)
        return twin


def drills_of(part: Part) -> list[Check]:
    """The drills of a part; of the same system, the first part has them."""
    first = next(each for each in PARTS.values() if each.system is part.system)
    return [check for check in checks_declared(part.system.name).values() if check.drill and part is first]


def _without_watchers() -> None:
    lacking = [
        f"apt-get install {package}"
        for package, found in (
            ("prometheus", PROMETHEUS_PROGRAM.find()),
            ("prometheus-alertmanager", ALERTMANAGER_PROGRAM.find()),
        )
        if found is None
    ]
    if lacking:
        pytest.skip(f"a fault of BZZZ is seen by Prometheus and Alertmanager: {'; '.join(lacking)}")


def _without_images() -> None:
    try:
        refuse_without_docker()
        for image in (POSTGRES, PROMETHEUS, ALERTMANAGER):
            provide_image(image)
    except ServerFailed as failed:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no containers here: {failed}")


def _scraped(twin: Any) -> None:
    """Prometheus looks for what to scrape some seconds after its start: only then is the twin in its steady state."""
    if twin.stack.monitoring.prometheus is not None:
        PrometheusKilled(twin, Arming(target="matrix", owned=True)).wait_scraped()


def _trimmed(fault: Any) -> None:
    """A slow machine gives the trainer time to reach the thresholds all by itself."""
    fault.drain_and_trim()


def _no_sweep_is_due(_fault: Any) -> None:
    """A fault that lies across a quarter hour would also break the sweep of that instant."""
    left = _QUARTER_S - time.time() % _QUARTER_S
    if left < _BEFORE_S:
        time.sleep(left + 2)


PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part(
            name="esper",
            title="Esper-Lite",
            system=ESPER,
            faults=ESPER_FAULTS,
            # What is silent for 15 s is stale, and stays in sight twice as long.
            limits={"window": 1, "fresh": 15, "simic_lag": 10, "telemetry": 1000},
            actions=("publish_canary",),
            up=_scraped,
            before=_trimmed,
            live=("redis-killed", "group-dropped", "artifact-bit-flipped"),
        ),
        Part(
            name="statehub",
            title="State Hub",
            system=STATEHUB,
            faults=STATEHUB_FAULTS,
            limits={"fired": 10, "begins": 10, "canary": 2, "canary_slack": 3, "patience": 40},
            actions=("post_sweep",),
            before=_no_sweep_is_due,
            live=("api-killed", "newest-missing", "schedule-paused"),
        ),
        Part(
            name="bzzz",
            title="BZZZ",
            system=BZZZ,
            faults=BZZZ_FAULTS,
            # One twin for all: what some faults restart is no loop, for it is a minute apart.
            limits={**_EMBEDDED["bzzz"]["limits"], "failure_window": 45.0},
            actions=tuple(BzzzOperator.actions()),
            refuse=_without_watchers,
            live=("bootstrap-killed", "node-busy", "wal-segment-lost"),
        ),
        Part(
            name="bzzz-swarm",
            title="BZZZ on a real Docker Swarm",
            system=BZZZ,
            faults=SWARM_FAULTS,
            # After so many seconds a failed task is history: each fault begins in health.
            limits={**_EMBEDDED["bzzz"]["limits"], "failure_window": 8.0},
            actions=tuple(BzzzOperator.actions()),
            areas=("services", "configuration"),
            provider="containers",
            refuse=_without_images,
        ),
    )
}
"""By name. The twin of each is seen by the suite as a live target."""
