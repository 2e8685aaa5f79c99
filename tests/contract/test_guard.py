"""The guard's promise: whatever ends a run, nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING
from weakref import WeakSet

import pytest

from opsverify.servers import process
from opsverify.servers.guard import Guard
from opsverify.servers.process import OwnedProcess, free_port, refuse_if_answers
from opsverify.servers.redis import RedisServer, find_redis
from opsverify.servers.server import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from opsverify.servers.guard import Guard
from opsverify.servers.process import OwnedProcess

guard = Guard()
folder, kept = guard.folder("opsverify-test-"), guard.folder("opsverify-test-")
guard.keep(kept)
file = kept / "socket"
guard.file(file)
file.touch()
(folder / "within").mkdir()
child = OwnedProcess.start(["sleep", "300"], name="child", guard=guard, log=folder / "log")
paused = OwnedProcess.start(["sleep", "300"], name="paused", guard=guard, log=folder / "log")
paused.pause()
escaped = subprocess.Popen(["setsid", "sleep", "300"], env=guard.environment())
fork = os.fork()  # a fork holds the other end of the guard's pipe
if fork == 0:
    signal.pause()
print(json.dumps({"pids": [child.pid, paused.pid, escaped.pid], "guard": guard._process.pid, "fork": fork,
                  "folder": str(folder), "kept": str(kept), "file": str(file)}), flush=True)
time.sleep(300)
"""


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Give a guard of the test's own."""
    with Guard() as own:
        yield own


def gone(pid: int) -> bool:
    """Whether no such process runs; one that only waits to be reaped runs no more."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def until(holds: Callable[[], bool], expected: str, within: timedelta = timedelta(seconds=10)) -> None:
    """Look until it holds."""
    begin = time.monotonic()
    while not holds():
        waited = time.monotonic() - begin
        assert waited < within.total_seconds(), f"expected {expected}, not so after {waited:.1f} s"
        time.sleep(0.02)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_survives_the_parent(signum: int) -> None:
    """A killed run leaves no process, paused, escaped from its group or not, no folder, no file and no guard."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        told = json.loads(parent.stdout.readline())
        try:
            assert not any(gone(pid) for pid in [*told["pids"], told["guard"], told["fork"]])
            os.killpg(told["pids"][0], 0)
            for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(told["guard"], ignored)
            parent.send_signal(signum)
            parent.wait(10)
            until(lambda: all(gone(pid) for pid in told["pids"]), "no child alive")
            until(lambda: not Path(told["folder"]).exists(), "no folder left")
            until(lambda: not Path(told["file"]).exists(), "no file left")
            until(lambda: gone(told["guard"]), "the guard gone")
            assert Path(told["kept"]).exists()
        finally:
            os.kill(told["fork"], signal.SIGKILL)
            Path(told["kept"]).rmdir()


def test_closing_ends_what_is_registered_and_spares_what_was_released() -> None:
    """After close no registered process or folder is there; a group that was released is left alone."""
    with subprocess.Popen(["sleep", "300"], process_group=0) as spared:
        try:
            with Guard() as guard:
                folder = guard.folder("opsverify-test-")
                assert folder.stat().st_mode & 0o777 == 0o755
                owned = OwnedProcess.start(["sleep", "300"], name="sleeper", guard=guard, log=folder / "log")
                guard.group(spared.pid)
                guard.release(spared.pid)
            assert not folder.exists()
            assert owned.stop() == -signal.SIGKILL
            assert spared.poll() is None
            with pytest.raises(ServerFailed, match="closed"):
                guard.folder("opsverify-test-")
        finally:
            spared.kill()


def test_a_child_that_dies_is_told_at_once_with_its_log(guard: Guard) -> None:
    """A server that ends before it is ready is named at once, with its command, status and last words."""
    argv = [sys.executable, "-c", "print('no such luck'); raise SystemExit(7)"]
    owned = OwnedProcess.start(
        argv, name="luckless", guard=guard, log=guard.folder("opsverify-test-") / "log"
    )
    begin = time.monotonic()
    with pytest.raises(ServerFailed) as told:
        owned.wait_ready(lambda: "silence", timedelta(seconds=60))
    assert time.monotonic() - begin < 10
    for words in ("luckless", "status 7", "raise SystemExit(7)", "no such luck"):
        assert words in str(told.value)


def test_a_wait_that_ends_says_what_was_last_seen(guard: Guard) -> None:
    """A server that is not ready in time is told with the wait, the tries and the last thing seen."""
    folder = guard.folder("opsverify-test-")
    owned = OwnedProcess.start(["sleep", "300"], name="slow", guard=guard, log=folder / "log")
    with pytest.raises(
        ServerFailed, match=r"slow was not ready after 0\.\d s and \d+ tries; last seen: silence"
    ):
        owned.wait_ready(lambda: "silence", timedelta(milliseconds=100))
    assert owned.alive
    owned.pause()
    assert owned.stop() == -signal.SIGTERM
    assert owned.stop() == -signal.SIGTERM


def test_a_process_that_ignores_the_request_to_end_is_killed(guard: Guard) -> None:
    """SIGTERM ignored, SIGKILL follows."""
    folder = guard.folder("opsverify-test-")
    argv = ["sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done"]
    owned = OwnedProcess.start(argv, name="stubborn", guard=guard, log=folder / "log")
    owned.wait_ready(lambda: None if "ready" in owned.log_tail() else "not yet", timedelta(seconds=5))
    assert owned.stop(timedelta(milliseconds=200)) == -signal.SIGKILL


@pytest.mark.parametrize("origin", ["local", "wheel"])
def test_redis_comes_back_empty_on_its_port(guard: Guard, origin: str) -> None:
    """A killed Redis starts again on the same port; a port that answers is refused, naming it."""
    try:
        find_redis([origin])
    except ServerFailed as missing:
        pytest.skip(str(missing))
    server = RedisServer.start(origins=[origin], guard=guard)
    first = server.process.pid
    with pytest.raises(ServerFailed, match=f"stranger already answers on 127.0.0.1:{server.provided.port}"):
        refuse_if_answers("127.0.0.1", server.provided.port)
    with pytest.raises(ServerFailed, match="still runs"):
        server.start_again()
    server.kill()
    refuse_if_answers("127.0.0.1", server.provided.port)
    server.start_again()
    assert server.process.pid != first
    assert server.url == f"redis://127.0.0.1:{server.provided.port}/0"
    server.stop()


def test_a_missing_redis_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any server binary the message says which package has one."""
    monkeypatch.setattr("opsverify.servers.redis.shutil.which", lambda *_, **__: None)
    with pytest.raises(ServerFailed, match="apt-get install redis-server"):
        find_redis(["local"])
    with pytest.raises(ServerFailed, match="right would be"):
        find_redis(["docker"])


def test_free_ports_are_free() -> None:
    """A port that is handed out refuses connections, and a server can take it."""
    port = free_port()
    refuse_if_answers("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_promised_port_is_promised_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the promise and the start of the server no other run on this machine gets the same port."""
    port = free_port()
    monkeypatch.setattr(process, "BELOW_EPHEMERAL", (port, port))
    with pytest.raises(ServerFailed, match=r"no free TCP port on 127\.0\.0\.1 between"):
        free_port()
    program = f"from opsverify.servers import process; process.BELOW_EPHEMERAL = ({port}, {port}); process.free_port()"
    other = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "no free TCP port" in other.stderr


def test_promised_ports_keep_few_descriptors() -> None:
    """However many ports are promised, only the last are held."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2 * process.MOST_HELD):
        free_port()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + process.MOST_HELD


def test_closing_every_guard_ends_what_is_being_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a server under a guard that is closed meanwhile is told at once, and nothing can be started."""
    monkeypatch.setattr(Guard, "_open", WeakSet())  # not those that other tests stand on
    with Guard() as own:
        sleeping = OwnedProcess.start(["sleep", "60"], name="sleeper", guard=own, log=tmp_path / "log")
        Timer(0.2, Guard.close_all).start()
        began = time.monotonic()
        with pytest.raises(ServerFailed, match="sleeper ended with status -9"):
            sleeping.wait_ready(lambda: "never", timedelta(seconds=30))
        assert time.monotonic() - began < 10
        assert own.closed
        with pytest.raises(ServerFailed, match="the guard is closed"):
            own.folder("opsverify-test-")


def test_a_folder_that_was_closed_is_removed() -> None:
    """What a fault has closed to its own owner is removed all the same, and nothing that a link in it leads to is touched."""
    with Guard() as own:
        folder, kept = own.folder("opsverify-test-"), own.folder("opsverify-test-")
        own.keep(kept)
        inner = folder / "closed" / "deeper"
        inner.mkdir(parents=True)
        (inner / "file").touch()
        (folder / "closed" / "out").symlink_to(kept)
        for path in (inner, folder / "closed", folder):
            path.chmod(0)
    assert not folder.exists()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o755
    kept.rmdir()
