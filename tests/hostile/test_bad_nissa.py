"""What the checks say when Nissa's port misbehaves, looked at in this process; the bus is a real and healthy Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opsverify.model.observation import ErrorKind
from tests.hostile.looking import down, section, verdicts
from tests.hostile.servers import (
    ESCAPES,
    EXPOSITION,
    MIB,
    TEXT,
    Act,
    Play,
    answer,
    bomb,
    closes,
    drips,
    endless,
    http,
    nissa,
    page,
    resets,
    says,
    silent,
)
from tests.hostile.tables import case

if TYPE_CHECKING:
    from tests.hostile.servers import Stage

NAN, INFINITY = float("nan"), float("inf")
OF_NISSA = {"E-NIS-1", "E-NIS-2", "E-NIS-3", "E-NIS-4"}
LOGIN = f"<!DOCTYPE html><title>Sign in</title><form action=/login>{ESCAPES}</form>"
SENT_AS_BROKEN = "a reply that is no HTTP is told as probe-broken, not as unexpected-reply (unreachable.py)"
CUT_IS_FAIL = "an exposition of which only 1 MiB was read is FAIL, though the rest was not looked at (nissa_client.py, metrics)"
LENIENT = "the summary is validated leniently and without bounds (nissa_client.py, summary)"
ANY_STATUS = "a status of any type is taken for Nissa's (nissa_client.py, health)"


async def expect(bus: str, url: str, expected: dict[str, str]) -> None:
    """Assert the verdict and reason of these checks, and that all others pass."""
    seen = await verdicts(section(bus, url))
    assert {check: verdict for check, verdict in seen.items() if check in expected} == expected
    rest = {check: verdict for check, verdict in seen.items() if check not in expected}
    assert rest.pop("E-OON-7") == "SKIP not armed"
    assert {check: verdict for check, verdict in rest.items() if not verdict.startswith("PASS ")} == {}


# The whole server: what it plays, and why it cannot be observed.
SERVERS = [
    case(silent, "silent", id="accepts and never answers"),
    case(resets, "reset", id="accepts and resets"),
    case(closes, "reset", id="accepts and closes"),
    case(says(b""), "reset", id="reads and closes without a reset"),
    case(
        says(bytes(range(256)) * 4),
        "unexpected-reply",
        id="garbage",
    ),
    case(
        says(b"SSH-2.0-OpenSSH_9.2\r\n", first=True),
        "unexpected-reply",
        id="ssh",
    ),
    case(
        says(b"-ERR wrong number of arguments for 'get' command\r\n"),
        "unexpected-reply",
        id="redis",
    ),
    case(
        http(page(LOGIN, kind="text/html")),
        "unexpected-reply",
        id="login page with 200",
    ),
    case(http(page(b'"' + b"x" * 5 * MIB + b'"')), "unexpected-reply", id="5 MiB"),
    case(http(endless(b"x" * 65536)), "unexpected-reply", id="endless body"),
    case(http(drips(b'{"status": "ok", "more": "and more"}')), "silent", id="a byte every 0.2 s"),
    *(case(http(page(LOGIN, status=s)), "server-error", id=str(s)) for s in (500, 503)),
    *(case(http(page(LOGIN, status=s)), "denied", id=str(s)) for s in (401, 403)),
    *(case(http(page(LOGIN, status=s)), "unexpected-reply", id=str(s)) for s in (201, 404, 429, 600)),
    case(
        http(page(status=302, headers=("Location: /login",))),
        "unexpected-reply",
        id="302",
    ),
    case(http(bomb()), "unexpected-reply", id="gzip bomb"),
    case(
        http(page(headers=("Content-Encoding: gzip",))),
        "unexpected-reply",
        id="gzip that is none",
    ),
    case(
        http(page(b'{"status', headers=("Content-Length: 500",))),
        "reset",
        id="less than its length",
    ),
    case(
        http(page(b"zz\r\nhello\r\n", headers=("Transfer-Encoding: chunked",))),
        "unexpected-reply",
        id="chunks that are none",
    ),
    case(
        says(answer(b"{}", headers=("Content-Length: -5",))),
        "unexpected-reply",
        id="negative length",
    ),
    case(
        says(answer(b"{}", headers=(f"X-Long: {'y' * 100_000}",))),
        "unexpected-reply",
        id="header of 100 kB",
    ),
    case(
        says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000),
        "unexpected-reply",
        id="200,000 headers",
    ),
]


@pytest.mark.parametrize(("play", "kind"), SERVERS)
async def test_a_bad_server(stage: Stage, bus: str, play: Play, kind: str) -> None:
    """A Nissa that does not serve is FAIL for its liveness row and UNKNOWN for what depends on it, with the true reason."""
    expected = down("nissa", ErrorKind(kind))
    assert set(expected) >= OF_NISSA
    await expect(bus, stage.http(play), expected)


HEALTH = [
    case(page({}), "UNKNOWN unexpected-reply", id="no status"),
    case(page([]), "UNKNOWN unexpected-reply", id="a list"),
    case(page("nope"), "UNKNOWN unexpected-reply", id="no JSON"),
    case(page(b"\xff\xfe{"), "UNKNOWN unexpected-reply", id="bytes"),
    case(page("[" * 100_000), "UNKNOWN unexpected-reply", id="deeply nested"),
    case(
        page('{"status": ' + "9" * 10_000 + "}"), "UNKNOWN unexpected-reply", id="a number of 10,000 digits"
    ),
    case(page({"status": NAN}), "UNKNOWN unexpected-reply", id="NaN"),
    case(
        page({"status": ["ok"]}),
        "UNKNOWN unexpected-reply",
        id="a status of another type",
    ),
    case(page({"status": "degraded"}), "FAIL not-ok", id="degraded"),
    case(page({"status": ESCAPES}), "FAIL not-ok", id="terminal escapes"),
    case(page('{"status": "\\ud800"}'), "FAIL not-ok", id="a lone surrogate"),
]


@pytest.mark.parametrize(("act", "expected"), HEALTH)
async def test_a_bad_health_page(stage: Stage, bus: str, act: Act, expected: str) -> None:
    """A health page that is not Nissa's is UNKNOWN, one that says something else than ok is FAIL."""
    await expect(bus, stage.http(nissa(healthz=act)), dict.fromkeys(("E-NIS-1", "E-UP-3"), expected))


def alert(**fields: object) -> Act:
    """A summary with one alert."""
    return page({"slo": {}, "alerts": {"a": {"metric": "m", "value": 1.0, "routes": [], **fields}}})


def slo(**fields: object) -> Act:
    """A summary with one SLO."""
    return page({"slo": {"s": {"total": 4, "violations": 1, "burn_rate": 0.1, **fields}}, "alerts": {}})


UNEXPECTED = "UNKNOWN unexpected-reply"
SUMMARIES = [
    case(page(""), UNEXPECTED, id="empty"),
    case(page("null"), UNEXPECTED, id="null"),
    case(page([]), UNEXPECTED, id="a list"),
    case(page({"slo": {}}), UNEXPECTED, id="no alerts"),
    case(page("[" * 100_000), UNEXPECTED, id="deeply nested"),
    case(alert(value=NAN), UNEXPECTED, id="alert of NaN"),
    case(alert(value=INFINITY), UNEXPECTED, id="alert of Infinity"),
    case(alert(value=-INFINITY), UNEXPECTED, id="alert of -Infinity"),
    case(alert(value="high"), UNEXPECTED, id="alert of a word"),
    case(alert(value=None), UNEXPECTED, id="alert of null"),
    case(alert(value=10**400), UNEXPECTED, id="alert beyond any float"),
    case(alert(metric=5), UNEXPECTED, id="metric is a number"),
    case(alert(routes="slack"), UNEXPECTED, id="routes are a text"),
    case(alert(value="1.5"), UNEXPECTED, id="alert of a quoted number"),
    case(alert(value=True), UNEXPECTED, id="alert of true"),
    case(slo(burn_rate=NAN), UNEXPECTED, id="burn rate of NaN"),
    case(slo(burn_rate=-1), UNEXPECTED, id="negative burn rate"),
    case(slo(burn_rate="0.1"), UNEXPECTED, id="quoted burn rate"),
    case(slo(burn_rate=False), UNEXPECTED, id="burn rate of false"),
    case(slo(violations=-1), UNEXPECTED, id="negative violations"),
    case(slo(violations=9), UNEXPECTED, id="more violations than samples"),
    case(slo(total=4.5), UNEXPECTED, id="half a sample"),
    case(alert(metric=ESCAPES, routes=[ESCAPES]), "FAIL alert-active", id="terminal escapes"),
    case(
        page('{"slo": {}, "alerts": {"\\ud800": {"metric": "\\udfff", "value": 1, "routes": []}}}'),
        "FAIL alert-active",
        id="lone surrogates",
    ),
]


@pytest.mark.parametrize(("act", "expected"), SUMMARIES)
async def test_a_bad_summary(stage: Stage, bus: str, act: Act, expected: str) -> None:
    """A summary with a value that cannot be judged is UNKNOWN, never quiet."""
    # An alert of another name is one neither on compile retries, on the pace of epochs, nor on isolation.
    rows = ("E-NIS-3",) if expected.startswith("FAIL") else ("E-NIS-3", "E-URZ-4", "E-TOL-2b", "E-REC-4b")
    await expect(bus, stage.http(nissa(summary=act)), dict.fromkeys(rows, expected))


def runs(value: str) -> Act:
    """The exposition with another value of the first counter."""
    return page(EXPOSITION.replace("runs_total 1.0", f"runs_total {value}"), kind=TEXT)


INVALID, UNREAD = "FAIL not-an-exposition", "UNKNOWN unexpected-reply"
EXPOSITIONS = [
    case(page(EXPOSITION[:-3], kind=TEXT), INVALID, UNREAD, id="last line cut"),
    case(
        page(EXPOSITION.encode()[:-1], kind=TEXT, headers=("Content-Length: 5000",)),
        "UNKNOWN reset",
        "UNKNOWN reset",
        id="connection cut",
    ),
    case(runs("NaN"), INVALID, UNREAD, id="NaN"),
    case(runs("+Inf"), INVALID, UNREAD, id="Infinity"),
    case(runs("-1"), INVALID, UNREAD, id="negative"),
    case(runs("many"), INVALID, UNREAD, id="a word"),
    case(page(f'{EXPOSITION}a{{b="{ESCAPES}"}} x\n', kind=TEXT), INVALID, UNREAD, id="terminal escapes"),
    case(page({"a": 1}), UNREAD, UNREAD, id="JSON"),
    case(page(LOGIN, kind="text/html"), UNREAD, UNREAD, id="HTML"),
    case(page("", kind=TEXT), "FAIL series-missing", UNREAD, id="empty"),
    case(page("node_load1 0.5\n", kind=TEXT), "FAIL series-missing", UNREAD, id="node-exporter"),
    case(page(f"{EXPOSITION}{'#' * 5 * MIB}\n", kind=TEXT), UNREAD, UNREAD, id="5 MiB"),
    case(endless(b"a_total 1.0\n" * 5000, kind=TEXT), UNREAD, UNREAD, id="endless"),
    case(bomb(kind=TEXT), UNREAD, UNREAD, id="gzip bomb"),
]


@pytest.mark.parametrize(("act", "metrics", "ingest"), EXPOSITIONS)
async def test_a_bad_exposition(stage: Stage, bus: str, act: Act, metrics: str, ingest: str) -> None:
    """Counters are judged only from an exposition that was read whole and is one."""
    await expect(
        bus, stage.http(nissa(metrics=act)), {"E-NIS-2": metrics, "E-UP-3": metrics, "E-NIS-4": ingest}
    )


async def test_a_healthy_site(stage: Stage, bus: str) -> None:
    """With a bus and a Nissa that are well every check passes: the other cases fail for their own reasons."""
    await expect(bus, stage.http(nissa()), {})
