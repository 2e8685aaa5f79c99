"""Files read through testinfra from real hosts: this one, and one behind a real sshd; and what is said where there is none."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.esper.twin.forge import Compiler, ForgeProgram, LibraryFolder
from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.probes.blocking import in_thread
from opsverify.probes.host import HostReader
from opsverify.servers.guard import Guard
from opsverify.servers.process import LOOPBACK, OwnedProcess, free_port
from systems.esper.forge.client import FilesClient
from systems.esper.forge.target import FilesTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
NEEDS_SSHD = pytest.mark.skipif(SSHD is None, reason="no sshd on this machine (Debian: openssh-server)")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a root with a library that a forge has filled."""
    folder = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        compiler = Compiler(Path("var/artifacts"), max_retries=2, pace_s=0, failing={})
        ForgeProgram(LibraryFolder(Path("var/urza")), compiler, Path("var/urza/forge_wal.json")).run()
    return folder


class Ssh:
    """A real sshd on loopback with a key of its own, and a client's configuration that trusts it."""

    def __init__(self, folder: Path, guard: Guard, settings: str = "") -> None:
        """`settings` are more lines of the server's configuration."""
        self.port, self.folder = free_port(), folder
        for key in ("host", "client", "stranger"):
            self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
        shutil.copy(folder / "client.pub", folder / "authorized")
        trusted = (folder / "host.pub").read_text(encoding="utf-8")
        (folder / "known").write_text(f"[{LOOPBACK}]:{self.port} {trusted}", encoding="utf-8")
        (folder / "unknown").write_text("", encoding="utf-8")
        server = (
            f"ListenAddress {LOOPBACK}\nPort {self.port}\nHostKey {folder / 'host'}\nStrictModes no\n"
            f"AuthorizedKeysFile {folder / 'authorized'}\nPasswordAuthentication no\nUsePAM no\nPidFile none\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        (folder / "sshd_config").write_text(server + settings, encoding="utf-8")
        for name in ("known", "unknown"):
            client = f"Host *\n  UserKnownHostsFile {folder / name}\n  StrictHostKeyChecking yes\n  IdentitiesOnly yes\n"
            (folder / f"{name}.config").write_text(client, encoding="utf-8")
        if os.geteuid() == 0:
            with suppress(FileExistsError):  # where sshd as root separates its privileges
                Path("/run/sshd").mkdir(mode=0o755)
        self.process = OwnedProcess.start(
            [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")],
            name="sshd",
            guard=guard,
            log=folder / "log",
        )
        self.process.wait_ready(self._probe, seconds(10))

    def target(
        self, root: Path, *, known: str = "known", key: str = "client", port: int | None = None
    ) -> FilesTarget:
        """Build the target of this host."""
        return FilesTarget(
            host=f"ssh://{getpass.getuser()}@{LOOPBACK}:{port or self.port}",
            root=str(root),
            ssh_config=str(self.folder / f"{known}.config"),
            identity_file=str(self.folder / key),
        )

    def _probe(self) -> str | None:
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1).close()
        except OSError as error:
            return str(error)
        return None

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=20)


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ssh]:
    """Give a running sshd."""
    with Guard() as guard:
        served = Ssh(tmp_path_factory.mktemp("ssh"), guard)
        yield served
        served.process.stop()


async def told(target: FilesTarget) -> Unobservable:
    """What kept us from the files of this target."""
    with pytest.raises(Unobservable) as refused:
        await FilesClient(target).rights()
    return refused.value


@NEEDS_SSHD
async def test_a_library_reads_the_same_over_ssh(ssh: Ssh, root: Path) -> None:
    """What is read of a library over ssh is what is read of it here."""
    here = await FilesClient(FilesTarget(host="local://", root=str(root))).library()
    assert len(here.blueprints) == 50
    assert await FilesClient(ssh.target(root)).library() == here


@NEEDS_SSHD
async def test_a_page_of_a_file_is_its_bytes(ssh: Ssh, root: Path) -> None:
    """Bytes of every value come over ssh as they are, from any offset."""
    content = bytes(range(256)) * 40
    (root / "bytes").write_bytes(content)
    reader = HostReader(ssh.target(root))
    assert await in_thread(reader.page, str(root / "bytes"), 300, 5000) == content[300:5300]


@NEEDS_SSHD
async def test_a_key_that_is_not_let_in_is_denied(ssh: Ssh, root: Path) -> None:
    """A login that sshd refuses is DENIED, and nobody is asked for a password."""
    assert (await told(ssh.target(root, key="stranger"))).kind is ErrorKind.DENIED


@NEEDS_SSHD
async def test_a_host_that_nobody_vouches_for_is_not_trusted(ssh: Ssh, root: Path) -> None:
    """An unknown host key is an unknown authority, and is not accepted on the way."""
    assert (await told(ssh.target(root, known="unknown"))).kind is ErrorKind.UNKNOWN_CA


@NEEDS_SSHD
async def test_a_port_that_nobody_serves_is_refused(ssh: Ssh, root: Path) -> None:
    """Where no sshd listens, the connection is refused."""
    assert (await told(ssh.target(root, port=free_port()))).kind is ErrorKind.REFUSED


@NEEDS_SSHD
async def test_a_host_that_says_nothing_is_silent(ssh: Ssh, root: Path) -> None:
    """A server that accepts and never speaks is silent, within seconds."""
    with socket.create_server((LOOPBACK, 0)) as mute:
        assert (await told(ssh.target(root, port=mute.getsockname()[1]))).kind is ErrorKind.SILENT


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh on this machine")
async def test_a_name_that_does_not_resolve_is_not_found(root: Path) -> None:
    """A host's name that nobody knows is NAME_NOT_FOUND."""
    target = FilesTarget(host="ssh://nobody@no-such-host.invalid", root=str(root))
    assert (await told(target)).kind is ErrorKind.NAME_NOT_FOUND


async def test_a_host_without_its_client_program(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the docker client is not installed, that is a precondition."""
    for name in ("timeout", "sh"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tmp_path))
    target = FilesTarget(host="docker://esper", root=str(root))
    assert (await told(target)).kind is ErrorKind.PRECONDITION


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Error response from daemon: No such container: esper", ErrorKind.NAME_NOT_FOUND),
        ("Error response from daemon: container 12ab is not running", ErrorKind.REFUSED),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            ErrorKind.REFUSED,
        ),
        ("permission denied while trying to connect to the Docker daemon socket", ErrorKind.DENIED),
        ("something else", ErrorKind.UNEXPECTED_REPLY),
    ],
)
async def test_what_docker_says_is_told_apart(
    said: str, kind: ErrorKind, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each way in which a container cannot be looked into has its kind."""
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n", encoding="utf-8")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert (await told(FilesTarget(host="docker://esper", root=str(root)))).kind is kind
