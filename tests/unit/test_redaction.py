"""Secrets do not leave memory, in whatever form they come back."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opsverify.evidence.redaction import MASK, Redactor
from opsverify.model.text import clean_text

SECRETS = st.text(min_size=8, max_size=40)
AROUND = st.text(max_size=20)
ORDINARY = st.text(alphabet="abcdefghijklmnop rstuvwxyz0123456789.,;()<>-_\n\täß→", max_size=200)


def forms(secret: str) -> list[str]:
    """The secret as it may come back."""
    raw = secret.encode()
    return [
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        raw.hex(),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
    ]


def kept(secret: str) -> Redactor:
    """A redactor of one secret, one that is no part of the mask itself."""
    assume(not any(form in MASK or MASK in form for form in forms(secret)))
    return Redactor({"lamp.password_env": secret})


@given(SECRETS, AROUND, AROUND)
def test_a_secret_is_found_in_every_form(secret: str, before: str, after: str) -> None:
    """No form of a secret of 8 characters or more survives in a text."""
    redactor = kept(secret)
    for form in forms(secret):
        assume(form not in before + MASK + after)
        seen = redactor.text(before + form + after)
        assert form not in seen
        assert MASK in seen


@given(secret=SECRETS, before=st.binary(max_size=7), after=st.binary(max_size=7), urlsafe=st.booleans())
def test_a_secret_is_found_inside_longer_base64(
    secret: str, before: bytes, after: bytes, *, urlsafe: bool
) -> None:
    """The base64 of a text that holds the secret at any offset cannot be decoded to the secret any more."""
    redactor = kept(secret)
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    seen = redactor.text(encode(before + secret.encode() + after).decode())
    assert MASK in seen
    for part in seen.split(MASK):
        for shift in range(4):
            cut = part[shift:]
            decoded = base64.b64decode(cut[: len(cut) // 4 * 4], altchars=b"-_" if urlsafe else None)
            assert secret.encode() not in decoded


@given(SECRETS)
def test_data_is_redacted_at_any_depth(secret: str) -> None:
    """Keys and values of nested data lose the secret, and other values stay as they are."""
    redactor = kept(secret)
    seen = redactor.data({"a": [{"b": (secret, 7, None, True, 2.5)}], secret: "x"})
    assert seen == {"a": [{"b": [MASK, 7, None, True, 2.5]}], MASK: "x"}


def test_a_secret_inside_another_is_masked_with_it() -> None:
    """Of two secrets of which one holds the other, no part of the longer one stays."""
    assert Redactor({"a": "hunter22", "b": "hunter22-and-more"}).text("hunter22-and-more!") == f"{MASK}!"


def test_a_secret_of_digits_is_masked_as_a_number() -> None:
    """A long secret that comes back as a number in JSON is masked."""
    assert Redactor({"a": "8675309111"}).data({"pin": [8675309111]}) == {"pin": [MASK]}


def test_a_secret_that_is_not_utf8_is_masked() -> None:
    """A secret from an environment variable that is no UTF-8 is masked as any other."""
    secret = b"caf\xe9-hunter2".decode("utf-8", "surrogateescape")
    assert secret not in Redactor({"a": secret}).text(f"login with {secret}")


def test_a_secret_with_control_characters_inside_is_masked() -> None:
    """A secret that a target echoes with control characters in between does not come together again when
    those are stripped.
    """
    assert "hunter22-long" not in clean_text(
        Redactor({"a": "hunter22-long"}).text("you sent hunter22\x00-long")
    )


@pytest.mark.parametrize(
    "text", ["1234", "redis://host/1234", "redis://:1234@host/0", "http://h/a?pin=1234&b=1"]
)
def test_a_short_secret_is_masked_as_a_whole_and_in_urls(text: str) -> None:
    """A secret under 8 characters is masked where it is the whole value or stands in a URL."""
    assert "1234" not in Redactor({"pin": "1234"}).text(text)


def test_a_short_secret_leaves_ordinary_words_alone() -> None:
    """A secret under 8 characters does not mask the words that contain it, and a warning says so."""
    redactor = Redactor({"lamp.pin_env": "on"})
    assert redactor.text("the lever is on, turn it on") == "the lever is on, turn it on"
    assert redactor.data({"count": 7}) == {"count": 7}
    assert len(redactor.warnings) == 1
    assert "lamp.pin_env" in redactor.warnings[0]
    assert "on," not in redactor.warnings[0]


def test_a_short_secret_of_digits_is_masked_as_a_number() -> None:
    """A short secret that comes back as a number is masked; true and false never are."""
    assert Redactor({"pin": "1"}).data([1, True, 1.0, 11]) == [MASK, True, 1.0, 11]


@given(
    st.one_of(st.floats(), st.integers()),
    st.text("0123456789.+-einfabx", min_size=1, max_size=10),
)
def test_a_number_is_masked_exactly_where_its_text_is(number: float, secret: str) -> None:
    """Whatever the secret looks like, a number hides nothing that its text would not."""
    redactor = Redactor({"a": secret})
    assert (redactor.data(number) == MASK) == (redactor.text(str(number)) != str(number))


@pytest.mark.parametrize(
    "text",
    [
        "redis://user:hunter2@host:6379/0",
        "see https://hunter2@host/x for it",
        "postgres+asyncpg://u:hunter2@h/db",
        "password=hunter2",
        "DB_PASSWORD: hunter2 was refused",
        "Authorization: Bearer hunter2.abcdefgh",
        "api-key=hunter2",
    ],
)
def test_credentials_that_nobody_declared_are_masked(text: str) -> None:
    """Credentials in URLs, in headers and behind names like password are masked without being declared."""
    assert "hunter2" not in Redactor({}).text(text)


@given(ORDINARY)
def test_ordinary_text_comes_back_unchanged(text: str) -> None:
    """A text without secrets comes back as it was."""
    assert Redactor({"a": "Correct-Horse-Battery"}).text(text) == text
    assert Redactor({}).text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "redis://host:6379/0",
        "mail ops@example.org at http://host/a",
        "XLEN oona.normal = 9000",
        "2 secrets were rotated",
    ],
)
def test_addresses_without_credentials_come_back_unchanged(text: str) -> None:
    """Addresses that hold no credentials come back as they were."""
    assert Redactor({"a": "Correct-Horse-Battery"}).text(text) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    )
)
def test_data_keeps_its_shape(value: Any) -> None:
    """Data without secrets comes back equal, tuples as lists."""
    assert Redactor({"a": "Correct-Horse-Battery"}).data(value) == value
