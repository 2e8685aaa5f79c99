"""Arbitrary bodies: whatever the bytes are, there is a value or a reason, and no other exception."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.evidence.redaction import Redactor
from opsverify.model.observation import Unobservable
from opsverify.model.text import bounded_text, clean_text
from opsverify.probes.http import Http, Reply
from systems.esper.bus.entries import decode_entry
from systems.esper.nissa.client import NissaClient, parse_exposition
from systems.esper.nissa.models import NissaMetrics
from tests.hostile.servers import EXPOSITION
from tests.hostile.tables import case
from tests.pace import Pace

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(("slo", "alerts")), inner, max_size=4)
    ),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {
        "slo": st.dictionaries(
            st.text(),
            st.fixed_dictionaries({"total": JSON, "violations": JSON, "burn_rate": JSON}),
            max_size=2,
        )
        | JSON,
        "alerts": st.dictionaries(
            st.text(), st.fixed_dictionaries({"metric": JSON, "value": JSON, "routes": JSON}), max_size=2
        )
        | JSON,
    }
)
LINES = st.lists(
    st.sampled_from(EXPOSITION.splitlines(keepends=True))
    | st.text(max_size=30)
    | st.sampled_from(
        (
            "# TYPE ",
            "# HELP ",
            "a_total{",
            '="',
            '"} ',
            "NaN\n",
            "+Inf\n",
            "1e999\n",
            "\n",
            "\\",
            "{",
            "}",
            ",",
            "# {",
            ' # {a="b"} 1 1\n',
            "\x1b[2J",
        )
    )
).map("".join)


class _Canned(Http):
    """Answers every question with one body."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def get(self, url: str, **_: Any) -> Reply:
        """The body."""
        return Reply(url, 200, "application/json", self._body, cut=False)


def _fit(metrics: NissaMetrics) -> bool:
    return bool(metrics.invalid) or all(math.isfinite(v) and v >= 0 for v in metrics.counters.values())


@given(st.binary(max_size=4000))
def test_any_bytes_as_an_exposition(body: bytes) -> None:
    """Arbitrary bytes as the metrics page give counters that can be judged, or say why they are none."""
    assert _fit(parse_exposition(Reply("u", 200, "text/plain", body, cut=False).text))


@given(LINES)
def test_anything_like_an_exposition(text: str) -> None:
    """Nearly right expositions give counters that can be judged, or say why they are none."""
    metrics = parse_exposition(text)
    assert _fit(metrics)
    assert "\x1b" not in metrics.invalid


@given(JSON | NEARLY)
def test_any_json_as_a_summary(value: Any) -> None:
    """Arbitrary JSON as the summary gives finite values, or Unobservable with what came."""
    client = NissaClient(_Canned(json.dumps(value).encode()), "http://127.0.0.1")
    with suppress(Unobservable):
        alerts, slos = asyncio.run(client.summary())
        assert all(math.isfinite(n) for n in [*(a.value for a in alerts), *(s.burn_rate for s in slos)])


@given(JSON)
def test_any_json_as_a_health_page(value: Any) -> None:
    """Arbitrary JSON as the health page gives a short clean status, or Unobservable with what came."""
    client = NissaClient(_Canned(json.dumps(value).encode()), "http://127.0.0.1")
    with suppress(Unobservable):
        seen = asyncio.run(client.health())
        assert seen.body == clean_text(seen.body)


@given(st.binary(max_size=2000))
def test_any_bytes_as_a_reply(body: bytes) -> None:
    """What a finding shows of a reply is short, clean, and fit for any encoding."""
    shown = Reply("u", 200, "text/\x1b[0m", body, cut=False).shown()
    assert "\x1b" not in shown
    assert len(shown) < 500
    assert shown.encode().decode() == shown


@given(
    st.dictionaries(
        st.binary(max_size=20) | st.sampled_from((b"payload", b"signature")),
        st.binary(max_size=300),
        max_size=4,
    )
)
def test_any_fields_of_an_entry(fields: dict[bytes, bytes]) -> None:
    """Whatever the fields of a stream entry hold, they decode or their problem is named, fit for the journal."""
    decoded = decode_entry(fields, secret="a secret of ours")
    assert json.dumps(Redactor({}).data(decoded.model_dump(mode="json")))


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_on_a_terminal(text: str) -> None:
    """Text from a target reaches a terminal without escapes, control characters and lone surrogates."""
    shown = bounded_text(text)
    assert shown.encode().decode() == shown
    assert not any((ord(c) < 0x20 and c not in "\t\n") or 0x7F <= ord(c) < 0xA0 for c in shown)


QUADRATIC = "the redactor's patterns take quadratic time (redaction.py, _NAMED and _URL_CREDENTIALS)"


@pytest.mark.parametrize(
    "text",
    [
        case("a-" * 2500, id="dashes"),
        case("password" * 2500, id="the word itself"),
        case("a" * 25_000 + "://", id="a long scheme"),
        case("://" + "a" * 25_000, id="a long host"),
        case("x://" * 10_000, id="many schemes"),
        case("secret = " * 5000, id="many keys"),
        case("password" + " " * 40_000, id="a key and spaces"),
        case("bearer " * 5000, id="many bearers"),
        case("\x1b[" + "0" * 40_000, id="an escape without end"),
        case("\x1b]" * 20_000, id="many escapes"),
    ],
)
def test_no_text_stalls_a_run(text: str) -> None:
    """Text that a target made up to be slow is redacted and cleaned in time that grows with its length only."""
    redactor = Redactor({"test": "a sentinel of ours"})
    with Pace() as pace:
        clean_text(redactor.text(text))
    assert pace.times < 20


def test_no_exposition_stalls_a_run() -> None:
    """An exposition that was made up to be slow does not hold up what else is being observed."""
    with Pace() as pace:
        assert parse_exposition(f'a{{b="{chr(92)}{chr(34)}' + '\\"' * 200_000 + '"} 1\n') is not None
    assert pace.times < 20
