"""The rules of BZZZ's own health, of UCXI's boundary and of a task that is followed."""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any

import pytest

from checks.bzzz.agents import criteria as api
from systems.bzzz.agents.models import (
    Boundary,
    Component,
    Components,
    ComponentState,
    Health,
    Refusal,
    Repeated,
    TaskFlow,
)
from systems.bzzz.agents.ucxl import MALFORMED
from systems.bzzz.limits import BzzzLimits

LIMITS = BzzzLimits()


@pytest.mark.parametrize(
    ("state", "worse", "milder"),
    [
        (ComponentState.HEALTHY, (True, "healthy"), (True, "healthy")),
        (ComponentState.DEGRADED, (True, "degraded"), (False, "degraded")),
        (ComponentState.UNHEALTHY, (False, "unhealthy"), (True, "unhealthy")),
    ],
)
def test_each_word_is_judged_by_one_check(
    state: ComponentState, worse: tuple[bool, str], milder: tuple[bool, str]
) -> None:
    """Unhealthy fails the worse check alone, degraded the milder one."""
    health = Health(state=state, word=str(state), status=200, shown="{}")
    found = [api.says_healthy(health, worse=each) for each in (True, False)]
    assert [(f.holds, f.reason) for f in found] == [worse, milder]
    assert [f.details for f in found] == [() if f.holds else ("{}",) for f in found]


def components(*states: ComponentState, strange: tuple[str, ...] = (), untold: int = 0) -> Components:
    """Components in these states, and so many of which nothing is told."""
    listed = tuple(Component(name=f"c{n}-health", state=state) for n, state in enumerate(states))
    return Components(components=listed, strange=strange, listed=len(states) + len(strange) + untold)


@pytest.mark.parametrize(
    ("seen", "holds", "reason"),
    [
        (components(ComponentState.HEALTHY, ComponentState.HEALTHY), True, "all-healthy"),
        (components(ComponentState.HEALTHY, ComponentState.DEGRADED), False, "component-degraded"),
        (components(ComponentState.UNHEALTHY, ComponentState.DEGRADED), False, "component-unhealthy"),
        (components(ComponentState.HEALTHY, strange=("c9: purple",)), None, "unexpected-reply"),
        (components(ComponentState.DEGRADED, strange=("c9: purple",)), False, "component-degraded"),
        (components(), None, "unexpected-reply"),
        (components(ComponentState.HEALTHY, untold=1), None, "part-missing"),
        (components(ComponentState.DEGRADED, untold=1), False, "component-degraded"),
    ],
)
def test_every_component_is_healthy_in_words_that_are_known(
    seen: Components, reason: str, *, holds: bool | None
) -> None:
    """One that is ill fails it, whatever else is not understood; else what is not understood leaves it open."""
    found = api.every_component_healthy(seen)
    assert (found.holds, found.reason) == (holds, reason)
    assert all(any(each in line for line in found.details) for each in seen.strange)


BAD = (400, "UCXL-400")


def boundary(*malformed: tuple[int, str], good: int = 404) -> Boundary:
    """UCXI's answers: status and code of the first, and of each after them as it should be."""
    answers = chain(malformed, repeat(BAD)) if malformed else ()
    refusals = [
        Refusal(address=address, meant=meant, status=status, code=code)
        for (address, meant), (status, code) in zip(MALFORMED.items(), answers, strict=False)
    ]
    return Boundary(
        malformed=tuple(refusals), well_formed=Refusal(address="u", meant="good", status=good, code="")
    )


def half(seen: Boundary) -> Boundary:
    """The same without the last answer."""
    return seen.model_copy(update={"malformed": seen.malformed[:-1]})


@pytest.mark.parametrize(
    ("seen", "holds", "reason"),
    [
        (boundary(BAD, BAD), True, "refused"),
        (boundary(BAD, good=200), True, "refused"),
        (boundary(BAD, (200, "")), False, "malformed-accepted"),
        (boundary(BAD, (404, "UCXL-404")), False, "malformed-looked-up"),
        (boundary((404, "UCXL-404"), (302, "")), False, "malformed-accepted"),
        (boundary(BAD, good=400), False, "refuses-well-formed"),
        (boundary(BAD, (422, "")), False, "no-ucxl-code"),
        (boundary(BAD, (499, "x"), (400, "x")), True, "refused"),
        (boundary(BAD, (500, "")), None, "server-error"),
        (boundary(BAD, good=503), None, "server-error"),
        (boundary((200, ""), (503, "")), False, "malformed-accepted"),
        (boundary((422, ""), good=503), False, "no-ucxl-code"),
        (boundary(), None, "part-missing"),
        (half(boundary(BAD)), None, "part-missing"),
        (half(boundary((200, ""))), False, "malformed-accepted"),
    ],
)
def test_malformed_addresses_are_refused_and_no_other(
    seen: Boundary, reason: str, *, holds: bool | None
) -> None:
    """What was let in is known, whatever else ended in an error of UCXI's own; such an error alone leaves it open."""
    found = api.malformed_refused(seen)
    assert (found.holds, found.reason) == (holds, reason)


WELL = {
    "task": "t", "accepted": 202, "address": "ucxl://a", "well_formed": True, "resolved": True, "status": 200,
    "holds_task": True, "refused": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "resolved"),
        ({"refused": "HTTP 503", "address": ""}, "task-refused"),
        ({"address": "", "well_formed": False, "resolved": False}, "no-address"),
        ({"well_formed": False}, "malformed-address"),
        ({"resolved": False, "holds_task": False}, "not-resolved"),
        ({"holds_task": False}, "other-content"),
    ],
)
def test_a_task_is_followed_to_its_own_content(change: dict[str, Any], reason: str) -> None:
    """Each stage that a task is lost at has its reason."""
    found = api.data_flows(TaskFlow.model_validate(WELL | change), LIMITS)
    assert (found.holds, found.reason) == (reason == "resolved", reason)


@pytest.mark.parametrize(
    ("second", "times", "holds", "reason"),
    [
        ("duplicate", 1, True, "handled-once"),
        ("taken", 1, True, "handled-once"),
        ("taken", 2, False, "handled-again"),
        ("duplicate", 2, False, "handled-again"),
        ("refused", 2, False, "handled-again"),
        ("refused", 1, None, "second-refused"),
        ("taken", 0, None, "not-handled"),
    ],
)
def test_a_repeated_event_is_counted(second: str, times: int, reason: str, *, holds: bool | None) -> None:
    """Handled twice fails; a second that was refused for a reason of its own was not put to the test."""
    seen = Repeated.model_validate({"task": "t", "said": "HTTP 200", "second": second, "times": times})
    found = api.handled_once(seen)
    assert (found.holds, found.reason) == (holds, reason)
