"""Linear projection of a resource's use: least squares, with the uncertainty of the day on which it meets a limit.

The bounds are those of the line itself at 95 % (Fieller): where the daily variation is large, or the days few, they lie
far apart. Growth that is not significant has no such days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Projection", "project"]

_FEWEST = 8
_DAY = timedelta(days=1)
_Z = 1.96  # of the normal distribution, at 95 %
_FARTHEST = 3650.0  # days; a date beyond it is of no use, and may overflow


@dataclass(frozen=True, slots=True)
class Projection:
    """A fitted line: value `level` at the newest point, `slope` a day, and how sure that is (`slope_error`).

    `reached`, `earliest` and `latest` are days from the newest point until the line, and the bounds of it, meet the
    limit; None where they do not within ten years.
    """

    begin: datetime
    end: datetime
    level: float
    slope: float
    slope_error: float
    reached: float | None
    earliest: float | None
    latest: float | None
    residual: float
    centre: float
    spread: float
    count: int

    @property
    def grows(self) -> bool:
        """Whether growth is significant."""
        return self.slope > _Z * self.slope_error and self.slope > 0

    def at(self, days: float) -> tuple[float, float]:
        """The line's value so many days after the newest point, and half the width of its band there."""
        around = 1 / self.count + (days - self.centre) ** 2 / self.spread
        return self.level + self.slope * days, _Z * self.residual * math.sqrt(around)

    def when(self, days: float | None) -> datetime | None:
        """The instant so many days after the newest point."""
        return None if days is None else self.end + days * _DAY


def project(points: Sequence[tuple[datetime, float]], limit: float, least: timedelta) -> Projection | None:
    """The line through the points; None where they are too few, or cover less than `least`."""
    if len(points) < _FEWEST or points[-1][0] - points[0][0] < least:
        return None
    end = points[-1][0]
    xs, ys = [(at - end) / _DAY for at, _ in points], [value for _, value in points]
    count = len(xs)
    centre, middle = math.fsum(xs) / count, math.fsum(ys) / count
    spread = math.fsum((x - centre) ** 2 for x in xs)
    slope = math.fsum((x - centre) * (y - middle) for x, y in zip(xs, ys, strict=True)) / spread
    level = middle - slope * centre
    residual = math.sqrt(
        math.fsum((y - level - slope * x) ** 2 for x, y in zip(xs, ys, strict=True)) / (count - 2)
    )
    earliest, latest = _bounds(limit - middle, slope, residual, spread, count)
    return Projection(
        begin=points[0][0],
        end=end,
        level=level,
        slope=slope,
        slope_error=residual / math.sqrt(spread),
        reached=_ahead((limit - level) / slope if slope > 0 else None),
        earliest=_ahead(None if earliest is None else earliest + centre),
        latest=_ahead(None if latest is None else latest + centre),
        residual=residual,
        centre=centre,
        spread=spread,
        count=count,
    )


def _ahead(days: float | None) -> float | None:
    return None if days is None or days > _FARTHEST else max(days, 0.0)


def _bounds(
    rise: float, slope: float, residual: float, spread: float, count: int
) -> tuple[float | None, float | None]:
    """Days from the centre at which the upper, and the lower, edge of the band has risen so far.

    The edges meet it where (slope·x - rise)² = (z·residual)²·(1/n + x²/spread): a quadratic equation. It has a day for
    each edge only where growth is significant; else the edges turn back, or have always been beyond it.
    """
    noise = (_Z * residual) ** 2
    sure = slope**2 - noise / spread
    if slope <= 0 or sure <= 0:
        return None, None
    # The discriminant in a form without the difference of two large numbers.
    root = math.sqrt(noise * (sure / count + rise**2 / spread))
    return (slope * rise - root) / sure, (slope * rise + root) / sure
