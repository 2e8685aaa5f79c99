"""The HTML report: one static page without a script, worst first, every text escaped."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from opsverify.model.text import clean_text, counted
from opsverify.model.verdict import Severity, Verdict, deciding
from opsverify.report.canary import escalation, notable_states, rates_by_subsystem
from opsverify.report.figure import drawn
from opsverify.report.headline import headline
from opsverify.report.model import CheckResult, RunReport
from opsverify.report.subsystems import by_subsystem

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.bccache import Bucket

    from opsverify.evidence.redaction import Redactor

__all__ = ["render_html"]

_NEEDS_ATTENTION = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WAIVED)
# pytest-html keeps its sorting and filters in the address; a page in a frame of ours may not change its address.
_KEEP_ADDRESS = """<script>{let at = location.href; const Real = URL;
history.pushState = (state, title, to) => { at = to };
window.URL = function (url, base) { return new Real(url === location.href ? at : url, base) }}</script>"""


class _BesideModules(BytecodeCache):
    """Keeps the compiled template where Python keeps compiled modules, if it may: compiling it takes longer than a run's
    other reports together.
    """

    def get_source_checksum(self, source: str) -> str:
        """Checksum of the template, of this module with its options, and of the version of jinja2."""
        made_by = f"{version('jinja2')} {Path(__file__).stat().st_mtime_ns}"
        return super().get_source_checksum(source + made_by)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read the cached template, if it is there."""
        with suppress(OSError):
            bucket.bytecode_from_string(self._place().read_bytes())

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write it for the next run."""
        place = self._place()
        fresh = place.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            if not sys.dont_write_bytecode:
                place.parent.mkdir(parents=True, exist_ok=True)
                fresh.write_bytes(bucket.bytecode_to_string())
                fresh.replace(place)

    def _place(self) -> Path:
        return Path(cache_from_source(str(Path(__file__).with_name("report.html.j2"))))


@dataclass(frozen=True, slots=True)
class _Page:
    """The template, and its style as it stands in the page."""

    template: Template
    style: Markup


@cache
def _page() -> _Page:
    environment = Environment(
        loader=PackageLoader("opsverify.report", "templates"),
        autoescape=True,
        bytecode_cache=_BesideModules(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda v: clean_text(v) if isinstance(v, str) and not isinstance(v, Markup) else v,
    )
    environment.filters["slug"] = _slug
    environment.filters["drawn"] = drawn
    assert environment.loader is not None  # noqa: S101 - for the type checker; it was given above
    style, _, _ = environment.loader.get_source(environment, "report.css")
    return _Page(environment.get_template("report.html.j2"), Markup(style))  # noqa: S704 - our own file


def render_html(report: RunReport, redactor: Redactor, appendix: str = "") -> str:
    """The page, redacted. `appendix` is another page, shown folded in a frame of its own (pytest-html's table)."""
    shown = report.redacted(redactor)
    checks = shown.worst_first()
    red = [c for c in checks if c.verdict in _NEEDS_ATTENTION]
    drills = [c for c in checks if c.timeline]
    states = {one.check: one for one in shown.canary.states} if shown.canary else {}
    page = _page()
    return page.template.render(
        run=shown,
        style=page.style,
        appendix=appendix.replace("<head>", f"<head>{_KEEP_ADDRESS}", 1),
        headline=_headline(shown, red),
        red=red,
        red_ids={c.id for c in red},
        deciding=deciding,
        verdict_of={c.id: c.verdict for c in checks},
        groups=by_subsystem(shown),
        drills=drills,
        spans={c.id: max(s.after + s.took for s in c.timeline) + 0.001 for c in drills},
        states=states,
        overdue=[c for c in checks if c.id in states and states[c.id].overdue_since],
        escalate=escalation(shown.contact),
        notable=notable_states(shown.canary) if shown.canary else [],
        rates=rates_by_subsystem(shown.canary) if shown.canary else {},
        trends={t.id: t.moments for t in shown.trends},
        times={
            s.value: (
                _duration_text(s.response.total_seconds()),
                _duration_text(s.resolution.total_seconds()),
            )
            for s in Severity
        },
        verdicts=list(Verdict),
    )


def _headline(report: RunReport, red: list[CheckResult]) -> str:
    if report.exit_status:
        return f"Exit {report.exit_status}: {report.headline}"
    if not report.counts:
        return report.headline
    ungated = sum(not c.gated for c in red)
    verb = "is" if ungated == 1 else "are"
    beside = f"; {counted(ungated, 'check')} below the gate {verb} not green" if ungated else ""
    return headline(f"Gate {report.gate} holds{beside}", report.not_looked_at, report.only)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)


def _duration_text(seconds: float) -> str:
    for size, unit in ((604800, "week"), (86400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
