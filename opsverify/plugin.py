"""The pytest plugin: options, markers, selection, judging, reports, exit status. The only file with pytest hooks."""

from __future__ import annotations

import inspect
import logging
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from opsverify import opening, selection, session
from opsverify.check import PROFILES
from opsverify.evidence import bounded_text
from opsverify.judge import apply, concluded, precondition
from opsverify.observation import Observation, Unobservable
from opsverify.report.html import render_html
from opsverify.report.json import render_json
from opsverify.report.junit import Rendering, properties
from opsverify.report.terminal import summary
from opsverify.report.text import headline, message
from opsverify.run import RUN, Run
from opsverify.verdict import Outcome, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from opsverify.drill import Drill
    from opsverify.report.model import CheckResult
    from opsverify.system import System

_PATHS = pytest.StashKey[dict[str, "Path"]]()
_SYSTEMS = pytest.StashKey[dict[str, "System"]]()
_SHOWN = pytest.StashKey[bool]()
_RESTORE = pytest.StashKey[list[Any]]()
_STARTED = pytest.StashKey[float]()


class NotJudged(Exception):  # noqa: N818 - carries UNKNOWN through pytest, which knows only exceptions
    """A check that could not look, or is broken."""


class Specs:
    """The one hook by which systems make themselves known."""

    @pytest.hookspec
    def pytest_opsverify_system(self) -> System:  # type: ignore[empty-body]
        """Return the system that this plugin provides."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare our hook."""
    pluginmanager.add_hookspecs(Specs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare options and ini keys."""
    group = parser.getgroup("opsverify", "operational verification")
    group.addoption("--target", metavar="FILE|NAME", help="target file, or the name of one in targets/ (default: embedded)")
    group.addoption("--profile", choices=PROFILES, help="run the checks that a profile requires; anything missing is exit 13")
    group.addoption("--gate", choices=list(Severity), default=Severity.P1, help="severities that decide the exit status (default: P1, that is P0 and P1)")
    group.addoption("--strict-severity", action="store_true", help="exit 11 where only ungated checks fail")
    group.addoption("--arm", metavar="TARGET", help="confirm the [arm] table of this live target for this run")
    group.addoption("--if-busy", choices=("fail", "ok"), default="fail", help="exit status when another run is at work on the target: 16, or 0")
    group.addoption("--undone", metavar="ID", help="strike a change out of the ledger that a person has undone by hand")
    group.addoption("--reports", metavar="FOLDER", help="where run folders are written (default: reports/)")
    parser.addini("opsverify_checks", "folder that holds the checks", default="checks")
    parser.addini("opsverify_target", "default target", default="embedded")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register systems, markers and observation fixtures; open the run where this is one."""
    config.stash[_RESTORE] = []
    systems = {system.name: system for system in config.hook.pytest_opsverify_system()}
    config.stash[_SYSTEMS] = systems
    config.addinivalue_line("markers", "check(id, severity, profiles, …): an operational check (see docs/adding-a-check.md)")
    for line in selection.plain_markers(systems.values()):
        config.addinivalue_line("markers", line)
    config.pluginmanager.register(session.observation_fixtures(systems.values()), "opsverify_observations")
    config.pluginmanager.register(session, "opsverify_session")
    if not config.option.collectonly and opening.is_operational(config):
        run = _open(config)
        config.stash[_PATHS] = opening.report_paths(config, run)


def _open(config: pytest.Config) -> Run:
    if getattr(config.option, "numprocesses", None) or getattr(config.option, "dist", "no") != "no":
        msg = "-n (xdist) splits a run over processes; checks are judged on one moment. Leave it out: observations already run all at once"
        raise pytest.UsageError(msg)
    run = opening.open_run(config, config.stash[_SYSTEMS])
    config.stash[RUN] = run
    if config.option.reportchars == "fE":
        config.option.reportchars = ""  # our own summary names every check that is not green
    config.stash[_RESTORE].append(_redact_logging(run))
    for number in (signal.SIGTERM, signal.SIGHUP):
        previous = signal.signal(number, _as_interrupt)
        config.stash[_RESTORE].append(lambda n=number, p=previous: signal.signal(n, p))
    return run


def _as_interrupt(number: int, _frame: object) -> None:
    # SIGTERM and SIGHUP take the way of Ctrl-C: undo, journal, reports, status.
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        raise KeyboardInterrupt(signal.Signals(number).name)
    signal.raise_signal(signal.SIGINT)


def _redact_logging(run: Run) -> Any:
    make = logging.getLogRecordFactory()

    def redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.msg, record.args = run.redactor.text(record.getMessage()), None
        return record

    logging.setLogRecordFactory(redacted)
    return lambda: logging.setLogRecordFactory(make)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Read the checks, attach plain markers, and keep those that the profile and the target ask for."""
    checks = selection.declared(items)
    selection.mark_plainly(items, checks)
    run = config.stash.get(RUN, None)
    if run is None:
        if not checks or config.option.collectonly:
            return
        run = _open(config)
        run.warnings.append("HTML and JUnit reports need --target or --profile, or a path under checks/")
    run.checks = checks
    kept, left = selection.select(run, items)
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Drills, with the faults that they import, are not even collected in another profile."""
    profile = config.getoption("profile")
    drills = collection_path.name == "drills" and collection_path.is_dir()
    return True if drills and profile not in (None, "drill") else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Take the target's lock before anything is looked at."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return None
    if session.testsfailed:  # only collection has happened: a check file that cannot be read is our fault, not an interrupt
        run.internal_error = True
        run.problem(f"{session.testsfailed} file(s) could not be collected; nothing was looked at")
        return None
    opening.take_target(run, undone=session.config.getoption("undone"))
    return True if run.busy else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """After the fixtures: what was not observed is decided here, so that JUnit calls UNKNOWN an error."""
    item.stash[_STARTED] = time.perf_counter()
    yield
    run, check = _check(item)
    if run is None or check is None or not isinstance(item, pytest.Function):
        return
    outcome = precondition(check, item.funcargs)
    if outcome is None:
        return
    run.outcomes[item.nodeid] = outcome
    if outcome.verdict is Verdict.SKIP:
        pytest.skip(f"{outcome.reason}: {outcome.explanation}")
    if outcome.verdict is Verdict.UNKNOWN:
        raise NotJudged(outcome.explanation)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Judge a check instead of merely calling it. Drills run as the coroutines they are."""
    run, check = _check(pyfuncitem)
    if run is None or check is None or inspect.iscoroutinefunction(check.function):
        return None
    if pyfuncitem.nodeid not in run.outcomes:
        names = inspect.signature(check.function).parameters
        run.outcomes[pyfuncitem.nodeid] = apply(check, {name: pyfuncitem.funcargs[name] for name in names})
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn what pytest saw into the check's verdict, and keep it."""
    report = yield
    run, check = _check(item)
    if run is None:
        return report
    report.sections = [(name, run.redactor.text(text)) for name, text in report.sections]
    if check is None or not isinstance(item, pytest.Function):
        if isinstance(report.longrepr, tuple) or report.longrepr is None:
            return report
        report.longrepr = run.redactor.text(str(report.longrepr))
        return report
    error = call.excinfo.value if call.excinfo else None
    if report.when == "teardown":
        if report.failed:  # trouble of the run, never the verdict of the check that happened to be last
            run.left_changed = True
            run.problem(f"closing down failed: {type(error).__name__}: {error}")
            report.outcome, report.longrepr = "passed", None
        return report
    if report.when == "setup" and report.passed:
        return report
    outcome = _outcome(run, item, error)
    seen = [value for value in item.funcargs.values() if isinstance(value, Observation)]
    rehearsal: Drill | None = item.funcargs.get("drill")
    if rehearsal is not None:
        seen = rehearsal.seen
    took = time.perf_counter() - item.stash[_STARTED]
    detail = bounded_text(str(call.excinfo.getrepr(style="short")), 4000) if call.excinfo and outcome.reason == "check-broken" else ""
    result = run.record(check, outcome, seen, took, detail)
    _dress(item, report, result)
    return report


def _outcome(run: Run, item: pytest.Function, error: BaseException | None) -> Outcome:
    known = run.outcomes.get(item.nodeid)
    if known is not None:
        return known
    if isinstance(error, Unobservable):
        return Outcome(verdict=Verdict.UNKNOWN, reason=error.kind.value, explanation=error.seen)
    if isinstance(error, pytest.skip.Exception):
        told = f"skipped for {error.msg!r}, which is not on the closed list of reasons"
        return Outcome(verdict=Verdict.UNKNOWN, reason="check-broken", explanation=told)
    rehearsal: Drill | None = item.funcargs.get("drill")
    return concluded(rehearsal.findings if rehearsal else [], error)


_PYTEST_OUTCOMES: dict[Verdict, Any] = {
    Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.UNKNOWN: "failed", Verdict.SKIP: "skipped", Verdict.WAIVED: "passed",
}


def _dress(item: pytest.Item, report: pytest.TestReport, result: CheckResult) -> None:
    """Give pytest's report the verdict: outcome, text, JUnit properties."""
    report.outcome = _PYTEST_OUTCOMES[result.verdict]
    if hasattr(report, "wasxfail"):
        del report.wasxfail  # a waiver has an owner and an end; an xfail marker has neither
    item.user_properties.extend(properties(result))
    report.user_properties = item.user_properties
    report.verdict = result.verdict  # type: ignore[attr-defined]
    if result.verdict is Verdict.SKIP:
        report.longrepr = (str(item.path), 0, f"Skipped: {result.reason}: {result.explanation}")
    elif result.verdict is Verdict.PASS:
        report.longrepr = None
    else:
        report.longrepr = Rendering(headline(result), message(result))  # type: ignore[assignment]


def _check(item: pytest.Item) -> tuple[Run | None, Any]:
    run = item.config.stash.get(RUN, None)
    return run, run.checks.get(item.nodeid) if run else None


_LETTERS = {
    Verdict.PASS: ("passed", ".", ("PASS", {"green": True})),
    Verdict.FAIL: ("failed", "F", ("FAIL", {"red": True})),
    Verdict.UNKNOWN: ("error", "U", ("UNKNOWN", {"red": True})),
    Verdict.SKIP: ("skipped", "s", ("SKIP", {"yellow": True})),
    Verdict.WAIVED: ("passed", "W", ("WAIVED", {"yellow": True})),
}


def pytest_report_teststatus(report: pytest.TestReport) -> Any:
    """Letters and words of our verdicts on the terminal."""
    verdict = getattr(report, "verdict", None)
    return _LETTERS[verdict] if verdict is not None else None


def pytest_report_header(config: pytest.Config) -> str | None:
    """Which target, which profile."""
    run = config.stash.get(RUN, None)
    if run is None:
        return None
    kind = f"twin on {run.target.servers.provider} servers" if run.target.owned else "live"
    return f"opsverify: target {run.target.name} ({kind}, {run.target_file}), profile {run.options.profile or 'none'}, gate {run.options.gate}"


@pytest.hookimpl(tryfirst=True)
def pytest_internalerror(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Remembered by pytest's own exit status; nothing is added here that could hide it."""


@pytest.hookimpl(optionalhook=True)
def pytest_metadata(metadata: dict[str, Any], config: pytest.Config) -> None:
    """Keep secrets out of pytest-html's environment table."""
    run = config.stash.get(RUN, None)
    if run is not None:
        for key, value in metadata.items():
            metadata[key] = run.redactor.data(value)


@pytest.hookimpl(optionalhook=True)
def pytest_html_report_title(report: Any) -> None:
    """Name the HTML report after what it is about."""
    report.title = "opsverify"


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_summary(prefix: list[str], session: pytest.Session) -> None:
    """Our report comes first and needs no script; pytest-html's own table is the appendix."""
    run = session.config.stash.get(RUN, None)
    if run is not None:
        prefix.append(render_html(run.conclude(), run.redactor))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
    """Let pytest's reports be written, write ours, and set the exit status. Innermost, so the summary comes after."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    run.interrupted = exitstatus == pytest.ExitCode.INTERRUPTED and not run.internal_error
    run.internal_error = run.internal_error or exitstatus == pytest.ExitCode.INTERNAL_ERROR
    run.usage_error = exitstatus == pytest.ExitCode.USAGE_ERROR
    result = None
    try:
        result = yield
    except OSError as error:
        run.unwritable = True
        run.problem(f"a report could not be written: {error}")
        _write_html_all_the_same(session, run)
    _write_json(session, run)
    run.journal.write("end", exit_status=int(run.finished_with()))
    session.exitstatus = int(run.finished_with())
    return result


def _write_html_all_the_same(session: pytest.Session, run: Run) -> None:
    """Another report's trouble ended pytest's chain of writers before pytest-html had its turn."""
    paths = session.config.stash.get(_PATHS, None)
    if paths is None or paths["html"].stat().st_size:
        return
    manager = session.config.pluginmanager
    others = [p for p in manager.get_plugins() if not type(p).__module__.startswith("pytest_html.")]
    try:
        manager.subset_hook_caller("pytest_sessionfinish", others)(session=session, exitstatus=session.exitstatus)
    except OSError as error:
        run.problem(f"the HTML report could not be written: {error}")


def _write_json(session: pytest.Session, run: Run) -> None:
    paths = session.config.stash.get(_PATHS, {"json": run.folder / "report.json"})
    session.config.stash[_PATHS] = paths
    try:
        paths["json"].write_text(render_json(run.conclude(), run.redactor), encoding="utf-8")
        latest = run.folder.parent / "latest"
        fresh = run.folder.parent / f".latest-{run.id}"
        fresh.symlink_to(run.folder.name)
        fresh.replace(latest)
    except OSError as error:
        run.unwritable = True
        run.problem(f"the JSON report could not be written: {error}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The verdict of the run, and what was not looked at."""
    run = config.stash.get(RUN, None)
    if run is not None:
        _show(terminalreporter, config, run)


def _show(terminal: pytest.TerminalReporter, config: pytest.Config, run: Run) -> None:
    config.stash[_SHOWN] = True
    terminal.section("opsverify")
    for text, colour in summary(run.conclude(), config.stash.get(_PATHS, {})):
        terminal.write_line(run.redactor.text(text), **({colour: True} if colour else {}))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the journal, give the lock back, restore what was replaced."""
    run = config.stash.get(RUN, None)
    if run is not None:
        terminal: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and not config.stash.get(_SHOWN, False):
            _show(terminal, config, run)
        if terminal is not None and "html" in config.stash.get(_PATHS, {}):
            terminal.write_line(f"HTML report: {config.stash[_PATHS]['html']}")
        run.journal.close()
        run.lock.release()
    for restore in reversed(config.stash.get(_RESTORE, [])):
        restore()
