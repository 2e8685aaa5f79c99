"""What is told of published addresses whose TLS, certificate or answer is bad, strange, or does not come."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID, NameOID

from checks.bzzz.published import test_published as published
from opsverify.servers.process import LOOPBACK, free_port
from tests.hostile.bzzz_looking import outcome, section, verdict
from tests.hostile.servers import ESCAPES, MIB, Play, closes, http, page, resets, says, silent
from tests.hostile.tables import case

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from tests.hostile.servers import Stage

UNEXPECTED = "UNKNOWN unexpected-reply"
YEAR = timedelta(days=365)
HTML = b"<!DOCTYPE html><title>Sign in</title>"
HERE = x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))])
ELSEWHERE = x509.SubjectAlternativeName([x509.DNSName("grafana.example.org")])
# A name of a kind that X.509 knows and nobody decodes (x400Address).
STRANGE = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3004a3023000"))


class Authority:
    """Signs certificates, its own by the one above it, if there is one."""

    def __init__(
        self, name: str = "test authority", above: Authority | None = None, *, ends: timedelta = YEAR
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.above = above
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = (above or self).sign(self.key, constraint, ends=ends, subject=self.name)

    def sign(
        self,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        *extensions: x509.ExtensionType,
        begins: timedelta = -YEAR,
        ends: timedelta = YEAR,
        subject: x509.Name | None = None,
    ) -> x509.Certificate:
        """A certificate for a key, valid from and until so long from now."""
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject or x509.Name([]))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )
        for extension in extensions:
            made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return made.sign(self.key, hashes.SHA256())

    def pem(self) -> bytes:
        """Its own certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def serving(self, folder: Path, names: x509.ExtensionType | None = HERE, **more: Any) -> ssl.SSLContext:
        """What a server shows with a certificate of this authority; with `chain`, what is above it too."""
        key, chain = more.pop("key", None) or ec.generate_private_key(ec.SECP256R1()), more.pop("chain", b"")
        leaf = self.sign(key, *([names] if names else []), **more)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = folder / "shown.pem"
        file.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM) + chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.load_cert_chain(file)
        return context


ROOT = Authority()
OLD = Authority("old authority", ends=-timedelta(days=3))
BELOW = Authority("below", ROOT)
BELOW_OLD = Authority("below the old", OLD)
GRAFANA = http(page(HTML, kind="text/html"))


def target(folder: Path, port: int, **more: Any) -> Any:
    """A target whose Grafana is published there; both roots are known."""
    file = folder / "ca.pem"
    file.write_bytes(ROOT.pem() + OLD.pem())
    return section(grafana={"url": f"https://{LOOPBACK}:{port}", "ca_file": str(file), **more})


CERTIFICATES = [
    case(ROOT, {}, "PASS certificate-right", id="right"),
    case(ROOT, {"ends": 7960 * YEAR}, "PASS certificate-right", id="for thousands of years"),
    case(ROOT, {"begins": -75 * YEAR}, "PASS certificate-right", id="from before there was TLS"),
    case(ROOT, {"ends": timedelta(days=13)}, "FAIL certificate-expiring", id="expires soon"),
    case(ROOT, {"ends": -timedelta(days=3)}, "FAIL certificate-expired", id="expired"),
    case(ROOT, {"begins": timedelta(days=3)}, "FAIL not-yet-valid", id="not yet valid"),
    case(ROOT, {"begins": YEAR, "ends": 2 * YEAR}, "FAIL not-yet-valid", id="valid next year"),
    case(ROOT, {"names": ELSEWHERE}, "FAIL wrong-name", id="another name"),
    case(ROOT, {"names": None}, "FAIL wrong-name", id="no name"),
    case(ROOT, {"names": STRANGE}, "FAIL wrong-name", id="a name that nobody decodes"),
    case(
        ROOT, {"names": ELSEWHERE, "ends": -timedelta(days=3)}, "FAIL wrong-name", id="another name, expired"
    ),
    case(Authority("stranger"), {}, "UNKNOWN unknown-ca", id="a stranger's"),
    case(Authority(ESCAPES), {}, "UNKNOWN unknown-ca", id="a stranger with terminal escapes"),
    case(Authority("stranger"), {"names": STRANGE}, "UNKNOWN unknown-ca", id="a stranger's odd names"),
    case(BELOW, {}, "UNKNOWN unknown-ca", id="without its chain"),
    case(BELOW, {"chain": BELOW.pem()}, "PASS certificate-right", id="with its chain"),
    case(
        BELOW_OLD, {"chain": BELOW_OLD.pem()}, "FAIL certificate-expired", id="an authority that has expired"
    ),
    case(
        ROOT,
        {"key": rsa.generate_private_key(public_exponent=65537, key_size=1024)},  # noqa: S505 - that is what is tested
        "FAIL too-weak",
        id="a key that is too short",
    ),
]


@pytest.mark.parametrize(("authority", "shown", "expected"), CERTIFICATES)
async def test_a_certificate_gets_its_own_verdict(
    stage: Stage, tmp_path: Path, authority: Authority, shown: dict[str, Any], expected: str
) -> None:
    """Only what an authority of ours has signed for this name, and lasts, passes; of a stranger's nothing is known."""
    port = stage.open(GRAFANA, authority.serving(tmp_path, **shown))
    told = await outcome(published.test_grafana_is_published_over_tls, target(tmp_path, port))
    assert f"{told.verdict} {told.reason}" == expected
    assert "\x1b" not in told.model_dump_json()


async def test_what_has_expired_above_a_certificate_is_said(stage: Stage, tmp_path: Path) -> None:
    """A certificate that lasts, below an authority that does not, is not called expired itself."""
    port = stage.open(GRAFANA, BELOW_OLD.serving(tmp_path, chain=BELOW_OLD.pem()))
    told = await outcome(published.test_grafana_is_published_over_tls, target(tmp_path, port))
    assert "days left, but its issuer's certificate has expired" in told.findings[0].observed


def tells(raw: bytes) -> Play:
    """Say this whatever is asked, and close: TLS cannot close one side alone."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()

    return play


ANSWERS = [
    case(GRAFANA, "PASS certificate-right", id="HTML"),
    case(http(page({}, status=401)), "PASS certificate-right", id="401"),
    case(http(page(b"", status=302, headers=("Location: /login",))), "PASS certificate-right", id="302"),
    case(http(page(HTML, status=503, kind="text/html")), "FAIL server-error", id="503 in HTML"),
    case(http(page({}, status=500)), "FAIL server-error", id="500"),
    case(tells(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 8 * MIB), "PASS certificate-right", id="a large page"),
    case(tells(b"SSH-2.0-x\r\n"), UNEXPECTED, id="no HTTP"),
    case(tells(b"HTTP/1.1 100 Continue\r\n\r\n"), UNEXPECTED, id="only a hint"),
    case(tells(b"HTTP/1.1 999 x\r\n\r\n"), UNEXPECTED, id="a status that is none"),
    case(tells(b"HTTP/1.1 200"), UNEXPECTED, id="a cut status line"),
    case(tells(b"x" * MIB), UNEXPECTED, id="a line without end"),
    case(closes, "FAIL reset", id="closes"),
    case(resets, "FAIL reset", id="resets"),
    case(silent, "FAIL silent", id="never answers"),
]


@pytest.mark.parametrize(("play", "expected"), ANSWERS)
async def test_an_answer_has_to_come(stage: Stage, tmp_path: Path, play: Play, expected: str) -> None:
    """A right certificate in front of what does not serve is no pass; what is behind a login has answered."""
    part = target(tmp_path, stage.open(play, ROOT.serving(tmp_path)))
    assert (
        await verdict(published.test_grafana_is_published_over_tls, part, deadline=1 if play is silent else 5)
        == expected
    )


HANDSHAKES = [
    case(says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), UNEXPECTED, id="plain HTTP"),
    case(says(bytes.fromhex("15030300020228")), UNEXPECTED, id="an alert"),
    case(says(b"\x16\x03\x03" + b"\xff" * 65536), UNEXPECTED, id="a greeting of nonsense"),
    case(silent, "FAIL silent", id="accepts and says nothing"),
    case(closes, "FAIL reset", id="closes"),
    case(resets, "FAIL reset", id="resets"),
    case(None, "FAIL refused", id="nothing listens"),
]


@pytest.mark.parametrize(("play", "expected"), HANDSHAKES)
async def test_a_handshake_that_does_not_come_about(
    stage: Stage, tmp_path: Path, play: Play | None, expected: str
) -> None:
    """Who refuses, resets or says nothing does not serve; who speaks another language was not understood."""
    part = target(tmp_path, free_port() if play is None else stage.open(play))
    assert (
        await verdict(published.test_grafana_is_published_over_tls, part, deadline=1 if play is silent else 5)
        == expected
    )


async def test_a_server_that_wants_to_know_who_asks(tmp_path: Path) -> None:
    """Where a certificate of our own is demanded, nothing was seen: no verdict on the system."""
    context = ROOT.serving(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED

    def refuse(listener: socket.socket) -> None:  # blocking: asyncio closes before it has sent its alert
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
            with suppress(ssl.SSLError):
                secured.do_handshake()
            time.sleep(0.3)  # closing with unread input would reset what was just sent

    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=refuse, args=(listener,), daemon=True).start()
        told = await outcome(
            published.test_grafana_is_published_over_tls, target(tmp_path, listener.getsockname()[1])
        )
    assert (told.verdict, told.reason) == ("UNKNOWN", "unexpected-reply")
    assert "certificate required" in told.explanation


@pytest.mark.parametrize("text", [None, "", "no certificate"])
async def test_a_ca_file_that_is_none_is_our_own_trouble(
    stage: Stage, tmp_path: Path, text: str | None
) -> None:
    """It is named, and the certificate is not judged."""
    file = tmp_path / "own.pem"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    port = stage.open(GRAFANA, ROOT.serving(tmp_path))
    told = await outcome(
        published.test_grafana_is_published_over_tls, target(tmp_path, port, ca_file=str(file))
    )
    assert (told.verdict, told.reason) == ("UNKNOWN", "precondition")
    assert str(file) in told.explanation


async def test_a_name_that_does_not_resolve_is_no_verdict() -> None:
    """Nobody knows what is there."""
    part = section(grafana={"url": "https://no-such-host.invalid"})
    assert await verdict(published.test_grafana_is_published_over_tls, part) == "UNKNOWN name-not-found"


PLAIN = [
    case(GRAFANA, {}, "FAIL no-tls", id="plain HTTP"),
    case(GRAFANA, {"without_tls": "a network of its own"}, "PASS without-tls", id="plain on purpose"),
    case(
        http(page(status=503)),
        {"without_tls": "a network of its own"},
        "FAIL server-error",
        id="503 on purpose",
    ),
    case(says(bytes.fromhex("15030300020246")), {"without_tls": "x"}, UNEXPECTED, id="TLS where none is"),
]


@pytest.mark.parametrize(("play", "more", "expected"), PLAIN)
async def test_an_address_without_tls(stage: Stage, play: Play, more: dict[str, str], expected: str) -> None:
    """Plain HTTP fails unless the target says why it may be."""
    part = section(grafana={"url": f"http://{LOOPBACK}:{stage.open(play)}", **more})
    assert await verdict(published.test_grafana_is_published_over_tls, part) == expected


async def test_what_health_says_with_503_is_an_answer_of_the_api_only(stage: Stage, tmp_path: Path) -> None:
    """Its health has a row of its own; another 5xx, and a 503 of Prometheus, is no answer."""
    unwell, broken = http(page({"status": "unhealthy"}, status=503)), http(page(status=502))
    known = {"ca_file": str(tmp_path / "ca.pem")}
    for play, expected in ((unwell, "PASS certificate-right"), (broken, "FAIL server-error")):
        url = f"https://{LOOPBACK}:{stage.open(play, ROOT.serving(tmp_path))}"
        target(tmp_path, 1)
        part = section(api={"url": url, **known}, prometheus={"url": url, **known})
        assert await verdict(published.test_the_api_is_published_over_tls, part) == expected
        assert await verdict(published.test_prometheus_is_published_over_tls, part) == "FAIL server-error"
