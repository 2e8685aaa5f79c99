"""What the checks say when the port of the bus misbehaves, looked at in this process; Nissa is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opsverify.model.observation import ErrorKind
from tests.hostile.looking import checks_of, down, section, verdicts
from tests.hostile.resp import INFO, bulk, error, hangs, pretends
from tests.hostile.servers import ESCAPES, MIB, Play, answer, closes, nissa, resets, says, silent
from tests.hostile.tables import case

if TYPE_CHECKING:
    from tests.hostile.servers import Stage

OF_REDIS = {"E-INF-1", "E-OON-1", "E-OON-2", "E-OON-5", "E-OON-6", "E-NIS-3", "E-NIS-4"}
NOT_RESP = "a reply that is no RESP is told as probe-broken, not as unexpected-reply (unreachable.py)"
NOT_READY = "a Redis that answers that it is not ready is told as reset (unreachable.py)"
ODD_REPLY = (
    "a reply of an unexpected type is told as probe-broken, not as unexpected-reply (bus_client.py, _ask)"
)
ERROR_REPLY = "an error reply is told as probe-broken or precondition, not as what it is (bus_client.py, _ask and newest)"
NO_BOUND = "a reply of any declared length is waited for (bus_client.py, connect_redis)"
ANY_TYPE = "whatever answers TYPE is taken for a type, without a bound (bus_client.py, stream)"


async def expect(stage: Stage, play: Play, expected: dict[str, str]) -> None:
    """Assert the verdict and reason of these checks, and that what needs only Nissa passes."""
    seen = await verdicts(section(stage.redis(play), stage.http(nissa())))
    assert {check: verdict for check, verdict in seen.items() if check in expected} == expected
    alone = seen.keys() & checks_of("nissa") - checks_of("redis")
    assert {check: seen[check] for check in alone if not seen[check].startswith("PASS")} == {}


def refuses(text: str) -> Play:
    """A Redis that answers every command with this error."""
    return pretends(dict.fromkeys(("PING", "INFO"), error(text)), rest=error(text))


SERVERS = [
    case(silent, "silent", id="accepts and never answers"),
    case(resets, "reset", id="accepts and resets"),
    case(closes, "reset", id="accepts and closes"),
    case(says(b""), "reset", id="reads and closes without a reset"),
    case(says(b"+PON"), "reset", id="half a reply"),
    case(says(b"\x00\xff\x1b[2J\r\n" * 50), "unexpected-reply", id="garbage"),
    case(says(b"SSH-2.0-OpenSSH_9.2\r\n", first=True), "unexpected-reply", id="ssh"),
    case(says(answer(b"", status=400)), "unexpected-reply", id="http"),
    case(refuses("NOAUTH Authentication required."), "denied", id="NOAUTH"),
    case(refuses("NOPERM this user has no permissions"), "denied", id="NOPERM"),
    case(
        refuses("DENIED Redis is running in protected mode"),
        "denied",
        id="protected mode",
    ),
    case(
        refuses("LOADING Redis is loading the dataset in memory"),
        "server-error",
        id="LOADING",
    ),
    case(
        refuses("MASTERDOWN Link with MASTER is down"),
        "server-error",
        id="MASTERDOWN",
    ),
    case(
        refuses("ERR max number of clients reached"),
        "server-error",
        id="too many clients",
    ),
    case(
        refuses(f"ERR {ESCAPES}"),
        "unexpected-reply",
        id="an error with terminal escapes",
    ),
    case(
        pretends({"PING": hangs(b"$999999999999\r\nabc")}),
        "unexpected-reply",
        id="huge length, then silence",
    ),
    case(pretends({"PING": hangs(b"*999999999\r\n")}), "silent", id="huge array, then silence"),
]


@pytest.mark.parametrize(("play", "kind"), SERVERS)
async def test_a_bad_server(stage: Stage, play: Play, kind: str) -> None:
    """A Redis that does not serve is FAIL for its own row and UNKNOWN for what depends on it, with the true reason."""
    expected = down("redis", ErrorKind(kind))
    assert set(expected) >= OF_REDIS
    await expect(stage, play, expected)


UNEXPECTED = "UNKNOWN unexpected-reply"
REPLIES = [
    case({"PING": bulk(b"x" * 5 * MIB)}, UNEXPECTED, id="PING of 5 MiB"),
    case({"PING": b"$-7\r\n"}, UNEXPECTED, id="PING of a negative length"),
    case({"PING": b"*1\r\n" * 100_000}, UNEXPECTED, id="PING nested 100,000 deep"),
    case({"INFO": bulk(b"x" * 5 * MIB)}, UNEXPECTED, id="INFO of 5 MiB"),
    case({"INFO": bulk("redis_version:7.0.15\r\nrole:master\r\n")}, UNEXPECTED, id="INFO without run_id"),
    case({"INFO": bulk("")}, UNEXPECTED, id="INFO empty"),
    case({"INFO": b"$-1\r\n"}, UNEXPECTED, id="INFO nil"),
    case({"INFO": b":5\r\n"}, UNEXPECTED, id="INFO a number"),
    case({"INFO": b"*2\r\n:1\r\n:2\r\n"}, UNEXPECTED, id="INFO an array"),
    case(
        {"INFO": bulk(INFO.replace("in_seconds:5", "in_seconds:soon"))},
        UNEXPECTED,
        id="INFO with a word for a number",
    ),
    case(
        {"INFO": bulk(INFO.replace("loading:0", "loading:1"))}, "FAIL refuses-writes", id="INFO says loading"
    ),
    case(
        {"INFO": bulk(INFO.replace("run_id:01", f"run_id:{ESCAPES}"))},
        "PASS same-server",
        id="run_id with terminal escapes",
    ),
]


@pytest.mark.parametrize(("replies", "expected"), REPLIES)
async def test_a_bad_server_reply(stage: Stage, replies: dict[str, bytes], expected: str) -> None:
    """What PING and INFO may answer is named; anything else is UNKNOWN with what came instead."""
    await expect(stage, pretends(replies), {"E-INF-1": expected})


STREAM = {"TYPE": b"+stream\r\n"}
STREAMS = [
    case({"TYPE": b"+string\r\n"}, "FAIL groups-missing", "UNKNOWN stream-missing", id="TYPE string"),
    case({"TYPE": b"$-1\r\n"}, UNEXPECTED, UNEXPECTED, id="TYPE nil"),
    case({"TYPE": b":7\r\n"}, UNEXPECTED, UNEXPECTED, id="TYPE a number"),
    case({"TYPE": bulk(b"x" * MIB)}, UNEXPECTED, UNEXPECTED, id="TYPE of 1 MiB"),
    case(
        {**STREAM, "XINFO STREAM": b":7\r\n"},
        UNEXPECTED,
        UNEXPECTED,
        id="XINFO a number",
    ),
    case({**STREAM, "XINFO STREAM": b"*-1\r\n"}, UNEXPECTED, UNEXPECTED, id="XINFO nil"),
    case(
        {**STREAM, "XINFO STREAM": b"*3\r\n+a\r\n+b\r\n+c\r\n"},
        UNEXPECTED,
        UNEXPECTED,
        id="XINFO of odd length",
    ),
    case(
        {**STREAM, "XINFO STREAM": b"*2\r\n+length\r\n+many\r\n"},
        UNEXPECTED,
        UNEXPECTED,
        id="XINFO with a word for a number",
    ),
    case(
        {**STREAM, "XINFO STREAM": error("WRONGTYPE Operation")},
        UNEXPECTED,
        UNEXPECTED,
        id="XINFO disagrees with TYPE",
    ),
]


@pytest.mark.parametrize(("replies", "groups", "depth"), STREAMS)
async def test_a_bad_stream_reply(stage: Stage, replies: dict[str, bytes], groups: str, depth: str) -> None:
    """What a stream's state may look like is named; anything else is UNKNOWN, never a missing group."""
    await expect(
        stage,
        pretends(replies),
        {
            "E-INF-1": "PASS same-server",
            "E-OON-1": groups,
            "E-OON-2": depth,
            "E-OON-5": depth.replace("stream-missing", "group-missing"),
        },
    )
