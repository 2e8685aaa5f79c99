"""The rules of the election and of SLURP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.election import criteria as election
from opsverify.model.observation import ErrorKind
from systems.bzzz.agents.models import NotAnswering, Running
from systems.bzzz.election.models import Election, ElectionWindow, NodeElection, NodeSlurp, Roles, Slurp
from systems.bzzz.limits import BzzzLimits

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
NODES = ("walnut", "ironwood", "acacia")
RUNNING = Running(nodes=NODES)
UNKNOWN = Running(nodes=None)


def view(
    node: str, admin: str | None = "walnut", term: int = 3, *, age_s: float | None = 0.5
) -> NodeElection:
    """A node's view."""
    beat = None if age_s is None else NOW - timedelta(seconds=age_s)
    return NodeElection(node=node, admin=admin, term=term, state="follower", heartbeat=beat, at=NOW)


def seen(*views: NodeElection, silent: tuple[NotAnswering, ...] = ()) -> Election:
    """Everybody's view."""
    return Election(views=views, silent=silent, running=RUNNING, elsewhere="Prometheus: …", roles="roles: …")


@pytest.mark.parametrize(
    ("views", "reason"),
    [
        ([("walnut", 3)] * 3, "one-admin"),
        ([(None, 3)] * 3, "no-admin"),
        ([("walnut", 3), ("walnut", 3), (None, 3)], "admin-not-known"),
        ([("walnut", 3), ("ironwood", 4), ("ironwood", 4)], "two-admins"),
        ([("walnut", 3), ("ironwood", 4), (None, 4)], "two-admins"),
        ([("walnut", 3), ("walnut", 4), ("walnut", 4)], "terms-differ"),
        ([("oak", 3)] * 3, "stranger"),
    ],
)
def test_one_admin_in_one_term(views: list[tuple[str | None, int]], reason: str) -> None:
    """Nobody, two, one that somebody does not know, another term and a stranger are five reasons; each shows who says what."""
    told = [view(node, admin, term) for node, (admin, term) in zip(NODES, views, strict=True)]
    found = election.one_admin(seen(*told))
    assert (found.holds, found.reason) == (reason == "one-admin", reason)
    if not found.holds:
        assert {node for node in NODES for line in found.details if line.startswith(f"{node}: ")} == set(
            NODES
        )


@given(st.lists(st.tuples(st.sampled_from([*NODES, None]), st.integers(0, 3)), min_size=3, max_size=3))
def test_only_one_mind_is_one_admin(views: list[tuple[str | None, int]]) -> None:
    """It holds exactly where all name the same node and the same term."""
    told = [view(node, admin, term) for node, (admin, term) in zip(NODES, views, strict=True)]
    assert election.one_admin(seen(*told)).holds is (len(set(views)) == 1 and views[0][0] is not None)


SILENCES = [
    (ErrorKind.REFUSED, False, "refused"),
    (ErrorKind.SILENT, False, "silent"),
    (ErrorKind.RESET, False, "reset"),
    (ErrorKind.SERVER_ERROR, False, "server-error"),
    (ErrorKind.CERTIFICATE_EXPIRED, False, "certificate-expired"),
    (ErrorKind.DENIED, None, "part-missing"),
]


@pytest.mark.parametrize(("kind", "holds", "reason"), SILENCES)
def test_a_node_that_does_not_answer_fails_it(kind: ErrorKind, reason: str, *, holds: bool | None) -> None:
    """The others agree, and the silent one is named with its reason; one that could not be asked leaves it open."""
    silent = (NotAnswering(node="acacia", kind=kind, told="…"),)
    others = [view(node) for node in NODES[:2]]
    seen_of_two = window(*others).model_copy(update={"silent": silent})
    two = slurp(*map(slurp_view, NODES[:2])).model_copy(update={"silent": silent})
    leaderless = slurp(slurp_view("ironwood")).model_copy(update={"silent": silent})
    for found in (
        election.one_admin(seen(*others, silent=silent)),
        election.one_admin(seen(silent=silent)),
        election.heartbeat_fresh(seen_of_two, LIMITS),
        election.led_by_the_admin(two),
        election.queue_bounded(leaderless, LIMITS),
    ):
        assert (found.holds, found.reason) == (holds, reason)
        assert "acacia does not answer" in found.observed


def test_what_is_known_to_be_wrong_goes_before_a_silent_node() -> None:
    """Two admins, a heartbeat that is old and a full queue are told whoever is silent."""
    silent = (NotAnswering(node="acacia", kind=ErrorKind.SILENT, told="…"),)
    two = seen(view("walnut"), view("ironwood", "ironwood"), silent=silent)
    old = window(view("walnut", age_s=99)).model_copy(update={"silent": silent})
    full = slurp(slurp_view("ironwood", queue=99)).model_copy(update={"silent": silent})
    led = slurp(slurp_view("ironwood", leader=None)).model_copy(update={"silent": silent})
    assert election.one_admin(two).reason == "two-admins"
    assert election.one_admin(seen(view("walnut", None), silent=silent)).reason == "no-admin"
    assert election.heartbeat_fresh(old, LIMITS).reason == "heartbeat-old"
    assert election.queue_bounded(full, LIMITS).reason == "queue-full"
    assert election.led_by_the_admin(led).reason == "not-led"


def test_nobody_seen_is_no_pass() -> None:
    """Where no node was seen, nothing is told of the election nor of SLURP."""
    nothing = Slurp(first=(), last=(), admins={}, silent=(), running=UNKNOWN)
    for found in (
        election.one_admin(seen()),
        election.heartbeat_fresh(window(), LIMITS),
        election.leadership_steady(ElectionWindow(first=(), last=(), silent=(), running=UNKNOWN)),
        election.led_by_the_admin(nothing),
        election.queue_bounded(nothing, LIMITS),
    ):
        assert (found.holds, found.reason) == (None, "part-missing")


def test_an_agent_that_runs_and_was_never_asked_leaves_it_open() -> None:
    """Who runs an agent and stands neither at the beginning nor at the end of the window is missed by name."""
    two = NODES[:2]
    ends = window(*map(view, two)).model_copy(update={"first": tuple(map(view, two)), "running": RUNNING})
    told = slurp(*map(slurp_view, two)).model_copy(
        update={"first": tuple(map(slurp_view, two)), "running": RUNNING}
    )
    for found in (
        election.heartbeat_fresh(ends, LIMITS),
        election.led_by_the_admin(told),
        election.queue_bounded(told, LIMITS),
    ):
        assert (found.holds, found.reason) == (None, "part-missing")
        assert "acacia" in found.observed


def test_a_node_of_which_nothing_is_told_leaves_it_open() -> None:
    """Neither its view nor its silence: an agent that runs, or that answered at the beginning of the window, is missed."""
    views, told = [view(node) for node in NODES[:2]], [slurp_view(node) for node in NODES[:2]]
    for found in (
        election.one_admin(seen(*views)),
        election.heartbeat_fresh(window(*views), LIMITS),
        election.led_by_the_admin(slurp(*told)),
        election.queue_bounded(slurp(*told), LIMITS),
    ):
        assert (found.holds, found.reason) == (None, "part-missing")
        assert "acacia" in found.observed


def window(*last: NodeElection) -> ElectionWindow:
    """A window that began with walnut as admin in term 3 everywhere."""
    return ElectionWindow(
        first=tuple(map(view, NODES)), last=last, silent=(), running=UNKNOWN, changes="changes: 4"
    )


def test_a_change_within_the_window_is_flapping() -> None:
    """Another admin or another term at the end is flapping, with both ends shown."""
    steady = election.leadership_steady(window(*map(view, NODES)))
    assert (steady.holds, steady.reason) == (True, "steady")
    found = election.leadership_steady(window(view("walnut", "ironwood", 4)))
    assert (found.reason, found.details) == ("flapping", ("changes: 4",))
    assert "walnut in term 3, then ironwood in term 4" in found.observed


def test_a_node_seen_at_one_end_only_was_not_seen_to_be_steady() -> None:
    """Whoever answers at only one end of the window leaves it open, and is named; a change elsewhere still fails it."""
    for ends in (window(view("walnut"), view("ironwood")), window(*map(view, (*NODES, "oak")))):
        found = election.leadership_steady(ends)
        assert (found.holds, found.reason) == (None, "part-missing")
        assert "at only one end of the window" in found.observed


@pytest.mark.parametrize(
    ("age_s", "reason"),
    [
        (14.9, "fresh"),
        (15.0, "fresh"),
        (15.1, "heartbeat-old"),
        (None, "heartbeat-missing"),
        (-300.0, "fresh"),
        (-300.1, "from-the-future"),
    ],
)
def test_heartbeats_at_their_boundary(age_s: float | None, reason: str) -> None:
    """As old as the limit is fresh; older, and none at all, are not; of one to come nobody knows how old it is."""
    found = election.heartbeat_fresh(window(view("walnut", age_s=age_s), *map(view, NODES[1:])), LIMITS)
    holds = {"fresh": True, "from-the-future": None}.get(reason, False)
    assert (found.holds, found.reason) == (holds, reason)


@pytest.mark.parametrize(
    ("able", "running", "reason"),
    [
        (("walnut", "ironwood"), NODES, "another-may"),
        (("walnut", "ironwood"), None, "running-not-known"),
        (("walnut",), None, "no-other-candidate"),
        (("walnut",), NODES, "no-other-candidate"),
        (("walnut", "ironwood"), ("walnut", "acacia"), "no-other-candidate"),
        ((), NODES, "no-candidate"),
    ],
)
def test_two_running_nodes_may_become_admin(
    able: tuple[str, ...], running: tuple[str, ...] | None, reason: str
) -> None:
    """A node counts that has the role and runs an agent; where nobody knows which run, two may be none."""
    roles = {node: ("admin", "worker") if node in able else ("worker",) for node in NODES}
    found = election.another_admin(Roles(config="c", roles=roles, running=Running(nodes=running)))
    holds = {"another-may": True, "running-not-known": None}.get(reason, False)
    assert (found.holds, found.reason) == (holds, reason)


def slurp_view(node: str, **told: Any) -> NodeSlurp:
    """A node's view of SLURP."""
    well = {"leader": "walnut", "leading": node == "walnut", "queue": 0, "capacity": 100, "dead_letters": 2}
    return NodeSlurp.model_validate({"node": node, "backpressure": False, **well, **told})


def slurp(*last: NodeSlurp, admins: dict[str, str | None] | None = None) -> Slurp:
    """Everybody's view, after a window that began in health."""
    return Slurp(
        first=tuple(map(slurp_view, NODES)),
        last=last or tuple(map(slurp_view, NODES)),
        admins=admins or dict.fromkeys(NODES, "walnut"),
        silent=(),
        running=UNKNOWN,
    )


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        (slurp(), "led-by-the-admin"),
        (slurp(slurp_view("walnut", leading=False)), "not-led"),
        (slurp(slurp_view("acacia", leader=None)), "not-led"),
        (slurp(admins=dict.fromkeys(NODES, "ironwood")), "led-by-another"),
        (slurp(slurp_view("acacia", leading=True)), "led-by-another"),
        (slurp(slurp_view("walnut", leading=False), slurp_view("acacia", leader="oak")), "not-led"),
        (slurp(admins={"walnut": "walnut", "ironwood": "walnut", "acacia": None}), "led-by-another"),
        (slurp(admins={"walnut": "walnut", "ironwood": "walnut"}), "part-missing"),
    ],
)
def test_slurp_is_led_by_the_admin(given_: Slurp, reason: str) -> None:
    """Nobody, one that does not, and another than the admin are told apart; who does not tell the admin leaves it open."""
    found = election.led_by_the_admin(given_)
    holds = {"led-by-the-admin": True, "part-missing": None}.get(reason, False)
    assert (found.holds, found.reason) == (holds, reason)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"queue": 79}, "bounded"),
        ({"queue": 80}, "bounded"),
        ({"queue": 81}, "queue-full"),
        ({"backpressure": True}, "queue-full"),
        ({"dead_letters": 3}, "dead-letters-grow"),
        ({"dead_letters": 1}, "bounded"),
        ({"queue": 1, "capacity": 0}, "queue-full"),
    ],
)
def test_the_queue_and_the_dead_letters_are_bounded(told: dict[str, Any], reason: str) -> None:
    """A full queue, and dead letters that grow, fail it; old ones do not until they are many."""
    others = map(slurp_view, NODES[1:])
    found = election.queue_bounded(slurp(slurp_view("walnut", **told), *others), LIMITS)
    assert (found.holds, found.reason) == (reason == "bounded", reason)


@pytest.mark.parametrize(("letters", "reason"), [(99, "bounded"), (100, "bounded"), (101, "dead-letters")])
def test_old_dead_letters_are_few(letters: int, reason: str) -> None:
    """A hundred that do not grow are few, more are not."""
    old = tuple(slurp_view(node, dead_letters=letters) for node in NODES)
    found = election.queue_bounded(slurp(*old).model_copy(update={"first": old}), LIMITS)
    assert (found.holds, found.reason) == (reason == "bounded", reason)


def test_a_node_that_joins_in_the_window_was_not_seen_to_keep_up() -> None:
    """Whether its dead letters grow is not known; a full queue is known all the same."""
    joined = slurp(*map(slurp_view, (*NODES, "oak")))
    found = election.queue_bounded(joined, LIMITS)
    assert (found.holds, found.reason) == (None, "part-missing")
    assert "oak did not answer at the beginning" in found.observed


def test_a_queue_of_a_leader_that_does_not_answer_is_not_bounded() -> None:
    """Where the node that leads is the silent one, nobody has seen the queue; another silent node hides nothing."""
    silent = (NotAnswering(node="walnut", kind=ErrorKind.SILENT, told="no reply"),)
    others = slurp(slurp_view("ironwood"), slurp_view("acacia")).model_copy(update={"silent": silent})
    assert election.queue_bounded(others, LIMITS).reason == "silent"
    assert election.queue_bounded(slurp().model_copy(update={"silent": silent}), LIMITS).holds
