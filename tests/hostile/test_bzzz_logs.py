"""What is told of a Loki that answers badly, late, too much or not at all, and of lines that hold anything."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from checks.bzzz.logs import test_logs as checks
from checks.bzzz.logs.criteria import few_errors
from opsverify.evidence.redaction import Redactor
from systems.bzzz.client import open_bzzz
from systems.bzzz.logs.observations import loki_errors, service_errors
from systems.bzzz.services.models import ServiceSeen
from tests.hostile.bzzz_looking import DEADLINE, LIMITS, PATIENT, section
from tests.hostile.bzzz_looking import patient_outcome as outcome
from tests.hostile.bzzz_looking import patient_verdict as verdict
from tests.hostile.servers import (
    ESCAPES,
    MIB,
    Play,
    answer,
    bomb,
    closes,
    drips,
    endless,
    http,
    page,
    resets,
    silent,
)
from tests.hostile.tables import case

if TYPE_CHECKING:
    import asyncio
    from datetime import timedelta

    from opsverify.model.verdict import Finding
    from tests.hostile.servers import Stage

UNEXPECTED = "UNKNOWN unexpected-reply"
ERROR = "2026-11-21T03:00:00Z ERROR cannot reach the database"


def target(stage: Stage, play: Play, **limits: float) -> Any:
    """A target with this Loki; its window is an hour."""
    return section(loki={"url": stage.http(play)}, limits={**LIMITS, **limits})


_AGO = re.compile(r'"ago (-?[\d.]+)"')


def ago(seconds: float) -> str:
    """An instant so long before it is told; `loki` says it in Loki's words."""
    return f"ago {seconds}"


def in_words(told: Any) -> str:
    """An answer in JSON, each instant as of now."""
    now = time.time()
    return _AGO.sub(lambda found: f'"{int((now - float(found[1])) * 1e9)}"', json.dumps(told))


def streams(*values: Any, **labels: str) -> dict[str, Any]:
    """An answer with these values of one stream."""
    found = [{"stream": labels or {"job": "bzzz", "node": "walnut"}, "values": list(values)}]
    return {"status": "success", "data": {"resultType": "streams", "result": found if values else []}}


def loki(errors: Any, lines: Any = None) -> Play:
    """Answers what asks for errors with the one, what asks for any line with the other (a fresh one, without it); an
    answer is JSON, bytes, or made from the limit that was asked for.
    """

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked = parse_qs(urlsplit(head.split(b" ")[1].decode()).query)
        told = errors if "|~" in asked["query"][0] else lines or streams([ago(1), "a line"])
        told = told(int(asked["limit"][0])) if callable(told) else told
        writer.write(answer(told if isinstance(told, bytes) else in_words(told).encode()))
        await writer.drain()

    return play


DOWN = [
    case(silent, "FAIL silent", id="silent"),
    case(closes, "FAIL reset", id="closes"),
    case(resets, "FAIL reset", id="resets"),
    case(http(page("internal", status=500, kind="text/plain")), "FAIL server-error", id="500"),
    case(http(page("too many outstanding requests", status=429)), UNEXPECTED, id="429"),
    case(http(page("no org id", status=401)), "UNKNOWN denied", id="401"),
    case(http(page("no", status=403)), "UNKNOWN denied", id="403"),
    case(http(page("parse error at line 1", status=400)), UNEXPECTED, id="400"),
    case(http(page(b"", status=302, headers=("Location: /login",))), UNEXPECTED, id="302"),
    case(http(page("<!DOCTYPE html><title>Sign in</title>", kind="text/html")), UNEXPECTED, id="HTML"),
    case(http(page(b"")), UNEXPECTED, id="an empty page"),
    case(http(page("[" * 100_000)), UNEXPECTED, id="deeply nested"),
    case(http(page("null")), UNEXPECTED, id="null"),
    case(http(page({"status": "error"})), UNEXPECTED, id="an error with 200"),
    case(
        http(page({"status": "success", "data": {"resultType": "matrix", "result": []}})),
        UNEXPECTED,
        id="a matrix",
    ),
    case(http(endless(b" " * 65536)), UNEXPECTED, id="endless"),
    case(http(bomb()), UNEXPECTED, id="a bomb"),
    case(http(drips(b"{" + b" " * 5000)), "FAIL silent", id="drips"),
]


@pytest.mark.parametrize(("play", "expected"), DOWN)
async def test_a_loki_that_does_not_answer(stage: Stage, play: Play, expected: str) -> None:
    """What does not serve fails; what was not understood, or not allowed, is UNKNOWN."""
    deadline = DEADLINE if expected.endswith("silent") else PATIENT
    assert (
        await verdict(checks.test_few_errors_are_logged, target(stage, play), deadline=deadline) == expected
    )


def line(text: Any = ERROR, at: Any = None) -> dict[str, Any]:
    """An answer with one line."""
    return streams([ago(5) if at is None else at, text])


LINES = [
    case(loki(streams()), "PASS few-errors", id="no error"),
    case(loki(line()), "PASS few-errors", id="one error"),
    case(loki(streams(*([ago(n), ERROR] for n in range(20)))), "PASS few-errors", id="as many as may be"),
    case(loki(streams(*([ago(n), ERROR] for n in range(21)))), "FAIL errors-logged", id="one more"),
    case(loki(line("panic: index out of range")), "FAIL fatal-lines", id="a panic"),
    case(loki(line("FATAL: no memory")), "FAIL fatal-lines", id="FATAL"),
    case(loki(streams(), streams()), "UNKNOWN no-lines", id="no line at all"),
    case(loki(streams(), line("old", ago(900))), "FAIL logs-stopped", id="no new line"),
    case(loki(line(at="1e18")), UNEXPECTED, id="an instant in other words"),
    case(loki(line(at="")), UNEXPECTED, id="an empty instant"),
    case(loki(line(at="9" * 30)), UNEXPECTED, id="an instant beyond any year"),
    case(loki(line(at="9" * 5000)), UNEXPECTED, id="an instant without end"),
    case(loki(line(at="-1")), UNEXPECTED, id="before 1970"),
    case(loki(line(at=ago(7200))), UNEXPECTED, id="before the window"),
    case(loki(streams(), line("a line", ago(-86400))), UNEXPECTED, id="from tomorrow"),
    case(loki(line(at=1)), UNEXPECTED, id="a number"),
    case(loki(line(None)), UNEXPECTED, id="a line that is null"),
    case(loki(streams([ago(1)])), UNEXPECTED, id="a value without a line"),
    case(loki({"status": "success", "data": {"resultType": "streams"}}), UNEXPECTED, id="no result"),
    case(
        loki({"status": "success", "data": {"resultType": "streams", "result": [{"values": []}]}}),
        UNEXPECTED,
        id="a stream without labels",
    ),
    case(loki(streams([ago(1), ERROR], job="")), "PASS few-errors", id="empty labels"),
    case(loki(line("ERROR " + "x" * 500_000)), "PASS few-errors", id="a very long line"),
    case(loki(line("ERROR " + "x" * 2 * MIB)), UNEXPECTED, id="a line that is too long"),
    case(loki(line(f"ERROR {ESCAPES}\x00\ud800")), "PASS few-errors", id="terminal escapes"),
    case(
        loki(line(), {**line("a line"), "warnings": [ESCAPES * 1000] * 9}), "PASS few-errors", id="warnings"
    ),
]


@pytest.mark.parametrize(("play", "expected"), LINES)
async def test_lines_that_hold_anything(stage: Stage, play: Play, expected: str) -> None:
    """Errors are counted, a program's end fails at once, and nothing that was not read is called well."""
    told = await outcome(checks.test_few_errors_are_logged, target(stage, play))
    assert f"{told.verdict} {told.reason}" == expected
    assert "\x1b" not in told.model_dump_json()
    assert len(told.model_dump_json()) < 20_000


def large(most: int) -> dict[str, Any]:
    """As many lines as were asked for, each of 30 kB."""
    return streams(*([ago(n / 10), f"ERROR {n} " + "x" * 30_000] for n in range(most)))


async def test_more_lines_than_are_read_are_not_few(stage: Stage) -> None:
    """Where only the newest fit, there are more: too many for the limit, or nobody knows."""
    told = await outcome(checks.test_few_errors_are_logged, target(stage, loki(large), log_errors=19))
    assert told.reason == "errors-logged"
    assert told.findings[0].observed.startswith("at least 20 lines")
    assert (
        await verdict(checks.test_few_errors_are_logged, target(stage, loki(large)))
        == "UNKNOWN more-not-read"
    )


async def test_as_many_lines_as_were_asked_for_may_be_more(stage: Stage) -> None:
    """A limit of errors above what is read cannot be kept."""
    play = loki(lambda most: streams(*([ago(n / 100), ERROR] for n in range(most))))
    part = target(stage, play, log_lines=50, log_errors=60)
    assert await verdict(checks.test_few_errors_are_logged, part) == "UNKNOWN more-not-read"
    part = target(stage, play, log_lines=50, log_errors=49)
    assert await verdict(checks.test_few_errors_are_logged, part) == "FAIL errors-logged"


async def test_a_programs_end_is_shown_before_what_came_after_it(stage: Stage) -> None:
    """Among many errors the samples begin with what is worst."""
    values = [[ago(n), ERROR] for n in range(30)] + [[ago(60), "panic: no memory"]]
    told = await outcome(checks.test_few_errors_are_logged, target(stage, loki(streams(*values))))
    assert told.reason == "fatal-lines"
    assert "panic: no memory" in told.findings[0].details[0]


async def test_secrets_in_lines_stay_out_of_the_evidence(stage: Stage) -> None:
    """A line that tells a password, a login in an address, or the target's own secret, is saved without it."""
    text = "ERROR dsn=postgres://bzzz:hunter22@db/x password=letmein-2 bearer abcdefgh.ijkl own-secret-1234"
    part = target(stage, loki(line(text)))
    async with open_bzzz(part) as client:
        seen = await loki_errors.function(client)
    saved = json.dumps(Redactor({"LOKI": "own-secret-1234"}).data(seen.model_dump(mode="json")))
    assert "ERROR dsn=" in saved
    for secret in ("hunter22", "letmein-2", "abcdefgh.ijkl", "own-secret"):
        assert secret not in saved


class Manager:
    """A service manager whose services have written these lines."""

    def __init__(self, **lines: list[str]) -> None:
        self._lines = lines

    async def services(self) -> list[ServiceSeen]:
        """The services."""
        told: dict[str, Any] = {"image": "", "desired": 1, "tasks": (), "update_state": ""}
        return [ServiceSeen(name=name, **told) for name in self._lines]

    async def logs(self, service: str, *, since: timedelta, most: int) -> tuple[str, ...]:
        """The newest lines."""
        del since
        return tuple(self._lines[service][-most:])


async def judged(manager: Manager, **more: Any) -> Finding:
    """What is found in what the services wrote; raises Unobservable."""
    part = section(limits={**LIMITS, "log_lines": 10, "log_errors": 3}, **more)
    async with open_bzzz(part) as client:
        seen = await service_errors.function(replace(client, services=cast("Any", manager)))
    return few_errors(seen, part.limits)


async def test_services_logs_are_judged_as_lokis() -> None:
    """A few errors of all services pass, more and a program's end do not; Loki's absence is said."""
    assert (await judged(Manager(agent=[ERROR] * 2, front=[ERROR]))).reason == "few-errors"
    assert (await judged(Manager(agent=[ERROR] * 2, front=[ERROR] * 2))).reason == "errors-logged"
    fatal = await judged(Manager(agent=["FATAL: no memory", *[ERROR] * 6], front=[ERROR] * 3))
    assert fatal.reason == "fatal-lines"
    assert "agent: FATAL: no memory" in fatal.details[1]
    assert fatal.details[0] == "in place of Loki, which is declared absent: not part of this test"


async def test_what_was_not_read_of_a_services_log_is_said() -> None:
    """A service that wrote more than is read is judged by its newest lines, and the finding says so."""
    told = await judged(Manager(agent=["a line"] * 500))
    assert told.reason == "few-errors"
    assert "only the newest 10 lines of each were read" in told.expected
    assert "as far as" not in (await judged(Manager(agent=["a line"] * 9))).expected


@pytest.mark.parametrize("lines", [{}, {"agent": []}, {"agent": [], "front": []}])
async def test_services_that_wrote_nothing_are_no_pass(lines: dict[str, list[str]]) -> None:
    """Neither no service nor no line says that there were no errors."""
    none = await judged(Manager(**lines))
    assert (none.holds, none.reason) == (None, "no-lines")


async def test_services_lines_may_hold_anything() -> None:
    """They are bounded, and drive no terminal."""
    told = await judged(Manager(agent=[f"ERROR {ESCAPES}{'x' * 100_000}\ud800"] * 9))
    assert "\x1b" not in told.model_dump_json()
    assert len(told.model_dump_json()) < 10_000
