"""Why something was not observed: from what the network libraries really raise."""

from __future__ import annotations

import asyncio
import errno
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.probes.errors import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback that treats each connection with `answer`; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError, ssl.SSLError):
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def raised_by(url: str, context: ssl.SSLContext | None = None) -> BaseException:
    """What a GET of `url` raises with the client that the suite uses."""
    connector = aiohttp.TCPConnector(ssl=context or True)
    timeout = aiohttp.ClientTimeout(total=0.5)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:
        try:
            async with client.get(url) as response:
                await response.read()
        except Exception as error:  # noqa: BLE001 - whatever it is is what we are after
            return error
    msg = f"{url} answered"
    raise AssertionError(msg)


async def test_a_closed_port_is_refused() -> None:
    """A port that nobody listens on is refused, by HTTP and by a bare socket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert classify(await raised_by(f"http://127.0.0.1:{port}/")).kind is ErrorKind.REFUSED
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its kind is what is tested
        await asyncio.open_connection("127.0.0.1", port)
    assert classify(caught.value).kind is ErrorKind.REFUSED


async def test_a_bare_connection_that_is_reset_is_a_reset() -> None:
    """A reset that a bare socket meets is a reset."""
    with listening(_reset) as port, pytest.raises(OSError) as caught:  # noqa: PT011, PT012
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await reader.readexactly(1)
        finally:
            writer.close()
    assert classify(caught.value).kind is ErrorKind.RESET


async def test_a_server_that_hangs_up_is_a_reset() -> None:
    """A server that resets or just hangs up is told apart from one that is silent."""
    with listening(lambda connection: (connection.recv(65536), None)[1]) as port:
        assert classify(await raised_by(f"http://127.0.0.1:{port}/")).kind is ErrorKind.RESET


async def test_no_answer_is_silence() -> None:
    """A server that accepts and says nothing is silent."""
    done = threading.Event()
    with listening(lambda _: (done.wait(5), None)[1]) as port:
        assert classify(await raised_by(f"http://127.0.0.1:{port}/")).kind is ErrorKind.SILENT
        done.set()


async def test_a_name_that_does_not_resolve() -> None:
    """A name that does not exist is our trouble with names, not the server's refusal."""
    assert classify(await raised_by("http://no-such-host.invalid/")).kind is ErrorKind.NAME_NOT_FOUND


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with key.pem, and certificates for localhost: one that expired, one that is valid."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command")
    folder = tmp_path_factory.mktemp("certificates")
    key = folder / "key.pem"
    subprocess.run(
        [openssl, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key],
        check=True,
        capture_output=True,
    )
    subject = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-key",
        str(key),
    ]
    dates = ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"]
    made = subprocess.run(
        [openssl, "req", "-new", "-x509", *subject, *dates, "-out", folder / "expired.pem"],
        check=False,
        capture_output=True,
    )
    if made.returncode:  # before OpenSSL 3.4 only `openssl ca` sets dates
        _by_ca(openssl, folder, key)
    subprocess.run(
        [openssl, "req", "-new", "-x509", *subject, "-days", "3", "-out", folder / "valid.pem"],
        check=True,
        capture_output=True,
    )
    return folder


def _by_ca(openssl: str, folder: Path, key: Path) -> None:
    (folder / "index.txt").touch()
    (folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\n"
        f"serial={folder}/serial\n"
        "default_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n"
        "[e]\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"
        "basicConstraints=critical,CA:true\n",
        encoding="utf-8",
    )
    (folder / "serial").write_text("01\n", encoding="utf-8")
    subprocess.run(
        [openssl, "req", "-new", "-subj", "/CN=localhost", "-key", key, "-out", folder / "r.csr"],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        [
            openssl,
            "ca",
            "-batch",
            "-selfsign",
            "-config",
            folder / "ca.cnf",
            "-keyfile",
            key,
            "-in",
            folder / "r.csr",
            "-notext",
            "-startdate",
            "20200101000000Z",
            "-enddate",
            "20200201000000Z",
            "-out",
            folder / "expired.pem",
        ],
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize(
    ("certificate", "trusted", "kind"),
    [("expired.pem", True, ErrorKind.CERTIFICATE_EXPIRED), ("valid.pem", False, ErrorKind.UNKNOWN_CA)],
)
async def test_certificates(certificate: str, *, trusted: bool, kind: ErrorKind, certificates: Path) -> None:
    """A certificate that expired is the server's fault; one that nobody we trust has signed is not."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificates / certificate, certificates / "key.pem")
    context = ssl.create_default_context()
    if trusted:
        context.load_verify_locations(certificates / certificate)

    def answer(connection: socket.socket) -> None:
        serving.wrap_socket(connection, server_side=True).close()

    with listening(answer) as port:
        assert classify(await raised_by(f"https://localhost:{port}/", context)).kind is kind


async def test_something_that_speaks_no_tls_is_an_unexpected_reply() -> None:
    """A port that answers TLS with something else is no expired certificate."""
    with listening(lambda c: c.sendall(b"-ERR what?\r\n")) as port:
        assert classify(await raised_by(f"https://127.0.0.1:{port}/")).kind is ErrorKind.UNEXPECTED_REPLY


def _caused(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


def _kept(outer: BaseException, inner: object) -> BaseException:
    outer.os_error = inner  # type: ignore[attr-defined]
    return outer


class AuthenticationError(ConnectionError):
    """As redis-py has it."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unobservable(ErrorKind.EMPTY, "none"), ErrorKind.EMPTY),
        (OSError(errno.ENETUNREACH, "x"), ErrorKind.NO_ROUTE),
        (OSError(errno.EHOSTUNREACH, "x"), ErrorKind.NO_ROUTE),
        (OSError(errno.EPIPE, "x"), ErrorKind.RESET),
        (OSError(errno.ETIMEDOUT, "x"), ErrorKind.SILENT),
        (socket.gaierror(socket.EAI_AGAIN, "x"), ErrorKind.NAME_NOT_FOUND),
        (ConnectionRefusedError("no errno"), ErrorKind.REFUSED),
        (TimeoutError(), ErrorKind.SILENT),
        (httpx.ReadTimeout("x"), ErrorKind.SILENT),
        (asyncio.IncompleteReadError(b"", 4), ErrorKind.RESET),
        (AuthenticationError("WRONGPASS"), ErrorKind.DENIED),
        (_caused(RuntimeError("wrapped"), ConnectionResetError(errno.ECONNRESET, "x")), ErrorKind.RESET),
        (ExceptionGroup("several", [ValueError(), OSError(errno.ECONNREFUSED, "x")]), ErrorKind.REFUSED),
        (
            _kept(RuntimeError("as aiohttp keeps it"), ConnectionResetError(errno.ECONNRESET, "x")),
            ErrorKind.RESET,
        ),
        (_kept(RuntimeError("not an error"), "text"), ErrorKind.BROKEN),
        (KeyError("depth"), ErrorKind.BROKEN),
        (PermissionError(errno.EACCES, "x"), ErrorKind.BROKEN),
        (ZeroDivisionError(), ErrorKind.BROKEN),
    ],
)
def test_errors_have_their_kind(error: BaseException, kind: ErrorKind) -> None:
    """Each error has the kind that the runbook reader expects, wrapped ones too; what fits nothing is our
    own fault.
    """
    seen = classify(error)
    assert seen.kind is kind
    assert seen.seen


def test_a_chain_that_bites_its_tail_ends() -> None:
    """Errors that name each other as their cause are classified all the same, and what is shown is short."""
    one, other = ValueError("x" * 5000), KeyError("y")
    one.__cause__, other.__cause__ = other, one
    assert classify(one).kind is ErrorKind.BROKEN
    assert len(classify(one).seen) < 500


def test_a_broken_probe_names_its_error() -> None:
    """What fits nothing known is told with the type of the error."""
    assert classify(KeyError("depth")).seen == "KeyError: 'depth'"
