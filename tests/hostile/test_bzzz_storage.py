"""What is told of a storage that is not there, is another, hangs, or of which the host's answers are no answers."""

from __future__ import annotations

import shlex
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.capacity import test_capacity as checks
from opsverify.model.arming import Arming
from opsverify.model.deadline import seconds
from opsverify.model.observation import Unobservable
from opsverify.servers.process import LOOPBACK, free_port
from systems.bzzz import host_client as hosts_client
from systems.bzzz.operator import BzzzOperator
from systems.bzzz.storage import operator as acting
from tests.hostile.bzzz_looking import patient_outcome as outcome
from tests.hostile.bzzz_looking import patient_verdict as verdict
from tests.hostile.bzzz_looking import section
from tests.hostile.servers import ESCAPES
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# That of a run: a path that hangs is a value, and comes before it.
UNEXPECTED = "UNKNOWN unexpected-reply"
PATH = "/rust/bzzz-v2"
ROOT = "/dev/sda1 / ext4 rw,relatime 0 0\n"
NFS = f"{ROOT}nas:/bzzz {PATH} nfs4 rw,relatime,vers=4.2 0 0\n"
HANGS = "sleep 20"
WELL = "echo 4096 1000 500; echo writable"


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Waits for what hangs, by what is done there, less long than in a run."""

    def shorten(does: str) -> None:
        if HANGS in does:
            monkeypatch.setattr(hosts_client, "_LOOK", seconds(0.4))

    return shorten


def host(folder: Path, table: str, path: str = WELL, **more: Any) -> dict[str, Any]:
    """A host whose mount table is this text (or what this command gives, after a !), and where looking into the path
    comes to what this command does.
    """
    (folder / "table").write_text(table, encoding="utf-8")
    told = table[1:] if table.startswith("!") else f"cat {shlex.quote(str(folder / 'table'))}"
    way = folder / "way.sh"
    way.write_text(f'case "$3" in *mounts*) {told};; *) {path};; esac\n', encoding="utf-8")
    return {"host": "local://", "paths": (PATH,), "enter": ("sh", str(way)), **more}


NOT_THERE = "UNKNOWN not-there"
STORAGES = [
    case(NFS, WELL, "PASS mounted", "PASS room-left", id="nfs4"),
    case(NFS.replace("nfs4", "nfs"), WELL, "PASS mounted", "PASS room-left", id="nfs"),
    case(ROOT, WELL, "FAIL not-mounted", NOT_THERE, id="not mounted"),
    case(NFS.replace("nfs4", "cifs"), WELL, "FAIL not-mounted", NOT_THERE, id="another type"),
    case(NFS.replace("nfs4 rw", "nfs4 ro"), WELL, "FAIL read-only", "PASS room-left", id="read-only"),
    case(f"{NFS}tmpfs {PATH} tmpfs rw 0 0\n", WELL, "FAIL not-mounted", NOT_THERE, id="covered by another"),
    case(f"{NFS}tmpfs {PATH}-2 tmpfs rw 0 0\n", WELL, "PASS mounted", "PASS room-left", id="a neighbour"),
    case(
        f"Last login: Sat Nov 21 on tty1\n\n{NFS}",
        WELL,
        "PASS mounted",
        "PASS room-left",
        id="a banner first",
    ),
    case(
        f"{ROOT}/dev/sdb /odd\\040\\011\x85\u2028\x0c ext4 rw 0 0\n{NFS}",
        WELL,
        "PASS mounted",
        "PASS room-left",
        id="odd characters",
    ),
    case("", WELL, UNEXPECTED, UNEXPECTED, id="an empty table"),
    case("Welcome.\n", WELL, UNEXPECTED, UNEXPECTED, id="only a banner"),
    case(f"{'x' * 80}\n" * 20_000 + NFS, WELL, UNEXPECTED, UNEXPECTED, id="a table that is too long"),
    case(f"!{HANGS}", WELL, "FAIL silent", "UNKNOWN silent", id="a host that hangs"),
    case(
        "!echo sudo: a password is required >&2; exit 1",
        WELL,
        "UNKNOWN denied",
        "UNKNOWN denied",
        id="not allowed",
    ),
    case(
        "!echo Error response from daemon: No such container: x >&2; exit 1",
        WELL,
        "UNKNOWN name-not-found",
        "UNKNOWN name-not-found",
        id="no such container",
    ),
    case(
        "!echo ssh: connect to host x: No route to host >&2; exit 255",
        WELL,
        "UNKNOWN no-route",
        "UNKNOWN no-route",
        id="no route",
    ),
    case(
        NFS,
        "echo 'sh: cd: Stale file handle' >&2; exit 2",
        "FAIL stale-handle",
        NOT_THERE,
        id="a stale handle",
    ),
    case(NFS, HANGS, "FAIL storage-hangs", NOT_THERE, id="hangs"),
    case(NFS, f"{WELL}; {HANGS}", "FAIL storage-hangs", NOT_THERE, id="answers and hangs"),
    case(
        NFS,
        'echo "cd: can\'t cd to x" >&2; exit 2',
        "FAIL path-missing",
        NOT_THERE,
        id="nothing of that name",
    ),
    case(NFS, "echo ls: Input/output error >&2; exit 1", "FAIL path-fails", NOT_THERE, id="broken"),
    case(NFS, "exit 1", "FAIL path-fails", NOT_THERE, id="no word of why"),
    case(NFS, "echo 4096 1000 500; echo not", "FAIL not-writable", "PASS room-left", id="not writable"),
    case(NFS, "echo Welcome; echo; " + WELL, "PASS mounted", "PASS room-left", id="a banner before the path"),
    case(NFS, "echo sh: stat: not found >&2; exit 127", UNEXPECTED, UNEXPECTED, id="no stat there"),
    case(NFS, "printf '4096 1000 500'", UNEXPECTED, UNEXPECTED, id="cut in its numbers"),
    case(NFS, "echo 4096 1000 500", UNEXPECTED, UNEXPECTED, id="cut before its rights"),
    case(NFS, "echo 4096 1000 500; echo perhaps", UNEXPECTED, UNEXPECTED, id="another word"),
    case(NFS, "echo 4096 -1 -1; echo writable", UNEXPECTED, UNEXPECTED, id="a negative size"),
    case(NFS, f"printf '{'9' * 400} 1 1\\nwritable\\n'", UNEXPECTED, UNEXPECTED, id="a size beyond any"),
    case(NFS, "true", UNEXPECTED, UNEXPECTED, id="nothing"),
    case(NFS, "echo 4096 0 0; echo writable", "PASS mounted", "UNKNOWN size-unknown", id="a size of nothing"),
    case(NFS, "echo 4096 1000 99; echo writable", "PASS mounted", "FAIL storage-full", id="nearly full"),
    case(NFS, "echo 4096 1000 100; echo writable", "PASS mounted", "PASS room-left", id="just enough room"),
    case(NFS, "echo 4096 1000 0; echo writable", "PASS mounted", "FAIL storage-full", id="full"),
    case(
        NFS,
        f"printf %s {shlex.quote(ESCAPES)} >&2; exit 1",
        "FAIL path-fails",
        NOT_THERE,
        id="terminal escapes",
    ),
]


@pytest.mark.parametrize(("table", "path", "there", "room"), STORAGES)
async def test_a_storage_that_is_not_as_it_should_be(  # noqa: PLR0917 - a table's columns
    tmp_path: Path, look: Callable[[str], None], table: str, path: str, there: str, room: str
) -> None:
    """What is seen to be wrong fails; what was not understood is UNKNOWN; nothing hangs."""
    look(table + path)
    part = section(storage=host(tmp_path, table, path))
    began = time.monotonic()
    told = await outcome(checks.test_storage_is_mounted_and_writable, part)
    assert time.monotonic() - began < 8
    assert f"{told.verdict} {told.reason}" == there
    assert "\x1b" not in told.model_dump_json()
    assert await verdict(checks.test_storage_has_room, part) == room


async def test_one_path_that_hangs_keeps_nobody_from_looking_at_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are told beside it, and the one that hangs is named."""
    monkeypatch.setattr(hosts_client, "_LOOK", seconds(1.5))
    hangs = f'case "$5" in {PATH}) {HANGS};; *) {WELL};; esac'
    storage = host(tmp_path, f"{NFS}nas:/more /more nfs4 rw 0 0\n", hangs, paths=(PATH, "/more"))
    told = (await outcome(checks.test_storage_is_mounted_and_writable, section(storage=storage))).findings[0]
    assert told.observed == "1 of 2 paths not mounted or not answering: /rust/bzzz-v2"
    assert told.details[0].startswith(f"{PATH}: nfs4 nas:/bzzz at {PATH}")
    assert told.details[1].startswith("/more: nfs4")


async def test_what_is_mounted_on_demand_is_looked_at_after_it_was_mounted(tmp_path: Path) -> None:
    """The table before the look names the automounter; one that stays is no storage."""
    auto = f"{ROOT}systemd-1 {PATH} autofs rw 0 0\n"
    (tmp_path / "before").write_text(auto, encoding="utf-8")
    (tmp_path / "after").write_text(f"{auto}nas:/bzzz {PATH} nfs4 rw 0 0\n", encoding="utf-8")
    mounts = f"!if test -e {tmp_path}/looked; then cat {tmp_path}/after; else cat {tmp_path}/before; fi"
    part = section(storage=host(tmp_path, mounts, f"touch {tmp_path}/looked; {WELL}"))
    assert await verdict(checks.test_storage_is_mounted_and_writable, part) == "PASS mounted"
    part = section(storage=host(tmp_path, auto))
    assert await verdict(checks.test_storage_is_mounted_and_writable, part) == "FAIL not-mounted"


NEEDS_SSH = pytest.mark.skipif(
    shutil.which("ssh") is None, reason="no ssh on this machine: apt-get install openssh-client"
)


@NEEDS_SSH
async def test_a_host_that_refuses_is_a_fail_and_one_without_a_name_is_not(tmp_path: Path) -> None:
    """As with every other surface: refused on an address that resolves fails; no name, no verdict."""
    key = tmp_path / "none"
    for address, expected in (
        (f"ssh://{LOOPBACK}:{free_port()}", "FAIL refused"),
        ("ssh://no-such-host.invalid", "UNKNOWN name-not-found"),
    ):
        part = section(storage={"host": address, "identity_file": str(key)})
        assert await verdict(checks.test_storage_is_mounted_and_writable, part) == expected


async def test_this_hosts_own_folder_is_looked_at_for_real(tmp_path: Path) -> None:
    """With no stand-in at all: a folder of this machine is writable, has a size, and is no NFS."""
    part = section(storage={"host": "local://", "paths": (str(tmp_path),)})
    told = await outcome(checks.test_storage_is_mounted_and_writable, part)
    assert [f.holds for f in told.findings] == [False, True]
    assert told.reason == "not-mounted"


PROBES = [
    case('exec "$@"', "", id="takes it"),
    case("exit 9", "cannot be written: no error message", id="does not"),
    case(
        "echo No space left on device >&2; exit 9", "cannot be written: No space left on device", id="is full"
    ),
    case("exit 8", "cannot be read back: no error message", id="loses it"),
    case("exit 7", "cannot be removed again: no error message", id="keeps it"),
    case("exit 6", "reads back with other content: no error message", id="changes it"),
    case("exit 127", "status 127: no error message", id="has no shell"),
    case(HANGS, "hangs: ", id="hangs"),
]


@pytest.mark.parametrize(("way", "expected"), PROBES)
async def test_a_file_that_the_storage_does_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, expected: str
) -> None:
    """Each way in which it fails is told by its path; where it may have been left behind, its name is."""
    if way == HANGS:
        monkeypatch.setattr(acting, "_WRITING", seconds(0.4))
    (tmp_path / "way.sh").write_text(f"{way}\n", encoding="utf-8")
    storage = {"host": "local://", "paths": (str(tmp_path),), "enter": ("sh", str(tmp_path / "way.sh"))}
    told = await operator(storage).write_probe()
    assert list(told) == [str(tmp_path)]
    assert told[str(tmp_path)].startswith(expected)
    assert (not expected) is (not told[str(tmp_path)])
    assert ("may be left there" in told[str(tmp_path)]) is expected.startswith("hangs")
    assert lying_in(tmp_path) == ["way.sh"]


async def test_a_file_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A path without a folder is told."""
    gone = str(tmp_path / "gone")
    told = await operator({"host": "local://", "paths": (gone,)}).write_probe()
    assert told[gone].startswith("cannot be written: ")


async def test_without_the_client_program_nothing_is_said_of_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where this machine has no ssh, that is no word on the host's storage."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unobservable, match=r"ssh: .*not found"):
        await operator({"host": "ssh://elsewhere", "paths": (PATH,)}).write_probe()


@NEEDS_SSH
async def test_a_file_that_a_host_cannot_be_asked_for(tmp_path: Path) -> None:
    """A host that refuses is no word on its storage."""
    gone = str(tmp_path / "gone")
    refusing = {"host": f"ssh://{LOOPBACK}:{free_port()}", "identity_file": gone}
    with pytest.raises(Unobservable, match="refused"):
        await operator(refusing).write_probe()


def lying_in(folder: Path) -> list[str]:
    """The names in a folder."""
    return [path.name for path in folder.iterdir()]


def operator(storage: dict[str, Any]) -> Any:
    """The operator of a twin with this storage."""
    return BzzzOperator(section(storage=storage), None, Arming(target="test", owned=True), None)  # type: ignore[arg-type]
