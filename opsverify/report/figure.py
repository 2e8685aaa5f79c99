"""A finding's figure as coordinates: what the page's template draws as static SVG."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsverify.verdict import Figure

__all__ = ["Drawing", "Label", "drawn"]

WIDTH, HEIGHT = 640, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 34
_TICKS = (0, 25, 50, 75, 100)
_TOP_VALUE = 100.0
_MOST_POINTS = 400
_APART = 110  # between two dates on the axis, else one is left out


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place; `anchor` as SVG has it."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Paths and labels in a box of WIDTH by HEIGHT. An empty path is not drawn. `words` say what is to be seen."""

    words: str
    grid: str
    ticks: tuple[Label, ...]
    dates: tuple[Label, ...]
    seen: str
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
        self._begin = begin
        self._length = max((end - begin).total_seconds(), 1.0)

    def x(self, at: datetime) -> float:
        """From the left; what lies outside is drawn at the edge."""
        share = (at - self._begin).total_seconds() / self._length
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * min(max(share, 0.0), 1.0), 1)

    @staticmethod
    def y(value: float) -> float:
        """From the top."""
        share = min(max(value / _TOP_VALUE, 0.0), 1.0)
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)

    def path(self, points: Iterable[tuple[datetime, float]]) -> str:
        """Lines from point to point."""
        return "".join(f"{'L' if i else 'M'}{self.x(at)} {self.y(v)}" for i, (at, v) in enumerate(points))

    def upright(self, at: datetime | None) -> str:
        """A line from bottom to top."""
        return "" if at is None else f"M{self.x(at)} {HEIGHT - _BOTTOM}V{_TOP}"


def drawn(figure: Figure) -> Drawing:
    """The figure in coordinates."""
    ends = [at for at, _ in (*figure.points, *figure.line)] or [datetime.fromtimestamp(0).astimezone()]
    begin, end = min(ends), max(ends)
    box = _Box(begin, end)
    now = figure.points[-1][0] if figure.points else None
    every = -(-len(figure.points) // _MOST_POINTS) or 1
    limit = box.y(figure.limit)
    band = [
        *((at, high) for at, _, high in figure.band),
        *((at, low) for at, low, _ in reversed(figure.band)),
    ]
    within = figure.reached if figure.reached is not None and figure.reached <= end else None
    return Drawing(
        words=_words(figure),
        grid="".join(f"M{_LEFT} {box.y(v)}H{WIDTH - _RIGHT}" for v in _TICKS),
        ticks=tuple(Label(_LEFT - 6, box.y(v) + 4, f"{v} %", "end") for v in _TICKS),
        dates=_dates(box, [begin, now, within, end], within),
        seen=box.path(figure.points[::every]),
        line=box.path(figure.line),
        band=f"{box.path(band)}Z" if band else "",
        limit=f"M{_LEFT} {limit}H{WIDTH - _RIGHT}",
        limit_label=Label(_LEFT + 6, limit - 5, f"limit {figure.limit:g} %", "start"),
        now=box.upright(now),
        reached=box.upright(within),
        span=_span(box, figure, limit, end),
    )


def _span(box: _Box, figure: Figure, limit: float, end: datetime) -> str:
    """From the earliest to the latest day at which the limit may be met, on its line."""
    if figure.earliest is None or figure.earliest > end:
        return ""
    return f"M{box.x(figure.earliest)} {limit}H{box.x(figure.latest or end)}"


def _dates(box: _Box, instants: list[datetime | None], reached: datetime | None) -> tuple[Label, ...]:
    """The axis' dates, those that lie too near to one that counts more left out: reached, now, ends."""
    begin, now, _, end = instants
    chosen: list[Label] = []
    for at in (reached, now, begin, end):
        if at is None or any(abs(box.x(at) - label.x) < _APART for label in chosen):
            continue
        text = f"{at:%Y-%m-%d}" + (" (now)" if at is now else " (limit)" if at is reached else "")
        anchor = "start" if box.x(at) < _LEFT + 50 else "end" if box.x(at) > WIDTH - _RIGHT - 60 else "middle"
        chosen.append(Label(box.x(at), HEIGHT - _BOTTOM + 18, text, anchor))
    return tuple(chosen)


def _words(figure: Figure) -> str:
    newest = f", {figure.points[-1][1]:.1f} % now" if figure.points else ""
    reached = (
        f", its limit of {figure.limit:g} % reached about {figure.reached:%Y-%m-%d}" if figure.reached else ""
    )
    return f"{figure.title} over time{newest}{reached}"
