"""The detection matrix of Esper-Lite: no fault, all green; each fault, exactly its checks; restored, all green again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults import FAULTS
from fixtures.esper.target import EsperSection
from fixtures.esper.twin.site import EsperTwin, start_twin
from opsverify.arming import Arming
from opsverify.target import ServersTable
from tests.detection.harness import Suite, as_live, see_all_green, see_it_turn, without_a_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fixtures.esper.faults.base import EsperFault

# A run takes the twin a third of a second: what is silent for 15 s is stale, and stays in sight twice as long.
LIMITS = {"window": 1, "fresh": 15, "simic_lag": 10, "telemetry": 1000}


@pytest.fixture(scope="module")
def twin() -> Iterator[EsperTwin]:
    """One twin for all faults: each must be undone so well that the next one begins in health."""
    section = EsperSection.model_validate({"limits": LIMITS})
    running = start_twin(section, ServersTable(provider="embedded"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def suite(twin: EsperTwin, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The suite pointed at that twin, which it sees as a live target."""
    section, environment = as_live("esper", twin.section)
    return Suite(
        folder=tmp_path_factory.mktemp("matrix"),
        section=section,
        actions=("publish_canary",),
        environment=environment,
    )


def test_all_checks_are_green_without_a_fault(suite: Suite) -> None:
    """On a healthy twin every check passes, and none is skipped."""
    see_all_green(suite)


@pytest.mark.parametrize("fault_class", FAULTS, ids=lambda f: str(f.name))
def test_exactly_the_checks_of_a_fault_turn(
    fault_class: type[EsperFault], twin: EsperTwin, suite: Suite
) -> None:
    """With the fault in force exactly its checks turn, for its reason; once it is undone all are green again."""
    fault = fault_class(twin, Arming(target="matrix", owned=True))
    fault.drain_and_trim()  # a slow machine gives the trainer time to reach the thresholds all by itself
    see_it_turn(fault, suite)


def test_every_check_has_a_fault_that_makes_it_fail(suite: Suite) -> None:
    """No check is without a fault that makes it FAIL; UNKNOWN does not count."""
    assert without_a_fault(suite, FAULTS) == set()
