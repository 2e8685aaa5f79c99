"""Makes the lamp known to the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lamp_client import open_lamp
from lamp_target import LampSection

from opsverify.model.system import System

if TYPE_CHECKING:
    from opsverify.model.fault import Fault
    from opsverify.model.observation import ObservationSpec
    from opsverify.model.system import Site, Twin
    from opsverify.target.file import ServersTable

__all__ = ["LAMP"]


def _declares() -> tuple[ObservationSpec, ...]:
    from lamp_observations import OBSERVATIONS  # noqa: PLC0415 - loaded only where a target has the lamp

    return OBSERVATIONS


def _operate(site: Site) -> Any:
    from lamp_operator import LampOperator  # noqa: PLC0415 - loaded only where something may act

    return LampOperator(site.section, site.arming)  # type: ignore[arg-type]


def _start_twin(section: Any, servers: ServersTable) -> Twin:
    from lamp_twin import start_twin  # noqa: PLC0415 - loaded only where servers are ours

    return start_twin(section, servers)


def _faults() -> tuple[type[Fault], ...]:
    from lamp_faults import Dark  # noqa: PLC0415 - loaded only where a check is explained

    return (Dark,)


LAMP = System(
    name="lamp",
    title="a lamp",
    subsystems=("bulb", "switch"),
    section=LampSection,
    connect=open_lamp,
    operate=_operate,
    start_twin=_start_twin,
    declares=_declares,
    faults=_faults,
)


@pytest.hookimpl
def pytest_opsverify_system() -> System:
    """The lamp."""
    return LAMP
