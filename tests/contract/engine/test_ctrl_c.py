"""Ctrl-C at any moment, from the first import to the last step of the process: exit status 2 and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

# Python reads it before anything else: Ctrl-C is pressed when a module is about to be imported.
PRESSES_AT_IMPORT = """
import os, signal, sys
waits = [os.environ["PRESS_AT"]]
def press(event, arguments):
    if event == "import" and waits and arguments[0] == waits[0]:
        waits.clear()
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(press)
"""
PRESSES_IN_HOOK = """
import atexit, os, signal
import pytest

def press():
    os.kill(os.getpid(), signal.SIGINT)

{decorator}
def {hook}(*_):
    press()
    {more}
"""
LINE = "interrupted before anything was looked at (exit 2)"


def run(project: Project, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A smoke run of the twin, as its user starts it."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV_"))}
    return subprocess.run(
        [sys.executable, *words, "-p", "no:cacheprovider", "--profile", "smoke"],
        cwd=project.folder,
        env={**inherited, "OPSVERIFY_STATE": str(project.state), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def no_traceback(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether nothing of Python's own shows."""
    return not any(
        word in done.stdout + done.stderr for word in ("Traceback", "Exception ignored", "KeyboardInterrupt")
    )


@pytest.mark.parametrize(
    "module",
    ["opsverify.model.arming", "pydantic", "pytest", "_pytest.config", "opsverify.run.finish", "jinja2", "lamp_client", "lamp_target"],
)  # fmt: skip
def test_while_it_loads(tmp_path: Path, module: str) -> None:
    """Before anything is looked at there is nothing to undo: one line, and no folder of a run."""
    project = Project.make(tmp_path)
    project.write("early/sitecustomize.py", PRESSES_AT_IMPORT)
    done = run(project, "-m", "opsverify", PYTHONPATH=str(project.folder / "early"), PRESS_AT=module)
    assert (done.returncode, done.stderr.strip()) == (2, LINE), done.stdout + done.stderr
    assert no_traceback(done)
    assert not project.run_folders()


@pytest.mark.parametrize("module", ["opsverify.run.finish", "lamp_client"])
def test_while_pytest_loads_it(tmp_path: Path, module: str) -> None:
    """The same where pytest itself was called."""
    project = Project.make(tmp_path)
    project.write("early/sitecustomize.py", PRESSES_AT_IMPORT)
    done = run(project, "-m", "pytest", PYTHONPATH=str(project.folder / "early"), PRESS_AT=module)
    assert (done.returncode, done.stderr.strip()) == (2, LINE), done.stdout + done.stderr


def test_while_the_command_is_run_once_more(tmp_path: Path) -> None:
    """A path that pytest would take for its root makes it start anew; a Ctrl-C in that moment is not lost."""
    project = Project.make(tmp_path / "project")
    (tmp_path / "elsewhere").mkdir()
    project.write(
        "early/sitecustomize.py", PRESSES_AT_IMPORT.replace('event == "import"', 'event == "os.exec"')
    )
    environment = {"PYTHONPATH": str(project.folder / "early"), "PRESS_AT": sys.executable}
    done = run(project, "-m", "opsverify", "--reports", str(tmp_path / "elsewhere"), **environment)
    assert (done.returncode, done.stderr.strip()) == (2, LINE), done.stdout + done.stderr
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(
    ("hook", "decorator"),
    [
        ("pytest_configure", "@pytest.hookimpl(trylast=True)"),
        ("pytest_collection_finish", ""),
        ("pytest_runtest_teardown", ""),
        ("pytest_sessionfinish", "@pytest.hookimpl(tryfirst=True)"),
        ("pytest_sessionfinish", "@pytest.hookimpl(trylast=True)"),
    ],
)
def test_while_it_runs(tmp_path: Path, hook: str, decorator: str) -> None:
    """A run that is interrupted while it looks, or closes down, writes its reports and ends with 2."""
    project = Project.make(tmp_path)
    project.write("presses.py", PRESSES_IN_HOOK.format(hook=hook, decorator=decorator, more=""))
    done = run(project, "-m", "opsverify", "-p", "presses", PYTHONPATH=str(project.folder))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert ("exit 2: interrupted" in done.stdout) == (hook != "pytest_configure")


@pytest.mark.parametrize("late", ["", "atexit.register(press)"])
def test_when_it_is_over(tmp_path: Path, late: str) -> None:
    """Once the status is decided and everything is written, nothing changes it any more."""
    project = Project.make(tmp_path)
    text = PRESSES_IN_HOOK.format(
        hook="pytest_unconfigure", decorator="@pytest.hookimpl(trylast=True)", more=late or "pass"
    )
    project.write("presses.py", text if not late else text.replace("    press()\n    ", "    "))
    done = run(project, "-m", "opsverify", "-p", "presses", PYTHONPATH=str(project.folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert no_traceback(done)


IN_PROCESS = """
import signal, sys, threading
import pytest
before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
codes = []
def run():
    codes.append(int(pytest.main(sys.argv[1:])))
if "--in-thread" in sys.argv:
    sys.argv.remove("--in-thread")
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
else:
    run()
after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
print("as before" if after == before else after, *codes)
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--profile", "smoke"), 0),
        (("--plan", "--profile", "smoke"), 0),
        (("--profile", "smoke", "-p", "presses"), 2),
        (("stranger/test_stops.py",), 2),
        (("stranger/test_stops.py", "--in-thread"), 2),
    ],
)
def test_a_program_that_calls_pytest_hears_its_signals_again(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    """Whatever a run in a program's own process did to the handlers is undone at its end, also after an interrupt."""
    project = Project.make(tmp_path)
    project.write("calls.py", IN_PROCESS)
    hook = PRESSES_IN_HOOK.format(hook="pytest_runtest_teardown", decorator="", more="pass")
    project.write("presses.py", hook)
    project.write("stranger/test_stops.py", "def test_stops():\n    raise KeyboardInterrupt\n")
    done = subprocess.run(
        [sys.executable, "calls.py", *words, "-p", "no:cacheprovider"],
        cwd=project.folder,
        env={**os.environ, "OPSVERIFY_STATE": str(project.state), "PYTHONPATH": str(project.folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == f"as before {code}", done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_while_it_loads(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGHUP are told apart from a crash, too."""
    project = Project.make(tmp_path)
    project.write(
        "early/sitecustomize.py", PRESSES_AT_IMPORT.replace("signal.SIGINT", f"signal.{number.name}")
    )
    done = run(project, "-m", "opsverify", PYTHONPATH=str(project.folder / "early"), PRESS_AT="pydantic")
    assert (done.returncode, done.stderr.strip()) == (2, LINE), done.stdout + done.stderr


def test_a_program_that_only_uses_the_library_keeps_its_own_way() -> None:
    """Who imports the package, or calls pytest from a program, finds Ctrl-C as it was."""
    program = "import signal, opsverify.plugin; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_ctrl_c_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """Started in the background of a shell, a run is not ended by the terminal's Ctrl-C."""
    project = Project.make(tmp_path)
    project.write("early/sitecustomize.py", PRESSES_AT_IMPORT)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = run(project, "-m", "opsverify", PYTHONPATH=str(project.folder / "early"), PRESS_AT="pydantic")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.returncode == 0, done.stdout + done.stderr
