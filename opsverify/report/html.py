"""The part of the HTML report that people read: static, self-contained, worst first, every text escaped."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from opsverify.evidence import clean_text
from opsverify.report.model import RunReport
from opsverify.verdict import Severity, Verdict

if TYPE_CHECKING:
    from jinja2 import Template

    from opsverify.redaction import Redactor

__all__ = ["render_html"]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("opsverify.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda v: clean_text(v) if isinstance(v, str) and not isinstance(v, Markup) else v,
    )
    return environment.get_template("report.html.j2")


def render_html(report: RunReport, redactor: Redactor) -> str:
    """The static report as one HTML fragment with its own style, redacted."""
    shown = report.redacted(redactor)
    checks = shown.worst_first()
    needs = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WAIVED)
    red = [c for c in checks if c.verdict in needs]
    rest = sorted((c for c in checks if c.verdict not in needs), key=lambda c: (c.system, c.subsystem, c.id))
    groups = [(key, list(each)) for key, each in groupby(rest, key=lambda c: (c.system, c.subsystem))]
    times = {
        s.value: (_words(s.response.total_seconds()), _words(s.resolution.total_seconds())) for s in Severity
    }
    drills = [c for c in checks if c.timeline]
    return _template().render(
        run=shown, red=red, groups=groups, drills=drills, times=times, verdicts=list(Verdict)
    )


def _words(seconds: float) -> str:
    for size, unit in ((604800, "week"), (86400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
