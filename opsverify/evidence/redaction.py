"""Redaction of secrets from everything that leaves memory, in every encoding in which they come back."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote, quote_plus

from opsverify.model.text import clean_text

__all__ = ["MASK", "Redactor"]

MASK = "[redacted]"
_SHORT = 8
# A target must not make these slow: no unbounded repetition before the text that they match.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z0-9+.\-]://)(?P<login>[^\s/?#@]+)@")
_NAMED = re.compile(
    r"(?P<key>(?:password|passwd|secret|api[_\-]?key|access[_\-]?token|auth[_\-]?token)[\w\-]{0,40}\s{0,8}[=:]\s{0,8})(?P<value>[^\s&,;\"'}\]]{3,})",
    re.IGNORECASE,
)
_SUSPECT = re.compile(r"passw|secret|key|token|bearer|basic", re.IGNORECASE)
_IN_NUMBERS = re.compile(
    r"[-+0-9.einfa]+"
)  # what the text of a number is made of: no other secret stands in one
_MOST_REMEMBERED = 20_000
_LONGEST_REMEMBERED = 200
_AUTHORIZATION = re.compile(
    r"(?P<key>\b(?:authorization\s*[:=]\s*)?(?:bearer|basic)\s+)(?P<value>[A-Za-z0-9+/=._~\-]{8,})",
    re.IGNORECASE,
)


def _base64_forms(secret: str) -> set[str]:
    """The base64 of `secret`, alone and inside a longer text: whatever stands before it shifts it by 0, 1 or 2 bytes,
    and the characters at the edges mix with the neighbours, so only the certain middle is matched.
    """
    raw = secret.encode("utf-8", "surrogateescape")
    forms: set[str] = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.add(encode(raw).decode().rstrip("="))
        for shift in range(3):
            coded = encode(b"\0" * shift + raw).decode().rstrip("=")
            first = -(-shift * 8 // 6)
            last = (shift + len(raw)) * 8 // 6
            forms.add(coded[first:last])
    return forms


def _forms(secret: str) -> set[str]:
    forms = {
        secret,
        quote(secret, errors="surrogateescape"),
        quote(secret, safe="", errors="surrogateescape"),
        quote_plus(secret, errors="surrogateescape"),
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        *_base64_forms(secret),
        secret.encode("utf-8", "surrogateescape").hex(),
    }
    return {form for form in forms if len(form) >= _SHORT}


class Redactor:
    """Replaces secrets by a mask, before any encoding.

    A secret of 8 characters or more is found anywhere, also URL-quoted, JSON-escaped, hex and base64. A shorter
    one would mask ordinary words: it is masked only where it is the whole value or stands in a URL, and
    `warnings` says so. Credentials in URLs and values of keys that are named like secrets are masked always.
    """

    def __init__(self, secrets: dict[str, str]) -> None:
        self.warnings: list[str] = []
        self._short: set[str] = set()
        forms: set[str] = set()
        for name, secret in secrets.items():
            if not secret:
                continue
            if len(secret) < _SHORT:
                self._short.add(secret)
                self.warnings.append(
                    f"the secret in {name} is shorter than {_SHORT} characters: it is masked only as a whole value and in URLs"
                )
            else:
                forms |= _forms(secret)
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._known: dict[str, str] = {}  # keys and short texts come again and again
        self._numbers = any(map(_IN_NUMBERS.fullmatch, (*forms, *self._short)))

    def text(self, text: str) -> str:
        """`text` without secrets."""
        known = self._known.get(text)
        if known is None:
            known = self._redacted(text)
            if len(text) <= _LONGEST_REMEMBERED and len(self._known) < _MOST_REMEMBERED:
                self._known[text] = known
        return known

    def _redacted(self, text: str) -> str:
        if not text:
            return text
        if text in self._short:
            return MASK
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
            cleaned = clean_text(text)
            if cleaned != text and self._pattern.search(cleaned):  # it would come together when shown
                text = self._pattern.sub(MASK, cleaned)
        if "://" in text:
            text = _URL_CREDENTIALS.sub(rf"\g<scheme>{MASK}@", text)
            for short in self._short:
                text = re.sub(rf"(?<=[:/=@&?]){re.escape(short)}(?=[:/@&?#]|$)", MASK, text)
        if len(text) > _SHORT and _SUSPECT.search(text):
            text = _NAMED.sub(rf"\g<key>{MASK}", text)
            text = _AUTHORIZATION.sub(rf"\g<key>{MASK}", text)
        return text

    def data(self, value: Any) -> Any:
        """JSON-like `value` (dicts, lists, texts, numbers) without secrets, keys included."""
        if isinstance(value, str):
            return self._known.get(value) or self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, dict):
            known = self._known
            return {known.get(key) or self.text(str(key)): self.data(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        if self._numbers and isinstance(value, (int, float)):
            text = str(value)
            return MASK if self.text(text) != text else value
        return value
