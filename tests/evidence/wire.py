"""Observations read again from the replies that were kept, whole or with a part less, through the decoders of the suite."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import time_machine

from opsverify.model.observation import Observation
from opsverify.run.gather import _unobservable
from tests.evidence.recording import SYSTEMS
from tests.evidence.replies import given_again
from tests.evidence.weaken import weaken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opsverify.model.observation import ObservationSpec
    from tests.evidence.recording import Case
    from tests.evidence.replies import Kept

__all__ = ["pieces", "reread", "section_of"]

_WITHIN_S = 2.0
_ENV = re.compile(r"MATRIX_\w+")
_OK = 200
_BODY = 3


def section_of(case: Case, system: str) -> Any:
    """The target's section; its secrets are not known any more, and nobody asks for them."""
    names = dict.fromkeys(_ENV.findall(json.dumps(case.section)), "not-known-any-more")
    with mock.patch.dict(os.environ, names):
        return SYSTEMS[system].section.model_validate(case.section)


async def reread(
    spec: ObservationSpec, section: Any, replies: Sequence[Kept], instead: Mapping[int, Any]
) -> Observation[Any]:
    """The observation, made from the replies at the time at which the first of them was given."""
    outcome: Any
    at = datetime.fromisoformat(replies[0].at)
    with time_machine.travel(at, tick=False) as clock, given_again(replies, instead), _waiting(clock):
        async with SYSTEMS[spec.system].connect(section) as client:
            try:
                async with asyncio.timeout(_WITHIN_S):
                    outcome = await spec.function(client)
            except Exception as error:  # noqa: BLE001 -- as the gathering does
                outcome = _unobservable(error)
    return Observation(
        name=spec.name,
        system=spec.system,
        surfaces=spec.surfaces,
        outcome=outcome,
        at=at,
        window=timedelta(0),
    )


@contextmanager
def _waiting(clock: time_machine.Traveller) -> Iterator[None]:
    """Whoever waits, waits on this clock: it goes on by as much, and a deadline is met by it."""
    original, waited = asyncio.sleep, 0.0

    async def sleep(delay: float, result: Any = None) -> Any:
        nonlocal waited
        waited += delay
        clock.shift(delay)
        return await original(0, result)

    with (
        mock.patch("asyncio.sleep", sleep),
        mock.patch(
            "opsverify.model.deadline.time", SimpleNamespace(monotonic=lambda: time.monotonic() + waited)
        ),
    ):
        yield


def pieces(reply: Kept, most: int) -> Iterator[tuple[str, str, Any]]:
    """Each way to weaken a reply: the place, what was done there, and what comes instead."""
    if not reply.of_http:
        for each in weaken(reply.came, most):
            yield each.where, each.how, each.value
        return
    status, content_type, date, body = reply.came
    if status != _OK:
        return
    try:
        told = json.loads(body)
    except ValueError:
        yield from ((where, how, [*reply.came[:_BODY], text]) for where, how, text in _lines(body, most))
        return
    for each in weaken(told, most):
        yield each.where, each.how, [status, content_type, date, json.dumps(each.value)]


def _lines(body: str, most: int) -> Iterator[tuple[str, str, str]]:
    lines, met = body.splitlines(keepends=True), dict[str, int]()
    for number, line in enumerate(lines):
        name = re.split(r"[ {]", line, maxsplit=1)[0]
        met[name] = met.get(name, 0) + 1
        if met[name] <= most and name != "#":
            yield name, "gone", "".join(lines[:number] + lines[number + 1 :])
            if re.search(r" [-+\d.e]+\s*$", line):
                nan = re.sub(r" [-+\d.e]+\s*$", " NaN\n", line)
                yield name, "NaN", "".join([*lines[:number], nan, *lines[number + 1 :]])
    yield "the page", "cut", "".join(lines[: len(lines) // 2])
