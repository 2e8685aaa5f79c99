"""A state folder that cannot be used is told before anything is looked at: exit 4, with the folder and the way out."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def _a_file(folder: Path) -> Mapping[str, str]:
    (folder / "file").write_text("", encoding="utf-8")
    return {"OPSVERIFY_STATE": str(folder / "file")}


def _below_a_file(folder: Path) -> Mapping[str, str]:
    return {"OPSVERIFY_STATE": _a_file(folder)["OPSVERIFY_STATE"] + "/deeper"}


def _locks_is_a_file(folder: Path) -> Mapping[str, str]:
    (folder / "used").mkdir()
    (folder / "used" / "locks").write_text("", encoding="utf-8")
    return {"OPSVERIFY_STATE": str(folder / "used")}


def _leads_nowhere(folder: Path) -> Mapping[str, str]:
    (folder / "link").symlink_to(folder / "gone" / "further")
    return {"OPSVERIFY_STATE": str(folder / "link")}


def _closed(folder: Path) -> Mapping[str, str]:
    (folder / "closed").mkdir(mode=0o500)
    return {"OPSVERIFY_STATE": str(folder / "closed")}


def _of_the_kernel(_folder: Path) -> Mapping[str, str]:
    return {"OPSVERIFY_STATE": "/proc/opsverify"}


def _no_home(_folder: Path) -> Mapping[str, str]:
    return {"OPSVERIFY_STATE": "", "HOME": "", "XDG_STATE_HOME": ""}


PLACES: Mapping[str, Callable[[Path], Mapping[str, str]]] = {
    "a file": _a_file,
    "below a file": _below_a_file,
    "its locks are a file": _locks_is_a_file,
    "a link that leads nowhere": _leads_nowhere,
    "read-only": _of_the_kernel,
    "no home": _no_home,
    "closed to this user": _closed,
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("target", [(), ("--target", "live")], ids=["twin", "live"])
def test_a_state_folder_that_cannot_be_used(tmp_path: Path, name: str, target: tuple[str, ...]) -> None:
    """Whatever keeps it from being used, the folder is named, and the variable that names another."""
    if name == "closed to this user" and os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    if name == "a link that leads nowhere" and os.geteuid() == 0:
        (tmp_path / "gone").write_text("", encoding="utf-8")  # else root makes what it leads to
    project = Project.make(tmp_path / "project")
    ended = project.run("--profile", "smoke", *target, env=PLACES[name](tmp_path))
    assert ended.code == 4, ended.said
    assert "cannot be used: " in ended.said
    assert "set OPSVERIFY_STATE to a folder that this user can write to" in ended.said
    assert "INTERNALERROR" not in ended.said
    assert not project.run_folders()


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """A file system that takes names and no bytes is full before the run, not in the middle of it."""
    project = Project.make(tmp_path / "project")
    script = f"""
        mount -t tmpfs -o size=4k tmpfs {tmp_path / "small"} || exit 99
        mkdir {tmp_path / "small"}/locks {tmp_path / "small"}/ledger
        head -c 9999 /dev/zero >{tmp_path / "small"}/full 2>/dev/null
    """
    (tmp_path / "small").mkdir()
    own = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*own, "sh", "-c", f"{script}true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine lets this user mount nothing")
    ended = project.run(
        "--profile",
        "smoke",
        env={"OPSVERIFY_STATE": str(tmp_path / "small")},
        inside=[*own, "sh", "-c", f'{script}exec "$@"', "sh"],
    )
    assert ended.code == 4, ended.said
    assert "No space left on device" in ended.said


def test_a_state_folder_that_goes_bad_in_the_run_is_told(tmp_path: Path) -> None:
    """What cannot be removed at the end is told in a line, and the status is that of what was found."""
    project = Project.make(tmp_path / "project")
    project.write(
        "spoils.py",
        f"""
        import shutil
        from pathlib import Path

        def pytest_runtest_teardown():
            state = Path({str(project.state)!r})
            if state.is_dir():
                shutil.rmtree(state)
                state.write_text("")
        """,
    )
    ended = project.run("--profile", "smoke", "-p", "spoils", env={"PYTHONPATH": str(project.folder)})
    assert ended.code == 0, ended.said
    assert "what the run kept in the state folder could not be removed: " in ended.said
    assert "Traceback" not in ended.said


def test_a_lock_that_cannot_be_written_is_usage(tmp_path: Path) -> None:
    """A folder in the place of a lock's file is exit 4 from the first line to the last."""
    project = Project.make(tmp_path / "project")
    assert project.run("--profile", "smoke", "--target", "live").code == 0
    (lock,) = (project.state / "locks").glob("*.lock")
    lock.with_suffix(".json").mkdir()
    ended = project.run("--profile", "smoke", "--target", "live")
    assert ended.code == 4, ended.said
    assert "Is a directory" in ended.said
    assert "Traceback" not in ended.said


def test_what_looks_at_nothing_needs_no_state(tmp_path: Path) -> None:
    """A plan, an explanation and a replay work where nothing can be written."""
    project = Project.make(tmp_path / "project")
    assert project.run("--profile", "smoke").code == 0
    nowhere = {"OPSVERIFY_STATE": "/proc/opsverify"}
    assert project.run("--plan", "--profile", "smoke", env=nowhere).code == 0
    assert project.run("--explain", "L-BLB-1", env=nowhere).code == 0
    assert project.run("--replay", "reports/latest", env=nowhere).code == 0
