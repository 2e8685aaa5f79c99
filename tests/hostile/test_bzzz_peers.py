"""What the checks say when BZZZ's API, its agents or its bootstraps answer badly, or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.agents import test_api as api
from checks.bzzz.agents import test_ucxi as ucxi
from checks.bzzz.election import test_election as election
from checks.bzzz.election import test_slurp as slurp
from checks.bzzz.network import test_p2p as p2p
from checks.bzzz.network import test_pubsub as pubsub
from opsverify.servers.process import LOOPBACK, free_port
from tests.hostile.bzzz_looking import DEADLINE, PATIENT, outcome, section, verdict
from tests.hostile.servers import (
    ESCAPES,
    MIB,
    Act,
    Play,
    closes,
    endless,
    http,
    page,
    resets,
    silent,
)
from tests.hostile.tables import case

if TYPE_CHECKING:
    from tests.hostile.servers import Stage

LOGIN = f"<!DOCTYPE html><title>Sign in</title>{ESCAPES}"
UNEXPECTED = "UNKNOWN unexpected-reply"
NODES = ("walnut", "ironwood", "acacia")

HEALTH = [
    case(page({"status": "healthy"}), "PASS healthy", "PASS healthy", id="healthy"),
    case(
        page({"status": "ok", "more": {"keys": [1]}}), "PASS healthy", "PASS healthy", id="ok, and more keys"
    ),
    case(page({"status": "degraded"}), "PASS degraded", "FAIL degraded", id="200 degraded"),
    case(page({"status": "degraded"}, status=503), "PASS degraded", "FAIL degraded", id="503 degraded"),
    case(page({"status": "unhealthy"}, status=503), "FAIL unhealthy", "PASS unhealthy", id="503 with a body"),
    case(page({"status": "critical"}), "FAIL unhealthy", "PASS unhealthy", id="200 critical"),
    case(
        page("upstream failed", status=503, kind="text/plain"),
        "FAIL server-error",
        "UNKNOWN server-error",
        id="503 of a proxy",
    ),
    case(
        page(LOGIN, status=503, kind="text/html"),
        "FAIL server-error",
        "UNKNOWN server-error",
        id="503 in HTML",
    ),
    case(page({"status": "healthy"}, status=500), "FAIL server-error", "UNKNOWN server-error", id="500"),
    case(page(LOGIN, kind="text/html"), UNEXPECTED, UNEXPECTED, id="HTML of a proxy"),
    case(page({"status": "starting"}), UNEXPECTED, UNEXPECTED, id="an unknown word"),
    case(page({"status": f"{ESCAPES}healthy"}), UNEXPECTED, UNEXPECTED, id="terminal escapes"),
    case(page({"status": True}), UNEXPECTED, UNEXPECTED, id="true"),
    case(page([]), UNEXPECTED, UNEXPECTED, id="a list"),
    case(page("null"), UNEXPECTED, UNEXPECTED, id="null"),
    case(page("[" * 100_000), UNEXPECTED, UNEXPECTED, id="deeply nested"),
    case(page(f'{{"status": "healthy", "x": "{"y" * 2 * MIB}"}}'), UNEXPECTED, UNEXPECTED, id="2 MiB"),
    case(endless(b" " * 65536), UNEXPECTED, UNEXPECTED, id="endless"),
    case(
        page({"status": "healthy"}, status=302, headers=("Location: /login",)),
        UNEXPECTED,
        UNEXPECTED,
        id="a redirect",
    ),
    case(page({"error": "token"}, status=401), "UNKNOWN denied", "UNKNOWN denied", id="401"),
]


@pytest.mark.parametrize(("act", "worse", "milder"), HEALTH)
async def test_a_bad_health_page(stage: Stage, act: Act, worse: str, milder: str) -> None:
    """Only known words are judged, each by its own check; an answer of 503 with a body is an answer."""
    part = section(api={"url": stage.http(http({"/health": act}))})
    assert await verdict(api.test_the_api_is_not_unhealthy, part) == worse
    assert await verdict(api.test_the_api_is_not_degraded, part) == milder


@pytest.mark.parametrize(("play", "kind"), [(silent, "silent"), (resets, "reset"), (closes, "reset")])
async def test_an_api_that_does_not_serve(stage: Stage, play: Play, kind: str) -> None:
    """It is a FAIL of its own row, and UNKNOWN for what is judged from its contents."""
    part = section(api={"url": stage.http(play)})
    deadline = DEADLINE if kind == "silent" else PATIENT
    assert await verdict(api.test_the_api_is_not_unhealthy, part, deadline=deadline) == f"FAIL {kind}"
    assert await verdict(api.test_every_component_is_healthy, part, deadline=deadline) == f"UNKNOWN {kind}"


def checks(**entries: Any) -> Act:
    """A page of component checks, by their names with an underscore for the hyphen."""
    return page({"checks": {name.replace("_", "-"): entry for name, entry in entries.items()}})


WELL = {"status": "healthy", "message": "fine", "last_check": "2026-01-01T00:00:00Z", "latency_ms": 1.5}
COMPONENTS = [
    case(checks(dht_health=WELL), "PASS all-healthy", id="well"),
    case(checks(dht_health={"healthy": True}), "PASS all-healthy", id="a flag"),
    case(checks(dht_health={"healthy": False}), "FAIL component-unhealthy", id="a flag that is false"),
    case(
        checks(dht_health=WELL, ucxi_health={"status": "degraded"}),
        "FAIL component-degraded",
        id="one degraded",
    ),
    case(
        checks(dht_health={**WELL, "status": "critical", "message": ESCAPES}),
        "FAIL component-unhealthy",
        id="escapes",
    ),
    case(
        checks(dht_health={**WELL, "latency_ms": float("nan"), "last_check": "soon"}),
        "PASS all-healthy",
        id="NaN",
    ),
    case(checks(dht_health=WELL, new_health={"status": "purple"}), UNEXPECTED, id="an unknown word"),
    case(checks(dht_health=WELL, new_health="healthy"), UNEXPECTED, id="a component that is a text"),
    case(
        checks(dht_health={"status": "unhealthy"}, new_health=[]),
        "FAIL component-unhealthy",
        id="strange and ill",
    ),
    case(page({"checks": {}}), "UNKNOWN empty", id="no component"),
    case(page({"checks": []}), UNEXPECTED, id="a list"),
    case(page({"checks": {str(n): WELL for n in range(201)}}), UNEXPECTED, id="201 components"),
    case(page(LOGIN, kind="text/html"), UNEXPECTED, id="HTML"),
]


@pytest.mark.parametrize(("act", "expected"), COMPONENTS)
async def test_a_bad_page_of_components(stage: Stage, act: Act, expected: str) -> None:
    """No component, or one whose state is not understood, is never a pass."""
    part = section(api={"url": stage.http(http({"/health/checks": act}))})
    assert await verdict(api.test_every_component_is_healthy, part) == expected


def status(admin: object = "walnut", term: object = 3, **more: Any) -> Act:
    """An election status."""
    beat = {"last_heartbeat": "2026-01-01T00:00:00Z", "state": "follower", "candidates": []}
    return page({"admin": admin, "term": term, **beat, **more})


def nodes(stage: Stage, path: str, *acts: Act | None, **more: Any) -> dict[str, Any]:
    """Three nodes whose agents answer with these on a path; None: nothing listens."""
    plays = [http({path: act}) if act else None for act in acts]
    ports = [free_port() if play is None else stage.open(play) for play in plays]
    return {
        node: {"host": LOOPBACK, "agent": f"http://{LOOPBACK}:{port}", **more}
        for node, port in zip(NODES, ports, strict=True)
    }


ELECTIONS = [
    case((status(), status(), status()), "PASS one-admin", id="one mind"),
    case((status(), status("ironwood", 4), status("ironwood", 4)), "FAIL two-admins", id="two admins"),
    case((status(None), status(None), status(None)), "FAIL no-admin", id="nobody"),
    case((status(""), status(""), status("")), "FAIL no-admin", id="an empty name"),
    case((status(), status(), status(term=4)), "FAIL terms-differ", id="another term"),
    case((status(), status(), None), "FAIL refused", id="one does not answer"),
    case((None, None, None), "FAIL refused", id="none answers"),
    case((status(), status(), page({"term": 3})), UNEXPECTED, id="no admin told"),
    case((status(), status(), status(term="3")), UNEXPECTED, id="a quoted term"),
    case((status(), status(), status(term=-1)), UNEXPECTED, id="a negative term"),
    case((status(), status(), status(term=10**30)), UNEXPECTED, id="a term beyond any"),
    case((status(), status(), status(["walnut"])), UNEXPECTED, id="a list of admins"),
    case((status(), status(), page(LOGIN, kind="text/html")), UNEXPECTED, id="HTML"),
    case((status(), status(), page({}, status=404)), UNEXPECTED, id="404"),
    case(
        (status(candidates="walnut"), status(candidates=[1, {"node": 5}]), status(candidates=None)),
        "PASS one-admin",
        id="strange candidates",
    ),
]


@pytest.mark.parametrize(("acts", "expected"), ELECTIONS)
async def test_the_election_is_asked_of_each_node(
    stage: Stage, acts: tuple[Act | None, ...], expected: str
) -> None:
    """Each node's own answer counts; what is none of the known answers is UNKNOWN."""
    part = section(nodes=nodes(stage, "/api/election/status", *acts))
    assert await verdict(election.test_one_admin_is_elected, part) == expected


async def test_both_looks_are_shown(stage: Stage) -> None:
    """A disagreement is looked at twice, and both are in the finding."""
    part = section(nodes=nodes(stage, "/api/election/status", status(), status(), status("ironwood", 4)))
    told = (await outcome(election.test_one_admin_is_elected, part)).findings[0]
    assert sum(line.startswith("first sample: ") for line in told.details) == len(NODES)
    assert "acacia: admin ironwood, term 4, state follower" in " ".join(told.details)


async def test_a_node_whose_name_does_not_resolve_is_not_observed() -> None:
    """No name, no verdict: neither of the election nor of the bootstrap."""
    unknown = {"host": "no-such-host.invalid", "agent": "http://no-such-host.invalid:8081", "bootstrap": 9101}
    part = section(nodes={"walnut": unknown})
    assert await verdict(election.test_one_admin_is_elected, part) == "UNKNOWN name-not-found"
    assert await verdict(p2p.test_bootstraps_accept_and_keep_connections, part) == "UNKNOWN name-not-found"


async def _floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


BOOTSTRAPS = [
    case(silent, "PASS accepted", id="accepts and says nothing"),
    case(_floods, "PASS accepted", id="floods"),
    case(closes, "FAIL bootstrap-closed", id="accepts and closes"),
    case(resets, "FAIL bootstrap-reset", id="accepts and resets"),
    case(None, "FAIL bootstrap-refused", id="refuses"),
]


@pytest.mark.parametrize(("play", "expected"), BOOTSTRAPS)
async def test_a_bootstrap_has_to_keep_what_it_accepts(
    stage: Stage, play: Play | None, expected: str
) -> None:
    """A connection that is closed or reset within its time fails; one that is kept passes, whatever is said on it."""
    port = free_port() if play is None else stage.open(play)
    node = {"host": LOOPBACK, "agent": f"http://{LOOPBACK}:1", "bootstrap": port}
    seen = await verdict(p2p.test_bootstraps_accept_and_keep_connections, section(nodes={"walnut": node}))
    assert seen == expected


async def test_no_bootstrap_is_no_pass(stage: Stage) -> None:
    """A target that names no bootstrap has nothing that could accept."""
    part = section(nodes=nodes(stage, "/", page(), page(), page()))
    assert await verdict(p2p.test_bootstraps_accept_and_keep_connections, part) == "UNKNOWN empty"


@pytest.mark.parametrize(
    ("play", "expected"), [(silent, "UNKNOWN part-missing"), (closes, "FAIL bootstrap-closed")]
)
async def test_a_bootstrap_that_was_not_seen_is_no_pass(stage: Stage, play: Play, expected: str) -> None:
    """One that could not be tried leaves it open where the other accepts; what the other does wrong is known."""
    given = {
        "walnut": {"host": LOOPBACK, "agent": f"http://{LOOPBACK}:1", "bootstrap": stage.open(play)},
        "acacia": {"host": "no-such-host.invalid", "agent": f"http://{LOOPBACK}:1", "bootstrap": 9103},
    }
    assert await verdict(p2p.test_bootstraps_accept_and_keep_connections, section(nodes=given)) == expected


SLURP = {
    "node": "walnut",
    "leading": True,
    "leader": "walnut",
    "queue_length": 0,
    "queue_capacity": 64,
    "dead_letters": 0,
}
STATUSES = [
    case({}, "PASS led-by-the-admin", "PASS bounded", id="well"),
    case({"leading": False}, "FAIL not-led", "PASS bounded", id="not led"),
    case({"leader": "oak"}, "FAIL led-by-another", "PASS bounded", id="led by another"),
    case({"queue_length": 64, "backpressure": True}, "PASS led-by-the-admin", "FAIL queue-full", id="full"),
    case({"queue_length": -1}, UNEXPECTED, UNEXPECTED, id="a negative queue"),
    case({"queue_length": "0"}, UNEXPECTED, UNEXPECTED, id="a quoted queue"),
    case({"dead_letters": None}, UNEXPECTED, UNEXPECTED, id="no dead letters told"),
    case({"queue_capacity": True}, UNEXPECTED, UNEXPECTED, id="a capacity of true"),
]


@pytest.mark.parametrize(("told", "led", "bounded"), STATUSES)
async def test_a_bad_slurp_status(stage: Stage, told: dict[str, Any], led: str, bounded: str) -> None:
    """Counts that are none are not judged."""
    play = http({"/api/slurp/status": page({**SLURP, **told}), "/api/election/status": status()})
    one = {"walnut": {"host": LOOPBACK, "agent": stage.http(play)}}
    assert await verdict(slurp.test_slurp_is_led_by_the_admin, section(nodes=one)) == led
    assert await verdict(slurp.test_slurp_keeps_up, section(nodes=one)) == bounded


async def test_pubsub_that_nobody_lists_is_not_observed(stage: Stage) -> None:
    """Agents without that component are no pass, and one of several is a FAIL that names it."""
    path, other = "/health/checks", checks(dht_health=WELL)
    part = section(nodes=nodes(stage, path, other, other, other))
    assert await verdict(pubsub.test_pubsub_passes_its_active_check, part) == "UNKNOWN empty"
    well = checks(pubsub_health={"status": "healthy"})
    part = section(nodes=nodes(stage, path, well, well, other))
    assert await verdict(pubsub.test_pubsub_passes_its_active_check, part) == "FAIL not-listed"
    part = section(nodes=nodes(stage, path, well, well, well))
    assert await verdict(pubsub.test_pubsub_passes_its_active_check, part) == "UNKNOWN not-dated"
    part = section(nodes=nodes(stage, path, other, None, None))
    assert await verdict(pubsub.test_pubsub_passes_its_active_check, part) == "FAIL refused"
    part = section(nodes=nodes(stage, path, None, None, None))
    assert await verdict(pubsub.test_pubsub_passes_its_active_check, part) == "FAIL refused"


REFUSED = {"error": {"code": "UCXL-400-INVALID_ADDRESS"}}
BOUNDARIES = [
    case(page(REFUSED, status=400), "FAIL refuses-well-formed", id="refuses everything"),
    case(page({"code": "UCXL-200-SUCCESS"}), "FAIL malformed-accepted", id="accepts everything"),
    case(
        page({"code": "UCXL-404-NOT_FOUND"}, status=404), "FAIL malformed-looked-up", id="looks everything up"
    ),
    case(page({"code": "UCXL-503-DHT"}, status=503), "UNKNOWN server-error", id="503 with a code"),
    case(page(LOGIN, status=502, kind="text/html"), "UNKNOWN server-error", id="502"),
    case(page(LOGIN, kind="text/html"), UNEXPECTED, id="HTML"),
    case(page({}, status=401), "UNKNOWN denied", id="401"),
]


def resolving(act: Act) -> Play:
    """A server that does this for every address."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await act(writer)
        await writer.drain()

    return play


@pytest.mark.parametrize(("act", "expected"), BOUNDARIES)
async def test_a_boundary_that_cannot_tell_good_from_bad(stage: Stage, act: Act, expected: str) -> None:
    """One that refuses everything is no boundary either; an answer of a proxy is none of UCXI's."""
    part = section(api={"url": stage.http(resolving(act))})
    assert await verdict(ucxi.test_malformed_addresses_are_refused, part) == expected
