"""Trends as small drawings: points in a box, for a template to put into SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH = 560
HEIGHT = 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 26
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Point:
    """One week, where it stands in the drawing, and what it means."""

    x: float
    y: float
    value: int
    moment: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class Trend:
    """A line over the weeks, with the lines of its scale."""

    title: str
    points: Sequence[Point]
    scale: Sequence[tuple[float, int]]

    @property
    def line(self) -> str:
        """The points of an SVG polyline."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)

    @property
    def area(self) -> str:
        """The same, closed at the bottom."""
        floor = HEIGHT - _BOTTOM
        first, last = self.points[0], self.points[-1]
        return f"{first.x:.1f},{floor} {self.line} {last.x:.1f},{floor}"


def draw_trend(title: str, weeks: Sequence[tuple[datetime, int, str]]) -> Trend | None:
    """A trend of moments, values and run ids; None for less than two, which show no trend."""
    if len(weeks) < 2:  # noqa: PLR2004
        return None
    top = max(value for _, value, _ in weeks)
    scale = _scale(top)
    highest = scale[-1]
    begin, end = weeks[0][0].timestamp(), weeks[-1][0].timestamp()
    lasting = max(end - begin, 1.0)
    points = [
        Point(
            x=_LEFT + (moment.timestamp() - begin) / lasting * (WIDTH - _LEFT - _RIGHT),
            y=_height_of(value, highest),
            value=value,
            moment=moment,
            run_id=run_id,
        )
        for moment, value, run_id in weeks
    ]
    return Trend(title, points, [(_height_of(value, highest), value) for value in scale])


def _height_of(value: int, highest: int) -> float:
    room = HEIGHT - _TOP - _BOTTOM
    return HEIGHT - _BOTTOM - value / highest * room


def _scale(top: int) -> list[int]:
    """Round values from 0 to at least the top, three or four of them."""
    wanted = max(top, 3) / 3
    size = 10 ** (len(str(int(wanted))) - 1)
    step = max(1, int(next(step * size for step in _STEPS if step * size >= wanted)))
    return [step * number for number in range(4)]
