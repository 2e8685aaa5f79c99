"""Client of a published address, as a browser sees it: its certificate for its name, and its HTTP status."""

from __future__ import annotations

import asyncio
import re
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from systems.bzzz.published.models import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from systems.bzzz.published.target import Published

    Trouble = Literal["", "expired", "not-yet-valid", "wrong-name", "too-weak"]

__all__ = ["look_at"]

# X509_V_ERR_* of OpenSSL (x509_vfy.h): errors of a certificate that a trusted authority has signed.
_TROUBLES: Mapping[int, Trouble] = {
    9: "not-yet-valid",
    10: "expired",
    62: "wrong-name",
    64: "wrong-name",
    66: "too-weak",
    67: "too-weak",
    68: "too-weak",
}
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d)[ \r\n]")
_MOST_BYTES = 8192
_MOST_NAMES = 12
_SERVER_ERRORS = range(500, 600)


async def look_at(target: Published, path: str, *, also: frozenset[int] = frozenset()) -> Endpoint:
    """The certificate of the target's public address, and the status of a GET of `path` there.

    A status below 500 is an answer, and so are those of `also`. Where the certificate is not valid for the name, the
    status is that of the same request without verification: a finding then says both.

    Raises:
        Unobservable: no trusted authority has signed it (unknown-ca), the port speaks no TLS (unexpected-reply), or 5xx.
    """
    url = target.published
    at = datetime.now(UTC)
    host = urlsplit(url).hostname or ""
    if urlsplit(url).scheme == "http":
        status, _ = await _get(url, path, None)
        _refuse_errors(url, status, also)
        return Endpoint(
            url=url, host=host, at=at, status=status, tls=False, without_tls=target.without_tls, trouble=""
        )
    trouble: Trouble = ""
    try:
        status, certificate = await _get(url, path, _verifying(target.ca_file))
    except ssl.SSLCertVerificationError as error:
        status, certificate = await _get(url, path, _trusting())
        if error.verify_code not in _TROUBLES:
            message = f"{url}: {error.verify_message}; issued by {_issuer(certificate)} for {', '.join(_names(certificate))}"
            raise Unobservable(
                ErrorKind.UNKNOWN_CA, bounded_text(f"{message}; set ca_file to its authority")
            ) from None
        trouble = _TROUBLES[error.verify_code]
    _refuse_errors(url, status, also)
    assert certificate is not None  # noqa: S101 - TLS servers always show one
    return Endpoint(
        url=url,
        host=host,
        at=at,
        status=status,
        tls=True,
        trouble=trouble,
        names=_names(certificate),
        issuer=_issuer(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _refuse_errors(url: str, status: int, also: frozenset[int]) -> None:
    if status in _SERVER_ERRORS and status not in also:
        raise Unobservable(ErrorKind.SERVER_ERROR, f"{url} answered {status}")


def _verifying(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Unobservable(ErrorKind.PRECONDITION, f"ca_file {ca_file}: {error}") from None


def _trusting() -> ssl.SSLContext:
    """A context without verification, only to read a certificate that was refused: no credentials are sent with it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _get(url: str, path: str, context: ssl.SSLContext | None) -> tuple[int, x509.Certificate | None]:
    """The status of one GET, and the server's certificate."""
    record_source(f"GET {url}{path}")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if context else 80)
    try:
        reader, writer = await asyncio.open_connection(
            host, port, ssl=context, limit=_MOST_BYTES, server_hostname=host if context else None
        )
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        raise Unobservable(
            ErrorKind.UNEXPECTED_REPLY, f"{url}: TLS handshake failed: {error.reason or error}"
        ) from None
    try:
        secured: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        der = secured.getpeercert(binary_form=True) if secured else None
        request = f"GET {parts.path}{path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: opsverify\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        await writer.drain()
        return await _status(url, reader), _decoded(url, der)
    finally:
        # No close() first: it waits for the peer's TLS shutdown, and Python 3.11.2 cannot abort after that.
        writer.transport.abort()


async def _status(url: str, reader: asyncio.StreamReader) -> int:
    try:
        line = await reader.readline()
    except ValueError:  # longer than a status line may be
        line = b"a line that does not end"
    if not line:
        raise Unobservable(ErrorKind.RESET, f"{url} closed the connection without an answer")
    match = _STATUS_LINE.match(line)
    if match is None:
        raise Unobservable(
            ErrorKind.UNEXPECTED_REPLY, f"{url} does not answer with HTTP: {bounded_text(repr(line), 100)}"
        )
    return int(match[1])


def _decoded(url: str, der: bytes | None) -> x509.Certificate | None:
    if der is None:
        return None
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        message = bounded_text(f"{url}: the certificate cannot be parsed: {error}")
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None


def _names(certificate: x509.Certificate | None) -> tuple[str, ...]:
    if certificate is None:
        return ()
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return ("no readable name",)
    names = [
        *extension.get_values_for_type(x509.DNSName),
        *map(str, extension.get_values_for_type(x509.IPAddress)),
    ]
    return tuple(bounded_text(name, 100) for name in names[:_MOST_NAMES])


def _issuer(certificate: x509.Certificate | None) -> str:
    if certificate is None:
        return "nobody"
    named = certificate.issuer.get_attributes_for_oid(
        NameOID.COMMON_NAME
    ) or certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return bounded_text(str(named[0].value), 120) if named else "an authority without a name"
