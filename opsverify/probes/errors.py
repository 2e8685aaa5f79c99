"""Errors of network libraries, turned into the reason why something was not observed."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING

from opsverify.model.observation import ErrorKind, Unobservable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["classify"]

_BY_ERRNO = {
    errno.ECONNREFUSED: ErrorKind.REFUSED,
    errno.ECONNRESET: ErrorKind.RESET,
    errno.EPIPE: ErrorKind.RESET,
    errno.ECONNABORTED: ErrorKind.RESET,
    errno.ENETUNREACH: ErrorKind.NO_ROUTE,
    errno.EHOSTUNREACH: ErrorKind.NO_ROUTE,
    errno.ETIMEDOUT: ErrorKind.SILENT,
}
# Libraries wrap the operating system's error; some keep only its text.
_BY_NAME = (
    ("ServerTimeoutError", ErrorKind.SILENT),
    ("ClientResponseError", ErrorKind.UNEXPECTED_REPLY),  # aiohttp: no HTTP, or too much of it
    ("DecodingError", ErrorKind.UNEXPECTED_REPLY),
    ("RemoteProtocolError", ErrorKind.UNEXPECTED_REPLY),
    ("InvalidResponse", ErrorKind.UNEXPECTED_REPLY),  # redis: no RESP
    ("BusyLoadingError", ErrorKind.SERVER_ERROR),  # redis calls it a connection error
    ("ClientPayloadError", ErrorKind.RESET),
    ("ClientConnectionError", ErrorKind.RESET),
    ("ServerDisconnected", ErrorKind.RESET),
    ("IncompleteRead", ErrorKind.RESET),
    ("ReadError", ErrorKind.RESET),
    ("ConnectTimeout", ErrorKind.SILENT),
    ("ReadTimeout", ErrorKind.SILENT),
    ("TimeoutError", ErrorKind.SILENT),
    ("AuthenticationError", ErrorKind.DENIED),
    ("NoPermissionError", ErrorKind.DENIED),
    ("AuthorizationError", ErrorKind.DENIED),
    ("ConnectionError", ErrorKind.RESET),
)
_CERTIFICATE_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


def _chain(error: BaseException) -> Iterator[BaseException]:
    visited: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        current = queue.pop(0)
        if current is None or id(current) in visited:
            continue
        visited.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            queue.extend(current.exceptions)
        nested = getattr(current, "os_error", None)  # aiohttp keeps the operating system's error here
        queue += [
            nested if isinstance(nested, BaseException) else None,
            current.__cause__,
            current.__context__,
        ]


def _kind(error: BaseException) -> ErrorKind | None:
    if isinstance(error, socket.gaierror):
        return ErrorKind.NAME_NOT_FOUND
    if isinstance(error, ssl.SSLCertVerificationError):
        code = getattr(error, "verify_code", None)  # aiohttp's own subclass has none: its cause does
        return (
            None
            if code is None
            else ErrorKind.CERTIFICATE_EXPIRED
            if code == _CERTIFICATE_EXPIRED
            else ErrorKind.UNKNOWN_CA
        )
    if isinstance(error, ssl.SSLError):
        return ErrorKind.UNEXPECTED_REPLY
    if isinstance(error, OSError) and error.errno in _BY_ERRNO:
        return _BY_ERRNO[error.errno]
    return None


def classify(error: BaseException) -> Unobservable:
    """The reason why `error` prevented an observation.

    A refusal or reset is told apart from a name that does not resolve, a certificate that expired from one that no trusted
    authority has signed; an error of no known kind is `probe-broken` (our own fault until shown otherwise), with its type
    and text.
    """
    if isinstance(error, Unobservable):
        return error
    chain = list(_chain(error))
    text = _short(error)
    for each in chain:
        kind = _kind(each)
        if kind is not None:
            return Unobservable(kind, text)
    for each in chain:
        if isinstance(each, ConnectionRefusedError):
            return Unobservable(ErrorKind.REFUSED, text)
        if isinstance(each, TimeoutError):
            return Unobservable(ErrorKind.SILENT, text)
    for name, by_name in _BY_NAME:  # by name first: httpx-aiohttp calls a server that hangs up ConnectTimeout
        if any(name in base.__name__ for each in chain for base in type(each).__mro__):
            return Unobservable(by_name, text)
    return Unobservable(ErrorKind.BROKEN, f"{type(error).__name__}: {text}")


def _short(error: BaseException) -> str:
    # aiohttp names its TLS mode in every message, also where there is no TLS.
    return (str(error).replace(" ssl:default", "") or type(error).__name__)[:400]
