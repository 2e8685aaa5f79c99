"""What is told of nodes whose logs cannot be seen, are strange or too many, and of settings that are not there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.capacity import test_capacity as checks
from opsverify.model.deadline import seconds
from opsverify.servers.process import LOOPBACK, free_port
from systems.bzzz import host_client as hosts_client
from systems.bzzz.section import BzzzSection
from tests.hostile.bzzz_exporters import prometheus
from tests.hostile.bzzz_looking import LIMITS, section
from tests.hostile.bzzz_looking import patient_outcome as outcome
from tests.hostile.bzzz_looking import patient_verdict as verdict
from tests.hostile.servers import ESCAPES
from tests.hostile.tables import case

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.servers import Stage

DENIED = """echo "find: '/var/log/private': Permission denied" >&2; exit 1"""
NOT_SEEN = "UNKNOWN part-missing"
HANGS = "sleep 20"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a listing too long sooner."""
    monkeypatch.setattr(hosts_client, "_MOST_FILES", 4096)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder of logs with a small one in it."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "agent.log").write_bytes(b"x" * 100)
    return folder


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, does: str) -> None:
    """Have a program of this name do something else, for what is run from here on."""
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    (bin_ / name).chmod(0o755)
    if does == HANGS:
        monkeypatch.setattr(hosts_client, "_LOOK", seconds(0.4))
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")


def node(*folders: Path | str) -> dict[str, Any]:
    """A node that is this host, with its logs in these folders."""
    return {
        "host": LOOPBACK,
        "agent": f"http://{LOOPBACK}:1",
        "shell": "local://",
        "logs": [str(folder) for folder in folders],
    }


def target(*nodes: dict[str, Any], **more: Any) -> Any:
    """A target of these nodes; those with a shell are its hosts."""
    given = {f"n{i}": one for i, one in enumerate(nodes)}
    absent = dict.fromkeys(set(BzzzSection.surfaces) - {"nodes", "hosts", *more}, "not part of this test")
    return section(nodes=given, absent=absent, **more)


def grown(folder: Path, size: int, name: str = "grown.log") -> None:
    """A file of this size, with a hole."""
    with (folder / name).open("wb") as file:
        file.truncate(size)


async def told(*nodes: dict[str, Any], **limits: float) -> str:
    """What the check of log sizes says."""
    part = target(*nodes, limits={**LIMITS, **limits})
    return await verdict(checks.test_logs_do_not_grow_without_bound, part)


async def test_logs_are_judged_by_their_largest_and_by_all(logs: Path) -> None:
    """Each limit counts for itself, and its own value is still right."""
    assert await told(node(logs)) == "PASS logs-bounded"
    assert await told(node(logs), log_file=99) == "FAIL log-too-large"
    assert await told(node(logs), log_file=100, logs_in_all=99) == "FAIL logs-too-large"
    assert await told(node(logs), log_file=100, logs_in_all=100) == "PASS logs-bounded"


async def test_logs_that_nobody_could_see_are_no_pass(logs: Path) -> None:
    """No shell, no such folder, and a node that refuses: each is named; one that was seen to be too large still fails."""
    refusing = {**node(logs), "shell": f"ssh://{LOOPBACK}:{free_port()}", "identity_file": str(logs / "none")}
    assert await told(node(logs) | {"shell": None}) == "UNKNOWN precondition"
    assert await told(node(logs / "gone", logs / "gone-too")) == NOT_SEEN
    assert await told(node(logs, logs / "gone")) == "PASS logs-bounded"
    assert await told(node(logs), node(logs / "gone")) == NOT_SEEN
    assert await told(node(logs), refusing) == NOT_SEEN
    grown(logs, 2 * 1024**3)
    assert await told(node(logs), refusing) == "FAIL log-too-large"


@pytest.mark.parametrize(
    ("find", "expected"),
    [
        case(DENIED, NOT_SEEN, id="may not look"),
        case(f"printf '2147483648 /l/a\\0'; {DENIED}", "FAIL log-too-large", id="may not look everywhere"),
        case(HANGS, NOT_SEEN, id="hangs"),
        case("exit 127", "PASS logs-bounded", id="finds nothing"),
        case("printf 'some /l/a\\0-5 /l/b\\0'", NOT_SEEN, id="sizes that are none"),
        case("head -c 9000 /dev/zero | tr '\\0' x", NOT_SEEN, id="a flood"),
        case("yes '1 /l/a' | head -n 900 | tr '\\n' '\\0'", NOT_SEEN, id="more than are looked at"),
        case(f"printf '1 /l/%s\\0' '{ESCAPES}'; {DENIED}", NOT_SEEN, id="terminal escapes"),
    ],
)
async def test_a_listing_that_is_none(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, find: str, expected: str
) -> None:
    """What was not listed is not called small."""
    program(tmp_path, monkeypatch, "find", find)
    assert await told(node(logs)) == expected


async def test_names_cannot_make_a_log_large(logs: Path) -> None:
    """A name may hold what a listing is made of: it is a name all the same, and shown without what drives a terminal."""
    (logs / "a\n99999999999 ").mkdir()
    (logs / "a\n99999999999 " / f"b{ESCAPES.replace('/', '')}").write_bytes(b"x")
    part = target(node(logs))
    seen = await outcome(checks.test_logs_do_not_grow_without_bound, part)
    assert f"{seen.verdict} {seen.reason}" == "PASS logs-bounded"
    assert "n0: 2 files, 101 B" in seen.findings[0].observed
    grown(logs, 2 * 1024**3, f"large{ESCAPES}")
    seen = await outcome(checks.test_logs_do_not_grow_without_bound, part)
    assert seen.reason == "log-too-large"
    assert "\x1b" not in seen.model_dump_json()


SETTINGS = [
    case("echo 16777216", "PASS tuned", id="as they should be"),
    case("echo 212992", "FAIL not-tuned", id="as they come"),
    case("echo cat: no such file >&2; exit 1", "UNKNOWN empty", id="not there, as in a network namespace"),
    case(
        'case "$1" in *wmem*) exit 1;; *) echo 16777216;; esac',
        NOT_SEEN,
        id="one of them is not there",
    ),
    case(
        'case "$1" in *wmem*) exit 1;; *) echo 5;; esac', "FAIL not-tuned", id="one not there, one too small"
    ),
    case("echo -1", "UNKNOWN empty", id="negative"),
    case("echo many", "UNKNOWN empty", id="a word"),
    case(f"printf '{'9' * 5000}\\n'", "UNKNOWN empty", id="digits without end"),
    case("echo 16777216 4096 8192", "UNKNOWN empty", id="three numbers"),
    case(HANGS, "UNKNOWN silent", id="hangs"),
]


@pytest.mark.parametrize(("cat", "expected"), SETTINGS)
async def test_settings_by_a_shell(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cat: str, expected: str
) -> None:
    """Where no exporter tells them a shell does; what neither tells is UNKNOWN, unless another is too small."""
    program(tmp_path, monkeypatch, "cat", cat)
    part = target(node(), prometheus={"url": stage.http(prometheus({}))})
    assert await verdict(checks.test_nodes_have_the_tuned_settings, part) == expected


TOLD = {"rmem_max": [("a", 16777216), ("b", 16777216)], "wmem_max": [("a", 16777216), ("b", 16777216)]}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        case({}, "PASS tuned", id="as they should be"),
        case({"rmem_max": [("a", 16777216), ("b", 212992)]}, "FAIL not-tuned", id="one of them"),
        case({"rmem_max": [("a", 16777216)]}, NOT_SEEN, id="a node tells only one"),
        case(
            {"rmem_max": [("a", 212992)]}, "FAIL not-tuned", id="a node tells only one, another is too small"
        ),
        case({"rmem_max": [("a", 16777216), ("b", float("nan"))]}, "UNKNOWN empty", id="NaN"),
    ],
)
async def test_settings_by_exporters(
    stage: Stage, more: dict[str, list[tuple[str, float]]], expected: str
) -> None:
    """Every node that is scraped has to tell both."""
    part = section(prometheus={"url": stage.http(prometheus({**TOLD, **more}, nodes=("a", "b")))})
    assert await verdict(checks.test_nodes_have_the_tuned_settings, part) == expected
