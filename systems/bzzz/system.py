"""Registration of BZZZ with the engine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.deadline import seconds
from opsverify.model.observation import collect
from opsverify.model.system import System, lazily
from systems.bzzz.alerting.models import Cleared
from systems.bzzz.section import BzzzSection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsverify.model.observation import Observation

__all__ = ["BZZZ"]


def _no_such_alert(alert: str, observations: Mapping[str, Observation[Any]]) -> str:
    for each in observations.values():
        if each.unobservable is None and isinstance(each.value, Cleared) and each.value.alert == alert:
            if each.value.state != "missing":
                return ""
            return "Prometheus has no such rule, so the alert neither fires nor clears; check docs/bzzz/bzzz.rules.yml with `promtool check rules`, load it, then run again"
    return ""


BZZZ = System(
    name="bzzz",
    title="BZZZ, the peer-to-peer service",
    subsystems=(
        "api",
        "p2p",
        "dht",
        "election",
        "slurp",
        "ucxi",
        "pubsub",
        "swarm",
        "monitoring",
        "database",
        "config",
        "capacity",
        "logs",
    ),
    section=BzzzSection,
    connect=lazily("systems.bzzz.client:open_bzzz"),
    operate=lazily("systems.bzzz.operator:operate"),
    start_twin=lazily("fixtures.bzzz.twin.site:start_twin"),
    declares=partial(collect, "systems.bzzz"),
    steady_within=seconds(30),
    questions=lazily("systems.bzzz.preflight:questions"),
    faults=lazily("fixtures.bzzz.faults:FAULTS"),
    no_such_alert=_no_such_alert,
)


@pytest.hookimpl
def pytest_opsverify_system() -> System:
    """BZZZ."""
    return BZZZ
