"""Opens a run: reads the target, makes the run's folder and journal, takes the lock, looks into the ledger."""

from __future__ import annotations

import logging
import shutil
import signal
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from opsverify.evidence.journal import JOURNAL_FORMAT, Journal
from opsverify.evidence.redaction import Redactor
from opsverify.model.limits import Window
from opsverify.model.verdict import Severity
from opsverify.run import interrupt
from opsverify.run.lock import (
    Ledger,
    StateError,
    TargetBusy,
    TargetLock,
    prepare_state,
    sweep_dead_twins,
    twin_key,
)
from opsverify.run.options import COMMANDS, LOOKS_AT_NOTHING, Options
from opsverify.run.run import Run
from opsverify.run.selection import drills_named
from opsverify.target.file import TargetError, load_target, make_target
from opsverify.target.runbook import compare_with_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opsverify.evidence.replay import SavedRun
    from opsverify.model.system import System
    from opsverify.target.file import Section, Target

__all__ = [
    "is_operational",
    "open_run",
    "read_target",
    "redact_logging",
    "report_paths",
    "signals_interrupt",
    "take_target",
]


def is_operational(config: pytest.Config) -> bool:
    """Whether this pytest is a run of checks: given a profile, a target or a saved run, or files under checks/."""
    if any(config.getoption(option) for option in ("profile", "target", "replay", *COMMANDS)):
        return True
    folder = _checks_folder(config)
    paths = [Path(str(arg).split("::")[0]) for arg in config.args]
    return any(
        folder == (path := (config.invocation_params.dir / arg).resolve()) or folder in path.parents
        for arg in paths
    )


def _checks_folder(config: pytest.Config) -> Path:
    return (config.rootpath / str(config.getini("opsverify_checks"))).resolve()


def _target_file(config: pytest.Config) -> Path:
    named = config.getoption("target") or str(config.getini("opsverify_target"))
    path = Path(named)
    if path.suffix != ".toml" and len(path.parts) == 1:
        path = Path("targets") / f"{named}.toml"
    for base in (config.invocation_params.dir, config.rootpath):
        if (base / path).is_file():
            return (base / path).resolve()
    return (config.rootpath / path).resolve()


def read_target(
    config: pytest.Config, sections: Mapping[str, type[Section]], *, changed: bool = True
) -> Target:
    """The target that the options name, with the limits that they set if `changed`. Raises pytest.UsageError."""
    try:
        limits = _limits(config.getoption("limit")) if changed else None
        return load_target(_target_file(config), sections, limits)
    except TargetError as error:
        raise pytest.UsageError(str(error)) from None


def _target_of(saved: SavedRun, where: str, config: pytest.Config, systems: Mapping[str, System]) -> Target:
    sections = {name: system.section for name, system in systems.items()}
    try:
        limits = _limits(config.getoption("limit"))
        target = make_target(where, _target_tables(saved, systems), sections, limits)
    except TargetError as error:
        raise pytest.UsageError(str(error)) from None
    for system, names in limits.items():
        for name, value in names.items():
            limit = getattr(target.sections()[system].limits, name)
            fetched = saved.run["limits"][system][name]["value"]
            if isinstance(limit, Window) and value != fetched:
                msg = (
                    f"--limit {system}.{name}={value:g}: the saved run observed with {name} = {fetched:g} {limit.unit},"
                    f" which a replay cannot change; leave it out, or run without --replay"
                )
                raise pytest.UsageError(msg)
    return target


def _shorter(path: Path, config: pytest.Config) -> Path:
    return path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path


def open_run(config: pytest.Config, systems: Mapping[str, System]) -> Run:
    """Open a run: read target and options, test the state folder, make the run's folder and journal.

    Every usage error is raised here or before, while the target has not been contacted.

    Raises:
        pytest.UsageError: a bad target file, a missing environment variable, a folder that is not writable.
    """
    saved = _saved_run(config)
    path = _target_file(config)
    sections = {name: system.section for name, system in systems.items()}
    if saved is not None and not config.getoption("target"):
        path = Path(str(config.getoption("replay")))
        target = _target_of(saved, str(path), config, systems)
    else:
        target = read_target(config, sections)
    as_written = read_target(config, sections, changed=False) if target.owned and saved is None else target
    armed = config.getoption("arm")
    if armed is not None and armed != target.name:
        msg = f"--arm {armed}: the target is named {target.name!r}; confirm it with --arm {target.name}"
        raise pytest.UsageError(msg)
    if saved is None and not any(config.getoption(option) for option in LOOKS_AT_NOTHING):
        try:
            prepare_state()
        except StateError as error:
            raise pytest.UsageError(str(error)) from None
    run_id = uuid4().hex[:8]
    started = datetime.now(UTC)
    reports = Path(config.getoption("reports") or config.rootpath / "reports").resolve()
    folder = reports / f"{started:%Y%m%dT%H%M%SZ}-{run_id}"
    redactor = Redactor(target.secrets())
    key = twin_key(run_id) if target.owned else target.key
    interrupt.before_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        folder.mkdir(parents=True)
        journal = Journal(folder / "journal.jsonl", redactor)
    except OSError as error:
        msg = f"{folder}: cannot be written ({error.strerror}); choose another folder with --reports"
        raise pytest.UsageError(msg) from None
    run = Run(
        id=run_id,
        started=started,
        target=target,
        target_file=_shorter(path, config),
        target_path=path,
        folder=folder,
        checks_folder=_checks_folder(config),
        systems=systems,
        saved=saved,
        steady_limits={name: section.limits for name, section in as_written.sections().items()},
        redactor=redactor,
        journal=journal,
        lock=TargetLock(key, run_id),
        ledger=Ledger(key, run_id, owned=target.owned),
        options=Options(
            incident=config.getoption("incident") or (saved.run.get("incident") if saved else None),
            period=config.getoption("period") or (saved.run.get("period") if saved else None),
            profile=config.getoption("profile") or (saved.run["profile"] if saved else None),
            gate=Severity(config.getoption("gate")),
            strict_severity=config.getoption("strict_severity"),
            arm=armed,
            busy_is_ok=config.getoption("if_busy") == "ok",
            only=_only(config, target, saved),
            drills_named=drills_named(config),
        ),
    )
    _open_baseline(run, config, reports)
    run.warnings += _runbook_differences(config.getoption("runbook_file") or [], run)
    journal.write(
        "run",
        format=JOURNAL_FORMAT,
        opsverify=version("opsverify"),
        id=run_id,
        replay_of=saved.run["id"] if saved else None,
        target=target.name,
        target_file=str(run.target_file),
        key=run.key,
        owned=target.owned,
        profile=run.options.profile,
        incident=run.options.incident,
        period=run.options.period,
        only=list(run.options.only),
        gate=run.options.gate.value,
        limits={name: section.limits.model_dump(mode="json") for name, section in target.sections().items()},
    )
    return run


def _only(config: pytest.Config, target: Target, saved: SavedRun | None) -> tuple[str, ...]:
    """The words of --only; else those of the saved run, else those of the target."""
    options = config.getoption("only")
    if options is not None:
        words = tuple(word.strip() for option in options for word in option.split(",") if word.strip())
        if not words:
            msg = f"--only {','.join(options)}: names nothing; give a system, subsystem, surface or check, such as --only oona"
            raise pytest.UsageError(msg)
        return words
    return tuple(saved.run.get("only", ())) if saved else target.only


def _open_baseline(run: Run, config: pytest.Config, reports: Path) -> None:
    """Find the run to compare with. Raises pytest.UsageError for a path that is no run."""
    named = config.getoption("baseline")
    if named is None:
        return
    from opsverify.evidence.baseline import LAST_GREEN, last_green, load_baseline  # noqa: PLC0415 -- only what is asked for is loaded

    if named == LAST_GREEN:
        reports = Path(config.getoption("baseline_from") or reports)
        run.baseline = last_green(reports, run.key)
        if run.baseline is None:
            run.warnings.append(
                f"--baseline last-green: {reports} holds no green run of this target; nothing was compared"
            )
    else:
        run.baseline = load_baseline(config.invocation_params.dir / named)


def _runbook_differences(options: list[str], run: Run) -> list[str]:
    """Differences between real runbook files (`SYSTEM=FILE`) and the maps. Raises pytest.UsageError."""
    known, differences = run.runbooks, list[str]()
    for option in options:
        system, _, file = option.partition("=")
        if system not in known or not Path(file).is_file():
            msg = f"--runbook-file {option}: must be SYSTEM=FILE with a file that exists; systems are {', '.join(known)}"
            raise pytest.UsageError(msg)
        differences += [
            f"runbook of {system}: {difference}"
            for difference in compare_with_file(known[system], Path(file))
        ]
    return differences


def _saved_run(config: pytest.Config) -> SavedRun | None:
    folder = config.getoption("replay")
    if folder is None:
        return None
    from opsverify.evidence.replay import ReplayError, load_run  # noqa: PLC0415 -- only what is asked for is loaded

    try:
        return load_run(config.invocation_params.dir / folder)
    except ReplayError as error:
        raise pytest.UsageError(str(error)) from None


def _target_tables(saved: SavedRun, systems: Mapping[str, System]) -> dict[str, Any]:
    """The saved run's target as tables: its systems, with the limits it used."""
    limits = {name: table for name, table in saved.run["limits"].items() if name in systems}
    values = {name: {key: limit["value"] for key, limit in table.items()} for name, table in limits.items()}
    # Nothing is started or asked in a replay; "embedded" is what needs no address.
    return {
        "name": saved.run["target"],
        "servers": {"provider": "embedded"},
        **{name: {"limits": table} for name, table in values.items()},
    }


def _limits(options: list[str] | None) -> dict[str, dict[str, float]]:
    """`system.name=number` options as tables. Raises TargetError."""
    tables: dict[str, dict[str, float]] = {}
    for option in options or []:
        key, _, value = option.partition("=")
        system, _, name = key.partition(".")
        try:
            tables.setdefault(system, {})[name] = float(value)
        except ValueError:
            msg = f"--limit {option}: must be SYSTEM.LIMIT=NUMBER, such as esper.normal_depth=3000"
            raise TargetError(msg) from None
    return tables


def report_paths(config: pytest.Config, run: Run) -> dict[str, Path]:
    """Paths of the HTML and JUnit reports (in the run's folder by default), each opened for writing once; that of the
    bundle is tried too.

    Raises:
        pytest.UsageError: one of them cannot be written.
    """
    paths = {
        "html": Path(getattr(config.option, "htmlpath", None) or run.folder / "report.html"),
        "junit": Path(getattr(config.option, "xmlpath", None) or run.folder / "junit.xml"),
    }
    if config.getoption("bundle"):
        from opsverify.evidence.bundle import writable_path  # noqa: PLC0415 -- only what is asked for is loaded

        run.bundle = writable_path(config.invocation_params.dir / config.getoption("bundle"))
    for name, path in paths.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8"):
                pass
        except OSError as error:
            msg = f"the {name} report {path} cannot be written: {error.strerror}"
            raise pytest.UsageError(msg) from None
    config.option.htmlpath, config.option.xmlpath = str(paths["html"]), str(paths["junit"])
    config.option.self_contained_html = True
    return paths


def take_target(run: Run, *, undone: str | None) -> None:
    """Take the target's lock and read what an earlier run left changed. Sets `busy` or `left_changed`.

    `undone` is the id of a change that a person has undone by hand; it is removed from the ledger first.

    Raises:
        pytest.UsageError: the state folder cannot be used, or the ledger has no change `undone`.
    """
    if run.saved is not None:
        return  # nothing of the target is touched
    try:
        run.lock.acquire()
    except StateError as error:
        raise pytest.UsageError(str(error)) from None
    except TargetBusy as busy:
        run.busy = str(busy)
        run.journal.write("busy", holder=run.busy)
        return
    run.warnings += sweep_dead_twins()
    try:
        left = run.ledger.in_force()
    except (OSError, ValueError) as error:
        run.left_changed = True
        run.problem(f"cannot read what earlier runs left changed: {error}")
        return
    known = {change.id: change for change in left}
    if undone in known:
        run.ledger.settle(known[undone])
        run.journal.write("undone-by-hand", change=known.pop(undone).model_dump(mode="json"))
    elif undone is not None:
        msg = f"--undone {undone}: the ledger of {run.target.name} has no such change; it has {', '.join(known) or 'none'}"
        raise pytest.UsageError(msg)
    for change in known.values():
        run.left_changed = True
        run.problem(
            f"run {change.run} left {change.name} in force since {change.at:%Y-%m-%d %H:%M:%SZ}: was {change.before!r} before, "
            f"{change.left!r} after. Undo by hand: {change.by_hand}; then run once with --undone {change.id}"
        )


def redact_logging(run: Run) -> Callable[[], None]:
    """Install a redacting log-record factory; returns its undo function."""
    make = logging.getLogRecordFactory()

    def redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.msg, record.args = run.redactor.text(record.getMessage()), None
        if record.exc_info:
            record.exc_text = run.redactor.text(logging.Formatter().formatException(record.exc_info))
        return record

    logging.setLogRecordFactory(redacted)
    return lambda: logging.setLogRecordFactory(make)


def signals_interrupt() -> list[Callable[[], object]]:
    """Have SIGTERM and SIGHUP act as Ctrl-C does: undo, journal, reports, status. Returns the undo functions."""

    def as_interrupt(number: int, _frame: object) -> None:
        if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
            raise KeyboardInterrupt(signal.Signals(number).name)
        signal.raise_signal(signal.SIGINT)

    before = {number: signal.signal(number, as_interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    return [lambda n=number, h=handler: signal.signal(n, h) for number, handler in before.items()]  # type: ignore[misc]
