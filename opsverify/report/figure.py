"""A finding's figure as coordinates: what the page's template draws as static SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from opsverify.model.verdict import Figure

__all__ = ["Drawing", "Label", "drawn"]

WIDTH, HEIGHT = 640, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 12, 12, 34
_TICKS = (0, 25, 50, 75, 100)
_TOP_VALUE = 100.0
_MOST_POINTS = 400
_LETTER = (
    10  # the most that a letter is wide: on a narrow page the letters are larger than the drawing is made for
)
_LINE = 20  # a text's height, with some room
_DOT = 3


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place; `anchor` as SVG has it."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Paths and labels in a box of WIDTH by HEIGHT. An empty path is not drawn. `words` is the text alternative."""

    words: str
    grid: str
    ticks: tuple[Label, ...]
    dates: tuple[Label, ...]
    observed: str
    line: str
    band: str
    limit: str
    limit_label: Label
    now: str
    reached: str
    span: str

    @property
    def labels(self) -> tuple[Label, ...]:
        """Every text."""
        return (*self.ticks, *self.dates, self.limit_label)


class _Box:
    """Where an instant and a value lie."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self.begin, self.end = begin, end
        self._length = max((end - begin).total_seconds(), 1.0)

    def x(self, at: datetime) -> float:
        """From the left; what lies outside is drawn at the edge."""
        share = (at - self.begin).total_seconds() / self._length
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * min(max(share, 0.0), 1.0), 1)

    @staticmethod
    def y(value: float) -> float:
        """From the top."""
        share = min(max(value / _TOP_VALUE, 0.0), 1.0)
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)

    def path(self, points: Iterable[tuple[datetime, float]]) -> str:
        """Lines from point to point; a dot where there is only one. What is no number is left out."""
        places = [(self.x(at), self.y(value)) for at, value in points if not math.isnan(value)]
        if len(places) == 1:
            (x, y), round_ = places[0], f"a{_DOT} {_DOT} 0 1 0 "
            return f"M{x - _DOT} {y}{round_}{2 * _DOT} 0{round_}{-2 * _DOT} 0"
        return "".join(f"{'L' if i else 'M'}{x} {y}" for i, (x, y) in enumerate(places))

    def upright(self, at: datetime | None) -> str:
        """A line from bottom to top."""
        return "" if at is None else f"M{self.x(at)} {HEIGHT - _BOTTOM}V{_TOP}"


def drawn(figure: Figure) -> Drawing | None:
    """The figure in coordinates; None where it has no points and no line."""
    ends = [at for at, _ in (*figure.points, *figure.line)]
    if not ends:
        return None
    box = _Box(min(ends), max(ends))
    now = figure.points[-1][0] if figure.points else None
    every = -(-len(figure.points) // _MOST_POINTS) or 1
    limit = box.y(figure.limit)
    band = [
        *((at, high) for at, _, high in figure.band),
        *((at, low) for at, low, _ in reversed(figure.band)),
    ]
    within = figure.reached if figure.reached is not None and box.begin <= figure.reached <= box.end else None
    return Drawing(
        words=_alternative(figure),
        grid="".join(f"M{_LEFT} {box.y(v)}H{WIDTH - _RIGHT}" for v in _TICKS),
        ticks=tuple(Label(_LEFT - 6, box.y(v) + 4, f"{v} %", "end") for v in _TICKS),
        dates=_dates(box, now, within),
        observed=box.path(figure.points[::every]),
        line=box.path(figure.line),
        band=f"{box.path(band)}Z" if band else "",
        limit=f"M{_LEFT} {limit}H{WIDTH - _RIGHT}",
        limit_label=Label(
            _LEFT + 6,
            limit - 5 if limit > _TOP + _LINE else limit + _LINE - 4,
            f"limit {figure.limit:g} %",
            "start",
        ),
        now=box.upright(now),
        reached=box.upright(within),
        span=_span(box, figure, limit),
    )


def _span(box: _Box, figure: Figure, limit: float) -> str:
    """From the earliest to the latest day at which the limit may be reached, on its line."""
    latest = figure.latest or box.end
    if figure.earliest is None or figure.earliest > box.end or latest < box.begin:
        return ""
    return f"M{box.x(figure.earliest)} {limit}H{box.x(latest)}"


def _dates(box: _Box, now: datetime | None, reached: datetime | None) -> tuple[Label, ...]:
    """The axis' dates; one that would cover a more important one is left out (reached, now, ends)."""
    chosen: list[Label] = []
    for at, what in ((reached, " (limit)"), (now, " (now)"), (box.begin, ""), (box.end, "")):
        if at is None:
            continue
        text = f"{at:%Y-%m-%d}{what}"
        half = len(text) * _LETTER / 2
        x = min(max(box.x(at), _LEFT + half - _DOT), WIDTH - half)
        if all(abs(x - other.x) > half + len(other.text) * _LETTER / 2 for other in chosen):
            chosen.append(Label(x, HEIGHT - _BOTTOM + _LINE, text))
    return tuple(chosen)


def _alternative(figure: Figure) -> str:
    value = figure.points[-1][1] if figure.points else math.nan
    newest = "" if math.isnan(value) else f", {value:.1f} % now"
    reached = (
        f", its limit of {figure.limit:g} % reached about {figure.reached:%Y-%m-%d}" if figure.reached else ""
    )
    return f"{figure.title} over time{newest}{reached}"
