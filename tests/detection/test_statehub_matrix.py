"""The detection matrix of State Hub: no fault, all green; each fault, exactly its checks; restored, all green again."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fixtures.statehub.faults import FAULTS
from fixtures.statehub.target import StateHubSection
from fixtures.statehub.twin.site import StateHubTwin, start_twin
from opsverify.arming import Arming
from opsverify.target import ServersTable
from tests.detection.harness import Suite, as_live, see_all_green, see_it_turn, without_a_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fixtures.statehub.faults.base import StateHubFault

_LIMITS = {"fired": 10, "begins": 10, "canary": 2, "canary_slack": 3, "patience": 40}
_QUARTER_S, _BEFORE_S = 900, 25


@pytest.fixture(scope="module")
def twin() -> Iterator[StateHubTwin]:
    """One twin for all faults: each must be undone so well that the next one begins in health."""
    running = start_twin(
        StateHubSection.model_validate({"limits": _LIMITS}), ServersTable(provider="embedded")
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def suite(twin: StateHubTwin, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The suite pointed at that twin, which it sees as a live target."""
    section, environment = as_live("statehub", twin.section)
    return Suite(
        folder=tmp_path_factory.mktemp("matrix"),
        section=section,
        actions=("post_sweep",),
        environment=environment,
        path="checks/statehub",
    )


@pytest.fixture(autouse=True)
def no_sweep_is_due() -> None:
    """A fault that lies across a quarter hour would also break the sweep of that instant."""
    left = _QUARTER_S - time.time() % _QUARTER_S
    if left < _BEFORE_S:
        time.sleep(left + 2)


def test_all_checks_are_green_without_a_fault(suite: Suite) -> None:
    """On a healthy twin every check passes, and none is skipped."""
    see_all_green(suite)


@pytest.mark.parametrize("fault_class", FAULTS, ids=lambda f: str(f.name))
def test_exactly_the_checks_of_a_fault_turn(
    fault_class: type[StateHubFault], twin: StateHubTwin, suite: Suite
) -> None:
    """With the fault in force exactly its checks turn, for its reason; once it is undone all are green again."""
    fault = fault_class(twin, Arming(target="matrix", owned=True))
    see_it_turn(fault, suite)


def test_a_canary_that_is_not_armed_is_skipped(suite: Suite) -> None:
    """Without its line in the target no sweep is asked for: the check is skipped, says so, and is no failure."""
    seen = replace(suite, actions=()).run("-k", "asked_for_by_hand")
    assert seen.verdicts["S-CAN-1"] == ("SKIP", "not armed")
    assert "post_sweep" in seen.printed


def test_every_check_has_a_fault_that_makes_it_fail(suite: Suite) -> None:
    """No check is without a fault that makes it FAIL; UNKNOWN does not count."""
    assert without_a_fault(suite, FAULTS) == set()
