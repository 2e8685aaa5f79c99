"""The pytest plugin: options, markers, selection, judging, reports, exit status. The only file with pytest hooks."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.canary.finish import before_reports
from opsverify.canary.start import attach_history_and_waivers
from opsverify.model.exit_codes import Exit
from opsverify.model.judge import apply, precondition
from opsverify.model.text import clean_text
from opsverify.model.verdict import Verdict
from opsverify.run import fixtures, garbage, interrupt, options, second_sample, selection, start
from opsverify.run.finish import (
    ensure_html,
    release_target,
    remove_folder,
    show,
    write_reports,
    write_run_bundle,
)
from opsverify.run.pytest_report import LETTERS, apply_verdict, judged_from, outcome_of, trace, without_source
from opsverify.run.pytest_root import ensure_root
from opsverify.run.run import RUN, Run

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from opsverify.model.system import System

_SYSTEMS = pytest.StashKey[Mapping[str, "System"]]()
_RESTORE = pytest.StashKey[Sequence[Any]]()
_STARTED = pytest.StashKey[float]()


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
    options.add_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Run the command again if pytest took an option's path for its root, before conftests are read and output is captured."""
    ensure_root(early_config)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Hand `--watch` over: a series of runs, each in a process of its own."""
    if not config.getoption("watch"):
        return None
    interrupt.loaded()
    from opsverify.commands.watch import watch  # noqa: PLC0415 -- only what is asked for is loaded

    return watch(config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register systems, markers and observation fixtures; open the run where this is one."""
    systems: dict[str, System] = {system.name: system for system in config.hook.pytest_opsverify_system()}
    config.stash[_SYSTEMS] = systems
    config.addinivalue_line(
        "markers", "check(id, severity, profiles, …): an operational check (see docs/adding-a-check.md)"
    )
    for line in selection.plain_markers(systems.values()):
        config.addinivalue_line("markers", line)
    options.reconcile(config)
    asked_for = list(systems.values())
    if not config.option.collectonly and start.is_operational(config):
        run = _open(config)
        if not _is_command(config):
            run.reports = start.report_paths(config, run)
        asked_for = [systems[name] for name in run.target.sections()]
    else:
        interrupt.loaded()
    config.pluginmanager.register(fixtures.observation_fixtures(asked_for), "opsverify_observations")
    config.pluginmanager.register(fixtures, "opsverify_session")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Restore Python's own signal handlers: from here on pytest handles Ctrl-C."""
    interrupt.loaded()


def _open(config: pytest.Config) -> Run:
    if getattr(config.option, "numprocesses", None) or getattr(config.option, "dist", "no") != "no":
        msg = "-n (xdist) splits a run over processes, but all checks are judged on one moment. Leave it out: observations already run concurrently"
        raise pytest.UsageError(msg)
    run = start.open_run(config, config.stash[_SYSTEMS])
    attach_history_and_waivers(config, run)
    config.stash[RUN] = run
    config.pluginmanager.register(_Redacting(run), "opsverify_redacting")
    config.pluginmanager.register(_Closing(), "opsverify_closing")
    if config.option.reportchars == "fE":
        config.option.reportchars = ""  # our own summary names every check that is not green
    config.stash[_RESTORE] = [start.redact_logging(run), *start.signals_interrupt()]
    return run


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Read the checks, attach plain markers, and keep those that the profile and the target ask for."""
    checks = selection.read_checks(items, config.stash[_SYSTEMS])
    selection.add_plain_markers(items, checks)
    run = config.stash.get(RUN, None)
    if run is None:
        if not checks or config.option.collectonly:
            return
        run = _open(config)
        run.warnings.append("HTML and JUnit reports need --target or --profile, or a path under checks/")
    run.checks = checks
    kept, left = selection.select(run, items)
    items[:] = kept
    if config.getoption("expect"):
        from opsverify.run.expected_version import expected_items  # noqa: PLC0415 -- only what is asked for is loaded

        asked_for = expected_items(run, config.getoption("expect"), items)
        selection.add_plain_markers(asked_for, checks)
        items += asked_for
    if left:
        config.hook.pytest_deselected(items=left)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Drills, with the faults that they import, are not even collected where none can run."""
    if collection_path.name != "drills" or not collection_path.is_dir():
        return None
    run = config.stash.get(RUN, None)
    live = run is not None and not run.target.owned
    return None if selection.wants_drills(config, live=live) else True


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Take the target's lock before anything is looked at."""
    garbage.resume()
    run = session.config.stash.get(RUN, None)
    if run is None:
        return None
    if (
        session.testsfailed
    ):  # only collection has happened: a check file that cannot be read is our fault, not an interrupt
        run.internal_error = True
        run.problem(f"{session.testsfailed} file(s) could not be collected; nothing was looked at")
        return True if session.config.option.continue_on_collection_errors else None
    if any(session.config.getoption(option) for option in ("act", "dry_run", "verify_within")):
        from opsverify.commands import act  # noqa: PLC0415 -- only what is asked for is loaded

        run.command = act.act(
            run, act.read_options(session.config), lambda: start.take_target(run, undone=None)
        )
        return True
    if _is_command(session.config):
        from opsverify.commands.explain import run_command  # noqa: PLC0415 -- only what is asked for is loaded

        chosen = [run.checks[item.nodeid] for item in session.items if item.nodeid in run.checks]
        run.command = run_command(run, chosen, session.config.getoption)
        return True
    run.chosen = frozenset(item.nodeid for item in session.items) & run.checks.keys()
    start.take_target(run, undone=session.config.getoption("undone"))
    return True if run.busy else None


def _is_command(config: pytest.Config) -> bool:
    return any(config.getoption(option) for option in options.COMMANDS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Decide a check whose observations are missing, after its fixtures: JUnit then reports UNKNOWN as an error."""
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
        # Its trace would be of this file, which pytest would read and parse for each check that could not look.
        pytest.fail(outcome.explanation, pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Judge a check instead of merely calling it. Drills run as the coroutines they are."""
    run, check = _check(pyfuncitem)
    if run is None or check is None or inspect.iscoroutinefunction(check.function):
        return None
    if pyfuncitem.nodeid not in run.outcomes:
        arguments = {name: pyfuncitem.funcargs[name] for name in check.asks}
        run.outcomes[pyfuncitem.nodeid] = apply(check, arguments)
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Replace pytest's outcome by the check's verdict, and record it."""
    try:
        report = yield
    except SystemError:  # see `trace`
        report = without_source(item, call)
    run, check = _check(item)
    if run is None:
        return report
    report.sections = [(name, run.redactor.text(clean_text(text))) for name, text in report.sections]
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
    outcome = second_sample.final_outcome(run, check, outcome_of(run, item, error))
    took = time.perf_counter() - item.stash[_STARTED]
    detail = trace(call.excinfo) if call.excinfo and outcome.reason == "check-broken" else ""
    result = run.record(check, outcome, judged_from(item), took, detail)
    apply_verdict(item, report, result)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Redact the report of a file that cannot be collected."""
    report = yield
    run = collector.config.stash.get(RUN, None)
    if run is not None and report.longrepr is not None and not isinstance(report.longrepr, tuple):
        report.longrepr = run.redactor.text(str(report.longrepr))
    return report


class _Redacting:
    """Redacts what pytest reports through hooks that are given no config."""

    def __init__(self, run: Run) -> None:
        self._redactor = run.redactor

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: Any) -> None:
        """Redact a warning."""
        warning_message.message = Warning(self._redactor.text(str(warning_message.message)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: Any) -> None:
        """Redact pytest's internal error."""
        text = self._redactor.text(str(excrepr))
        excrepr.toterminal = lambda terminal: terminal.write(text)


class _Closing:
    """Lets an interrupted run shut down in order, however often Ctrl-C is pressed."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        """The first Ctrl-C."""
        interrupt.closing(lambda: None)


def _check(item: pytest.Item) -> tuple[Run | None, Any]:
    run = item.config.stash.get(RUN, None)
    return run, run.checks.get(item.nodeid) if run else None


def pytest_report_teststatus(report: pytest.TestReport) -> Any:
    """Letters and words of our verdicts on the terminal."""
    verdict = getattr(report, "verdict", None)
    return LETTERS[verdict] if verdict is not None else None


def pytest_report_header(config: pytest.Config) -> str | None:
    """Target, profile and gate."""
    run = config.stash.get(RUN, None)
    if run is None:
        return None
    kind = f"twin on {run.target.servers.provider} servers" if run.target.owned else "live"
    return f"opsverify: target {run.target.name} ({kind}, {run.target_file}), profile {run.options.profile or 'none'}, gate {run.options.gate}"


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


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
    """Let pytest's reports be written, write ours, and set the exit status. Innermost, so the summary comes after."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    interrupt.closing(lambda: setattr(run, "interrupted", True))
    run.usage_error = exitstatus == pytest.ExitCode.USAGE_ERROR
    if _is_command(session.config):
        result = yield
        if run.left_changed:  # also where a signal ended the action
            session.exitstatus = int(Exit.LEFT_CHANGED)
        elif run.command is not None:
            session.exitstatus = int(Exit.HOLDS if run.command.worked else run.command.otherwise)
        elif run.busy:
            session.exitstatus = int(run.exit_status_now())
        return result
    run.interrupted |= exitstatus == pytest.ExitCode.INTERRUPTED and not run.internal_error
    run.internal_error = run.internal_error or exitstatus == pytest.ExitCode.INTERNAL_ERROR
    before_reports(run)
    result = None
    try:
        result = yield
    except OSError as error:
        run.unwritable = True
        run.problem(f"a report could not be written: {error}")
        ensure_html(session, run)
    except BaseException as error:  # noqa: BLE001 - any error: the reports are still written
        if isinstance(error, KeyboardInterrupt):
            run.interrupted = True
        else:
            run.left_changed = True
            run.problem(f"closing down failed: {type(error).__name__}: {error}")
        ensure_html(session, run)
    write_reports(run)
    run.journal.write("end", exit_status=int(run.exit_status_now()))
    write_run_bundle(run)
    session.exitstatus = int(run.exit_status_now())
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The verdict of the run, and what was not looked at."""
    run = config.stash.get(RUN, None)
    if run is not None:
        show(terminalreporter, run)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the journal, release the lock, restore what was replaced."""
    run = config.stash.get(RUN, None)
    if run is not None:
        terminal: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            show(terminal, run)
            if "html" in run.reports:
                terminal.write_line(f"HTML report: {run.reports['html']}")
        run.journal.close()
        acted = config.getoption("act") and not config.getoption("dry_run")
        if _is_command(config) and not acted:
            remove_folder(run)
        for trouble in release_target(run):
            print(trouble, file=sys.stderr)  # noqa: T201 - reports and terminal are done with
    interrupt.closed()
    restores: Sequence[Any] = config.stash.get(_RESTORE, ())
    for restore in reversed(restores):
        restore()
    if run is not None:
        interrupt.over()
