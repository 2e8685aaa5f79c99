"""Read-only client of a BZZZ agent's HTTP side: the main API in front of all agents, or one node's own."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from systems.bzzz.agents.models import Component, Components, ComponentState, Health, Refusal
from systems.bzzz.agents.ucxl import code_of
from systems.bzzz.election.models import NodeElection, NodeSlurp
from systems.bzzz.network.models import Peer

if TYPE_CHECKING:
    from opsverify.probes.http import Http, Reply

__all__ = ["WORDS", "AgentApiClient", "components_of", "election_of", "health_of", "peers_of", "slurp_of"]

_WITHIN = seconds(3)
_UNAVAILABLE = 503
_HEALTH_STATUSES = {200, _UNAVAILABLE}
_MOST_PEERS = 500
_MOST_COMPONENTS = 200
_MOST_CANDIDATES = 100

# The known values of `status` (facts; `degraded` is between the two); any other is an unexpected reply.
WORDS = {
    **dict.fromkeys(("healthy", "ok", "pass", "up"), ComponentState.HEALTHY),
    **dict.fromkeys(("degraded", "warn", "warning"), ComponentState.DEGRADED),
    **dict.fromkeys(("unhealthy", "critical", "fail", "down"), ComponentState.UNHEALTHY),
}


class AgentApiClient:
    """The endpoints of an agent's HTTP side. `url` None: the target configures no such surface, named `surface`."""

    def __init__(self, http: Http, url: str | None, surface: str = "api") -> None:
        self._http, self._url, self._surface = http, url, surface

    async def health(self) -> Health:
        """/health. HTTP 503 with a JSON object is a reply, not an error."""
        reply = await self._get("/health", _HEALTH_STATUSES)
        return health_of(reply)

    async def checks(self) -> Components:
        """/health/checks: every component's own check. HTTP 503 with a JSON object is a reply, not an error."""
        return components_of(await self._get("/health/checks", _HEALTH_STATUSES))

    async def election(self, node: str) -> NodeElection:
        """/api/election/status: this agent's view of the election."""
        return election_of(await self._get("/api/election/status", {200}), node)

    async def slurp(self, node: str) -> NodeSlurp:
        """/api/slurp/status: this agent's view of SLURP."""
        return slurp_of(await self._get("/api/slurp/status", {200}), node)

    async def peers(self) -> tuple[Peer, ...] | None:
        """The peers listed by this agent's p2p-health; None where it lists none (assumed)."""
        return peers_of(await self._get("/health/checks", _HEALTH_STATUSES))

    async def resolve(self, address: str, meant: str) -> tuple[Refusal, Any]:
        """/ucxi/v1/resolve: UCXI's answer to an address, with its body: 200, the 400 family, 503 with a body."""
        path = f"/ucxi/v1/resolve?{urlencode({'address': address})}"
        reply = await self._get(path, {200, *range(400, 500), _UNAVAILABLE} - {401, 403})
        try:
            body = reply.json()
        except Unobservable:
            if reply.status == 200:  # noqa: PLR2004 -- HTTP
                raise
            body = None
        shown = bounded_text(address, 60)
        return Refusal(address=shown, meant=meant, status=reply.status, code=code_of(body)), body

    async def _get(self, path: str, answers: set[int]) -> Reply:
        if self._url is None:
            raise Unobservable(ErrorKind.PRECONDITION, f"the target configures no {self._surface}")
        reply = await self._http.get(f"{self._url}{path}", answers=answers, within=_WITHIN)
        if reply.status == _UNAVAILABLE and not isinstance(_lenient(reply), dict):
            raise Unobservable(ErrorKind.SERVER_ERROR, f"{reply.url} answered {reply.shown()}")
        return reply


def _lenient(reply: Reply) -> Any:
    try:
        return reply.json()
    except Unobservable:
        return None


def _object(reply: Reply) -> dict[str, Any]:
    body = reply.json()
    if not isinstance(body, dict):
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{reply.url} is no JSON object: {reply.shown()}")
    return body


def _unexpected(reply: Reply, what: str) -> Unobservable:
    return Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{reply.url}: {what}: {reply.shown()}")


def health_of(reply: Reply) -> Health:
    """Parse a /health reply. Raises Unobservable for an unknown status."""
    word = _object(reply).get("status")
    if not isinstance(word, str) or (state := WORDS.get(word.lower())) is None:
        raise _unexpected(reply, f"status {bounded_text(repr(word), 60)} is none of {', '.join(WORDS)}")
    return Health(state=state, word=word, status=reply.status, shown=reply.shown())


def components_of(reply: Reply) -> Components:
    """Parse a /health/checks reply. Raises Unobservable where it lists no component."""
    checks = _object(reply).get("checks")
    if not isinstance(checks, dict):
        raise _unexpected(reply, "no object `checks`")
    if not checks:
        raise Unobservable(ErrorKind.EMPTY, f"{reply.url} lists no component")
    if len(checks) > _MOST_COMPONENTS:
        raise _unexpected(reply, f"more than {_MOST_COMPONENTS} components")
    components, strange = [], []
    for name, entry in checks.items():
        component = _component(bounded_text(str(name), 80), entry)
        if component is None:
            strange.append(f"{bounded_text(str(name), 80)}: {bounded_text(repr(entry), 120)}")
        else:
            components.append(component)
    return Components(components=tuple(components), strange=tuple(strange), listed=len(checks))


def _component(name: str, entry: Any) -> Component | None:
    if not isinstance(entry, dict):
        return None
    word, flag = entry.get("status"), entry.get("healthy")
    state = WORDS.get(word.lower()) if isinstance(word, str) else None
    if state is None and isinstance(flag, bool) and word is None:
        state = ComponentState.HEALTHY if flag else ComponentState.UNHEALTHY
    if state is None:
        return None
    message = entry.get("message")
    return Component(
        name=name,
        state=state,
        message=bounded_text(message, 200) if isinstance(message, str) else "",
        last_check=_moment(entry.get("last_check")),
        latency_ms=_number(entry.get("latency_ms")),
    )


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _moment(value: Any) -> datetime | None:
    """An RFC 3339 timestamp, None for anything else; one without an offset is not guessed at."""
    if not isinstance(value, str) or len(value) > 64:  # noqa: PLR2004 -- no moment is so long
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _name(reply: Reply, body: dict[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _unexpected(reply, f"{key} is no string")
    return bounded_text(value, 80)


def _count(reply: Reply, body: dict[str, Any], key: str) -> int:
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise _unexpected(reply, f"{key} is no count")
    return value


def peers_of(reply: Reply) -> tuple[Peer, ...] | None:
    """The `peers` of p2p-health: each with its node, kind (agent or bootstrap) and latency; None without that list."""
    checks = _object(reply).get("checks")
    entry = checks.get("p2p-health") if isinstance(checks, dict) else None
    listed = entry.get("peers") if isinstance(entry, dict) else None
    if not isinstance(listed, list):
        return None
    return tuple(
        Peer(
            node=bounded_text(str(peer.get("node")), 80),
            kind=bounded_text(str(peer.get("kind")), 20),
            latency_ms=_number(peer.get("latency_ms")),
            replies="latency_ms" not in peer or _number(peer["latency_ms"]) is not None,
        )
        for peer in listed[:_MOST_PEERS]
        if isinstance(peer, dict)
    )


def election_of(reply: Reply, node: str) -> NodeElection:
    """Parse an /api/election/status reply. Raises Unobservable where it is of another shape."""
    body = _object(reply)
    if "admin" not in body:
        raise _unexpected(reply, "no key `admin`")
    reported = body.get("candidates", [])
    entries = reported if isinstance(reported, list) else []
    candidates = {
        bounded_text(str(c["node"]), 80): tuple(bounded_text(str(r), 40) for r in c.get("roles") or ())
        for c in entries[:_MOST_CANDIDATES]
        if isinstance(c, dict) and "node" in c and isinstance(c.get("roles", []), list | None)
    }
    state = body.get("state")
    return NodeElection(
        node=node,
        admin=_name(reply, body, "admin"),
        term=_count(reply, body, "term"),
        state=bounded_text(state, 40) if isinstance(state, str) else "",
        heartbeat=_moment(body.get("last_heartbeat")),
        at=datetime.now(UTC),
        candidates=candidates,
    )


def slurp_of(reply: Reply, node: str) -> NodeSlurp:
    """Parse an /api/slurp/status reply. Raises Unobservable where it is of another shape."""
    body = _object(reply)
    if "leader" not in body:
        raise _unexpected(reply, "no key `leader`")
    leader, leading = _name(reply, body, "leader"), body.get("leading")
    return NodeSlurp(
        node=node,
        leader=leader,
        leading=leading if isinstance(leading, bool) else leader == node,
        queue=_count(reply, body, "queue_length"),
        capacity=_count(reply, body, "queue_capacity"),
        dead_letters=_count(reply, body, "dead_letters"),
        backpressure=body.get("backpressure") is True,
        handled=_count(reply, {"handled": 0, **body}, "handled"),
        duplicates=_count(reply, {"duplicates": 0, **body}, "duplicates"),
    )
