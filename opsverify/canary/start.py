"""The start of a canary run: waivers, history, the lock across machines, the metrics file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsverify.run.lock import state_folder
from opsverify.target.waivers import WaiverError, Waivers, load_waivers

if TYPE_CHECKING:
    from opsverify.run.run import Run

__all__ = ["attach_history_and_waivers"]


def attach_history_and_waivers(config: pytest.Config, run: Run) -> None:
    """Attach them to a run that has just been opened.

    Raises:
        pytest.UsageError: a bad waiver file, a history or a metrics file that cannot be written.
    """
    run.waivers = _waivers(config, run)
    is_preview = bool(config.getoption("plan") or config.getoption("preflight"))
    if run.saved is not None or is_preview:
        return
    run.metrics = _metrics(config, run)
    place = _place(config, run)
    if place is not None:
        _attach_history(run, place)


def _waivers(config: pytest.Config, run: Run) -> Waivers:
    named = config.getoption("waivers")
    if named:
        path = config.invocation_params.dir / named
    elif run.target.waivers:
        path = run.target_path.parent / run.target.waivers
    else:
        return Waivers()
    try:
        return load_waivers(path, run.target.name)
    except WaiverError as error:
        raise pytest.UsageError(str(error)) from None


def _metrics(config: pytest.Config, run: Run) -> Path | None:
    named = config.getoption("openmetrics")
    path: Path
    if named:
        path = config.invocation_params.dir / named
    elif run.target.canary.openmetrics and run.options.profile == "canary":
        path = run.target_path.parent / run.target.canary.openmetrics
    else:
        return None
    trial = path.with_name(f".{path.name}.{run.id}")
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        msg = f"the metrics file {path} cannot be written: {error.strerror}"
        raise pytest.UsageError(msg) from None
    return path


def _place(config: pytest.Config, run: Run) -> str | Path | None:
    """Where this run keeps its history; None for other profiles, and for a twin unless --history or [history] asks for one."""
    named: str | None = config.getoption("history")
    table = run.target.history
    if run.options.profile != "canary" and named not in (None, "off"):
        msg = "--history needs --profile canary: only canary runs are kept in a history"
        raise pytest.UsageError(msg)
    twin_of_one_run = run.target.owned and not named and table is None
    if named == "off" or run.options.profile != "canary" or twin_of_one_run:
        return None
    if named and "://" in named:
        if not named.startswith(("postgresql://", "postgres://")):
            msg = "--history: must be a file, or an address such as postgresql://user@host/database"
            raise pytest.UsageError(msg)
        return named
    if named:
        return config.invocation_params.dir / str(named)
    if table is not None and table.url_env is not None:
        return table.url_env.get_secret_value()
    own = run.target_path.parent / table.path if table is not None and table.path else None
    return own or state_folder() / "history.sqlite"


def _attach_history(run: Run, place: str | Path) -> None:
    # A run without a history does not load a database library.
    from opsverify.canary.canary import CanaryRun  # noqa: PLC0415
    from opsverify.canary.history import History, HistoryError  # noqa: PLC0415

    try:
        history = History(place, run.target.key)
    except (ImportError, HistoryError) as error:
        msg = f"the history cannot be used: {run.redactor.text(str(error))}"
        raise pytest.UsageError(msg) from None
    try:
        history.open()
    except HistoryError as error:
        if not history.shared or error.newer:
            raise pytest.UsageError(run.redactor.text(str(error))) from None
        # The run goes on without a database that cannot be reached.
        run.unwritable = True
        run.problem(
            f"this run is not kept in the history, and the target is not locked against runs on other machines: {error}"
        )
    else:
        run.canary = run.lock = CanaryRun(history, run.target, run.lock)
