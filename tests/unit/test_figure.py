"""A finding's figure as it is drawn: whatever its values are, all of it lies in its box, and no text on another."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.evidence.redaction import Redactor
from opsverify.model.verdict import Figure, Finding, Severity, Verdict
from opsverify.report.figure import HEIGHT, WIDTH, Drawing, Label, drawn
from opsverify.report.html import render_html
from opsverify.report.json import render_json
from opsverify.report.model import CheckResult, RunReport
from tests.unit.reports import report

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
LETTER = 10  # of the largest that the page's style makes them, in the drawing's units


FOUND = Finding(holds=False, reason="disk-full-soon", expected="room", observed="none")
CHECK = CheckResult(
    id="B-CAP-1b",
    row="B-CAP-1b",
    name="disk",
    promise="it lasts",
    system="bzzz",
    subsystem="capacity",
    severity=Severity.P2,
    verdict=Verdict.FAIL,
    reason="disk-full-soon",
    gated=True,
    nodeid="x",
)


def figure(values: tuple[float, ...] = (40.0, 45.0, 50.0), **more: Any) -> Figure:
    """A value a day, up to now."""
    points = tuple((NOW - DAY * (len(values) - 1 - n), value) for n, value in enumerate(values))
    return Figure(**{"title": "disk of acacia /", "points": points, "limit": 70.0, **more})


def seen(of: Figure) -> Drawing:
    """It drawn; there is something to be seen."""
    drawing = drawn(of)
    assert drawing is not None
    return drawing


def ahead(days: float) -> datetime:
    """An instant so many days from now."""
    return NOW + DAY * days


def rising(days: int = 10, **more: Any) -> Figure:
    """A line to so many days from now, with its band."""
    line = ((NOW - DAY * 2, 40.0), (ahead(days), 80.0))
    band = tuple((at, value - 5, value + 5) for at, value in line)
    return figure(line=line, band=band, **more)


def reach(label: Label) -> tuple[float, float, float]:
    """From where to where a text goes at the most, and its height."""
    width = len(label.text) * LETTER
    left = {"start": label.x, "middle": label.x - width / 2, "end": label.x - width}[label.anchor]
    return left, left + width, label.y


def test_a_value_is_drawn_where_it_is() -> None:
    """Nothing is at the bottom, all is at the top, and time goes from left to right."""
    places = [
        tuple(map(float, each.split(" ")))
        for each in re.split("[ML]", seen(figure((0.0, 50.0, 100.0))).observed)[1:]
    ]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert x0 < x1 < x2
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 > y1 > y2
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)


@pytest.mark.parametrize("values", [(-50.0, 180.0, 1e300), (float("inf"), float("-inf"), 50.0)])
def test_what_lies_outside_is_drawn_at_the_edge(values: tuple[float, ...]) -> None:
    """More than all, and less than nothing, is as far as the box goes."""
    assert heights(seen(figure(values)).observed) <= heights(seen(figure((0.0, 100.0, 50.0))).observed)


def heights(path: str) -> set[float]:
    """How far down the points of a path are."""
    return {float(each.split(" ")[1]) for each in re.split("[ML]", path)[1:]}


def test_what_is_no_number_is_left_out() -> None:
    """The points beside it are joined; where none is a number there is no line, and no crash."""
    nan = float("nan")
    assert seen(figure((40.0, nan, 50.0))).observed.count("L") == 1
    drawing = seen(figure((nan, nan), limit=70.0, band=((NOW, nan, nan),)))
    assert drawing.observed == ""
    assert "nan" not in f"{drawing.observed}{drawing.line}{drawing.band}{drawing.limit}{drawing.words}"


def test_nothing_is_no_drawing() -> None:
    """A figure without a point and without a line is not shown as an empty one."""
    assert drawn(figure(())) is None
    assert drawn(figure((), reached=NOW, earliest=NOW)) is None


def test_one_point_is_a_dot() -> None:
    """It can be seen, though it makes no line."""
    assert "a" in seen(figure((40.0,))).observed


@pytest.mark.parametrize(
    ("days", "shown"), [(-30.0, False), (-1.0, True), (0.0, True), (5.0, True), (10.0, True), (11.0, False)]
)
def test_the_day_of_the_limit_is_shown_where_the_drawing_reaches(days: float, *, shown: bool) -> None:
    """Before its begin and after its end there is no line for it, and no date."""
    drawing = seen(rising(reached=ahead(days)))
    assert bool(drawing.reached) is shown
    assert any("(limit)" in label.text for label in drawing.dates) is shown


def test_a_span_without_an_end_goes_to_the_edge_and_one_that_is_over_is_not_drawn() -> None:
    """From the earliest day to the latest, as far as the drawing reaches."""
    open_, far = (seen(rising(earliest=ahead(3), latest=latest)).span for latest in (None, ahead(9000)))
    assert open_ == far
    assert float(open_.rpartition("H")[2]) == WIDTH - 12
    assert seen(rising(earliest=ahead(11))).span == ""
    assert seen(rising(earliest=ahead(-30), latest=ahead(-20))).span == ""
    assert seen(rising()).span == ""


def test_of_many_points_some_hundreds_are_drawn() -> None:
    """A page with many figures stays small."""
    assert len(re.findall("[ML]", seen(figure(tuple(float(n % 90) for n in range(20_000)))).observed)) <= 400


@pytest.mark.parametrize("limit", [-10.0, 0.0, 5.0, 70.0, 95.0, 100.0, 900.0])
def test_the_limits_label_is_never_cut(limit: float) -> None:
    """It stands above its line, or below it where there is no room."""
    label = seen(figure(limit=limit)).limit_label
    assert 16 < label.y < HEIGHT - 16


VALUE = st.floats(allow_nan=True, allow_infinity=True)
INSTANT = st.none() | st.floats(-4000, 4000).map(ahead)


FIGURES = st.builds(
    figure,
    st.lists(VALUE, max_size=9).map(tuple),
    line=st.lists(st.tuples(st.floats(-400, 4000).map(ahead), VALUE), max_size=2).map(tuple),
    band=st.lists(st.tuples(st.floats(-400, 4000).map(ahead), VALUE, VALUE), max_size=4).map(tuple),
    reached=INSTANT,
    earliest=INSTANT,
    latest=INSTANT,
    limit=st.floats(0, 200),
)


@given(FIGURES)
def test_whatever_it_holds_it_lies_in_its_box(of: Figure) -> None:
    """Every number of every path is in the box, no text is cut, and no date covers another."""
    drawing = drawn(of)
    if drawing is None:
        assert not of.points
        assert not of.line
        return
    for path in (
        drawing.grid,
        drawing.observed,
        drawing.line,
        drawing.band,
        drawing.limit,
        drawing.reached,
        drawing.span,
    ):
        assert not re.search("[a-z]{2}", path)
        assert all(-10 <= float(number) <= WIDTH for number in NUMBER.findall(path))
    for label in drawing.labels:
        left, right, y = reach(label)
        assert left >= 0 or label in drawing.ticks
        assert right <= WIDTH
        assert 0 < y <= HEIGHT
    for one, other in combinations(drawing.dates, 2):
        assert reach(one)[1] <= reach(other)[0] or reach(other)[1] <= reach(one)[0]


def test_a_page_shows_it_with_words_for_those_who_do_not_see_it() -> None:
    """The drawing stands beside its finding, its title is text and no markup, and nothing of it is a script."""
    told = FOUND.model_copy(
        update={"figure": rising(title="</svg><script>alert(1)</script>", reached=ahead(5))}
    )
    check = CHECK.model_copy(update={"findings": (told,)})
    page = render_html(report().model_copy(update={"checks": (check,)}), Redactor({}))
    assert '<svg class="figure"' in page
    assert "its limit of 70 % reached about 2026-11-26" in page
    assert "<script>alert" not in page


def test_a_figure_can_be_read_again_from_a_report() -> None:
    """What is no number is a text there, as JSON has none, and nothing of it is lost."""
    told = FOUND.model_copy(update={"figure": figure((40.0, float("inf"), float("-inf")))})
    check = CHECK.model_copy(update={"findings": (told,)})
    written = render_json(report().model_copy(update={"checks": (check,)}), Redactor({}))
    assert RunReport.model_validate_json(written).checks[0].findings[0].figure == told.figure
