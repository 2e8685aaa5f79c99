"""Closes a run: writes what pytest's own writers do not, whatever happened to them, and says where everything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.report.json import render_json
from opsverify.report.terminal import summary

if TYPE_CHECKING:
    import pytest

    from opsverify.run import Run

__all__ = ["show", "write_html_all_the_same", "write_json"]


def write_html_all_the_same(session: pytest.Session, run: Run) -> None:
    """Have pytest-html write although another report's trouble ended pytest's chain of writers before its turn."""
    html = run.reports.get("html")
    if html is None or html.stat().st_size:
        return
    manager = session.config.pluginmanager
    others = [p for p in manager.get_plugins() if not type(p).__module__.startswith("pytest_html.")]
    try:
        manager.subset_hook_caller("pytest_sessionfinish", others)(
            session=session, exitstatus=session.exitstatus
        )
    except OSError as error:
        run.problem(f"the HTML report could not be written: {error}")


def write_json(run: Run) -> None:
    """Write the JSON report, and point `latest` beside the run's folder to it."""
    path = run.reports.setdefault("json", run.folder / "report.json")
    try:
        path.write_text(render_json(run.conclude(), run.redactor), encoding="utf-8")
        fresh = run.folder.parent / f".latest-{run.id}"
        fresh.symlink_to(run.folder.name)
        fresh.replace(run.folder.parent / "latest")
    except OSError as error:
        run.unwritable = True
        run.problem(f"the JSON report could not be written: {error}")


def show(terminal: pytest.TerminalReporter, run: Run) -> None:
    """The verdict of the run, what was not looked at, and where the reports are; once."""
    if run.shown:
        return
    run.shown = True
    terminal.section("opsverify")
    for text, colour in summary(run.conclude(), run.reports):
        terminal.write_line(run.redactor.text(text), **({colour: True} if colour else {}))
