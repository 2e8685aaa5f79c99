"""Where nothing of a target answers, nobody can tell a dead target from an observer that is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.observation import ErrorKind, Unobservable
from tests.unit.gathering.toy import ToySection, gather, kinds, raises, site, spec, takes, trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REFUSED = Unobservable(ErrorKind.REFUSED, "nobody listens")
CUT_OFF = (ErrorKind.REFUSED, ErrorKind.SILENT, ErrorKind.RESET, ErrorKind.NAME_NOT_FOUND, ErrorKind.NO_ROUTE)
ANSWERED = (
    ErrorKind.SERVER_ERROR,
    ErrorKind.CERTIFICATE_EXPIRED,
    ErrorKind.UNKNOWN_CA,
    ErrorKind.DENIED,
    ErrorKind.UNEXPECTED_REPLY,
    ErrorKind.EMPTY,
)
NOT_APPLICABLE = (
    ErrorKind.NOT_PUBLISHED,
    ErrorKind.NOT_ARMED,
    ErrorKind.DECLARED_ABSENT,
    ErrorKind.NOT_ON_MACHINE,
)


def dead(*surfaces: str) -> list[Any]:
    """One refused look at each of these."""
    return [spec(f"dead-{surface}", raises(REFUSED), surface) for surface in surfaces]


def never(kind: ErrorKind) -> Callable[..., Awaitable[Any]]:
    """A look that ends so."""
    return raises(Unobservable(kind, "so it is"))


@pytest.mark.parametrize(
    ("surfaces", "stands"),
    [
        (("s0",), ErrorKind.REFUSED),
        (("s0", "s1"), ErrorKind.OBSERVER_CUT_OFF),
        (("s0", "s1", "s2"), ErrorKind.OBSERVER_CUT_OFF),
    ],
    ids=["one", "two", "three"],
)
async def test_from_two_endpoints_on_nothing_reachable_is_a_cut_off(
    surfaces: tuple[str, ...], stands: ErrorKind
) -> None:
    """All of two or three endpoints dead: cut off. One alone: nobody can tell, so its refusal stands."""
    assert set(kinds(await gather(dead(*surfaces))).values()) == {stands}


@pytest.mark.parametrize("surfaces", [("s0",), ("s0", "s1"), ("s0", "s1", "s2")], ids=["one", "two", "three"])
async def test_one_that_is_alive_shows_that_we_are_not_cut_off(surfaces: tuple[str, ...]) -> None:
    """However many are dead: beside one that answers, each refusal stands."""
    seen = await gather([*dead(*surfaces), spec("alive", takes(0), "s9")])
    assert set(kinds(seen).values()) == {ErrorKind.REFUSED, None}


async def test_what_is_declared_absent_says_nothing_of_the_rest() -> None:
    """Beside a surface that is not looked at, two dead ones are a cut off still, whichever is told first."""
    where = site(ToySection(absent={"s9": "none here"}))
    seen = await gather([spec("absent", takes(0), "s9"), *dead("s0", "s1")], where)
    assert kinds(seen) == {
        "absent": ErrorKind.DECLARED_ABSENT,
        "dead-s0": ErrorKind.OBSERVER_CUT_OFF,
        "dead-s1": ErrorKind.OBSERVER_CUT_OFF,
    }


async def test_two_looks_at_one_endpoint_are_one_endpoint() -> None:
    """Many refusals of one endpoint say no more than one of them."""
    seen = await gather([spec("a", raises(REFUSED)), spec("b", raises(REFUSED))])
    assert set(kinds(seen).values()) == {ErrorKind.REFUSED}


async def test_a_look_at_two_endpoints_tells_which_are_there_and_not_which_is_dead() -> None:
    """One dead endpoint ends a look at two: that does not make it two. Where such a look answers, both are there."""
    seen = await gather([*dead("s0"), spec("both", raises(REFUSED), "s1", "s0")])
    assert set(kinds(seen).values()) == {ErrorKind.REFUSED}
    seen = await gather([*dead("s0", "s1"), spec("both", takes(0), "s8", "s1")])
    assert set(kinds(seen).values()) == {ErrorKind.REFUSED, None}


async def test_the_same_surface_of_two_systems_is_two_endpoints() -> None:
    """Two systems may call their surfaces the same."""
    seen = await gather(
        [spec("a", raises(REFUSED)), spec("b", raises(REFUSED), system="other")], site(), site(name="other")
    )
    assert set(kinds(seen).values()) == {ErrorKind.OBSERVER_CUT_OFF}


async def test_an_endpoint_that_answered_once_was_reached() -> None:
    """An endpoint that goes down in the middle was there: nobody is cut off, in whichever order it is told."""
    for order in (1, -1):
        seen = await gather([spec("up", takes(0)), *dead("s0"), *dead("s1")][::order])
        assert set(kinds(seen).values()) == {ErrorKind.REFUSED, None}


@pytest.mark.parametrize("kind", CUT_OFF)
async def test_each_kind_of_nothing_at_all_cuts_off(kind: ErrorKind) -> None:
    """Refused, silent, reset, no such name, no route: nothing came back; what it was stands in the explanation."""
    seen = await gather([spec("a", never(kind)), *dead("s1")])
    assert set(kinds(seen).values()) == {ErrorKind.OBSERVER_CUT_OFF}
    assert trouble(seen["a"]).seen == f"no endpoint of this target was reachable; this one: {kind}: so it is"


@pytest.mark.parametrize("kind", ANSWERED)
async def test_any_answer_means_that_we_are_not_cut_off(kind: ErrorKind) -> None:
    """An endpoint that answers, if only with an error, leaves the other one's refusal as it is."""
    seen = await gather([*dead("s0", "s1"), spec("b", never(kind), "s2")])
    assert kinds(seen) == {"dead-s0": ErrorKind.REFUSED, "dead-s1": ErrorKind.REFUSED, "b": kind}


@pytest.mark.parametrize("kind", NOT_APPLICABLE)
async def test_what_does_not_apply_is_no_endpoint(kind: ErrorKind) -> None:
    """What was not looked at is neither reached nor dead: with it, one dead endpoint is one, and two are two."""
    one = await gather([*dead("s0"), spec("b", never(kind), "s1")])
    assert kinds(one) == {"dead-s0": ErrorKind.REFUSED, "b": kind}
    two = await gather([*dead("s0", "s1"), spec("b", never(kind), "s2")])
    cut_off = ErrorKind.OBSERVER_CUT_OFF
    assert kinds(two) == {"dead-s0": cut_off, "dead-s1": cut_off, "b": kind}


async def test_a_deadline_and_an_error_of_the_network_cut_off_too() -> None:
    """The same by what really happens: a refused connection, no network, and no answer at all."""
    seen = await gather(
        [
            spec("a", raises(ConnectionRefusedError())),
            spec("b", raises(OSError(101, "no network")), "s1"),
            spec("c", takes(9), "s2", within=0.05),
        ]
    )
    assert set(kinds(seen).values()) == {ErrorKind.OBSERVER_CUT_OFF}
    assert "this one: no-route: " in trouble(seen["b"]).seen
