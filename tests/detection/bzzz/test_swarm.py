"""The detection matrix of BZZZ's services on a real Docker Swarm: what processes show, Docker's own words show too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fixtures.bzzz.faults.swarm import SWARM_FAULTS
from fixtures.bzzz.operator import BzzzOperator
from fixtures.bzzz.target import BzzzSection
from fixtures.bzzz.twin.site import BzzzTwin, start_twin
from fixtures.servers.images import ALERTMANAGER, POSTGRES, PROMETHEUS, provide_image, refuse_without_docker
from fixtures.servers.provided import ServerFailed
from opsverify.arming import Arming
from opsverify.target import ServersTable
from tests.detection.bzzz.turning import LIMITS
from tests.detection.harness import Suite, as_live, see_it_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fixtures.bzzz.faults.swarm import SwarmFault

FORGOTTEN = {"failure_window": 8.0}
"""Seconds after which a failed task is history: each fault begins in health."""


@pytest.fixture(scope="module")
def twin() -> Iterator[BzzzTwin]:
    """A twin whose services are in a Swarm; without Docker the reason is told, and in CI it fails."""
    try:
        refuse_without_docker()
        for image in (POSTGRES, PROMETHEUS, ALERTMANAGER):
            provide_image(image)
    except ServerFailed as failed:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no containers here: {failed}")
    section = BzzzSection.model_validate({"limits": {**LIMITS, **FORGOTTEN}})
    running = start_twin(section, ServersTable(provider="containers"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def suite(twin: BzzzTwin, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The checks of services and of what they are given, pointed at that twin as at a live target."""
    section, environment = as_live("bzzz", twin.section)
    made = Suite(
        folder=tmp_path_factory.mktemp("matrix"),
        section=section,
        actions=tuple(BzzzOperator.actions()),
        environment=environment,
        path="checks/bzzz/test_swarm.py",
        options=("checks/bzzz/test_config.py",),
    )
    healthy = made.run()
    assert healthy.status == 0, healthy.printed
    assert {v for v, _ in healthy.verdicts.values()} == {"PASS"}, healthy.printed
    return made


@pytest.mark.parametrize("fault_class", SWARM_FAULTS, ids=lambda f: str(f.name))
def test_exactly_the_checks_of_a_fault_turn(
    fault_class: type[SwarmFault], twin: BzzzTwin, suite: Suite
) -> None:
    """With the fault in force exactly its checks turn, for its reason; once it is undone all are green again."""
    see_it_turn(fault_class(twin, Arming(target="matrix", owned=True)), suite)
