"""The end of a run: our reports, the bundle, the terminal summary, and the release of the target."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from opsverify.model.text import bounded_text
from opsverify.report.json import render_json
from opsverify.report.markdown import render_markdown
from opsverify.report.terminal import summary
from opsverify.run.lock import StateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from opsverify.evidence.redaction import Redactor
    from opsverify.report.model import RunReport
    from opsverify.run.run import Run

__all__ = [
    "ensure_html",
    "release_target",
    "remove_folder",
    "show",
    "write_reports",
    "write_run_bundle",
]

_BUNDLED = {
    "html": "report.html",
    "junit": "junit.xml",
}  # in a bundle they have these names, wherever they were asked to


def ensure_html(session: pytest.Session, run: Run) -> None:
    """Call pytest-html's writer if the error of another writer ended pytest's chain before its turn."""
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


def write_reports(run: Run) -> None:
    """Write the HTML, Markdown, metrics and JSON reports, each even if another fails, and point `latest` to the run's folder."""
    if "html" in run.reports:
        from opsverify.report.html import render_html  # noqa: PLC0415 -- jinja2 is loaded where a page is written

        _write(
            run, "html", run.reports["html"], partial(render_html, appendix=_appendix(run.reports["html"]))
        )
    _write_texts(run)


def _appendix(page: Path) -> str:
    """pytest-html's own page, which is folded into ours."""
    try:
        return page.read_text(encoding="utf-8")
    except OSError:
        return ""


def _write_texts(run: Run) -> None:
    _write(run, "markdown", run.folder / "summary.md", render_markdown)
    fresh = run.folder.parent / f".latest-{run.id}"
    try:
        fresh.symlink_to(run.folder.name)
        fresh.replace(run.folder.parent / "latest")
    except OSError as error:
        run.warnings.append(f"{run.folder.parent / 'latest'} could not be pointed to this run: {error}")
    _write_metrics(run)
    _write(run, "json", run.folder / "report.json", render_json)  # last: it carries the trouble of the others


def _write_metrics(run: Run) -> None:
    """Write the metrics file of a run that judged the target; any other run leaves the file as it was."""
    if run.metrics is None or not run.looked:
        return
    from opsverify.report.openmetrics import write_openmetrics  # noqa: PLC0415 - only where it is asked for

    try:
        write_openmetrics(run.metrics, run.build_report().redacted(run.redactor))
        run.reports["metrics"] = run.metrics
    except OSError as error:
        run.unwritable = True
        run.problem(f"the metrics file could not be written: {error}")


def write_run_bundle(run: Run) -> None:
    """Pack the finished run into the archive of `--bundle`; an error is a problem of the run, and is in its report."""
    if run.bundle is None or run.usage_error:
        return
    from opsverify.evidence.bundle import redacted_target, versions, write_bundle  # noqa: PLC0415 -- only what is asked for is loaded

    files = {"journal.jsonl": run.journal.path} | {
        _BUNDLED.get(name, path.name): path for name, path in run.reports.items()
    }
    try:
        texts = {"versions.txt": versions(), "target.json": redacted_target(run.target, run.redactor)}
        write_bundle(run.bundle, files, texts)
        run.reports["bundle"] = run.bundle
    except OSError as error:
        run.unwritable = True
        run.problem(f"the bundle {run.bundle} could not be written: {error}")
        _write_texts(run)


def _write(run: Run, name: str, path: Path, render: Callable[[RunReport, Redactor], str]) -> None:
    try:
        path.write_text(render(run.build_report(), run.redactor), encoding="utf-8")
        run.reports[name] = path
    except OSError as error:
        run.unwritable = True
        run.problem(f"the {name} report could not be written: {error}")


def release_target(run: Run) -> list[str]:
    """Release the target's lock and remove a twin's ledger; returns a line for each error."""
    steps = [run.lock.release]
    if run.target.owned and run.saved is None and run.chosen:
        steps.insert(0, run.ledger.discard)
    errors = []
    for step in steps:
        try:
            step()
        except (OSError, StateError) as error:  # the state folder has changed since the run began
            errors.append(f"what the run kept in the state folder could not be removed: {error}")
    return errors


def remove_folder(run: Run) -> None:
    """Remove the folder of a command that judged nothing: it would look like a run's."""
    run.journal.path.unlink(missing_ok=True)
    with suppress(OSError):  # something else is in it: then it stays
        run.folder.rmdir()


def show(terminal: pytest.TerminalReporter, run: Run) -> None:
    """The verdict of the run, what was not looked at, and where the reports are; once."""
    if run.shown:
        return
    run.shown = True
    terminal.section("opsverify")
    if run.command is not None:
        for line in run.command.lines:
            terminal.write_line(run.redactor.text(bounded_text(line)))
        return
    lines = summary(run.build_report(), run.reports)
    if run.usage_error:  # pytest says in one line what is wrong; nothing was looked at
        lines = [line for line in lines if line[0].startswith("exit ")]
    for text, colour in lines:
        terminal.write_line(run.redactor.text(text), **({colour: True} if colour else {}))
