"""Where the marks of a chart stand; the templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 400, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 20, 12, 28
_TICKS = 4
_LABELS = 5
_TICK_LETTERS = 6  # of a label, as a tick shows it: a date without its year
_NICE = (1, 2, 2.5, 5, 10)
_BAR_SHARE = 0.7  # of the room of one moment
_WIDEST_BAR = 28.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a line, or a bar from its upper left corner; `says` is its value in words."""

    x: float
    y: float
    says: str
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time; `name` is that of its colour and its column."""

    name: str
    marks: tuple[Mark, ...]

    @property
    def points(self) -> str:
        """The line, as SVG takes it."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


@dataclass(frozen=True, slots=True)
class Chart:
    """A frame with its scales, and what stands in it; ticks are places with their texts."""

    title: str
    y_ticks: tuple[tuple[float, str], ...]
    x_ticks: tuple[tuple[float, str], ...]
    series: tuple[Series, ...]
    are_bars: bool
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    bottom: float = HEIGHT - _BOTTOM


def draw_chart(
    title: str,
    labels: Sequence[str],
    quantities: Sequence[tuple[str, Sequence[int]]],
    *,
    are_bars: bool = False,
) -> Chart:
    """A chart of named quantities over the moments that `labels` name, from 0 upwards."""
    top = _choose_top(max((max(values, default=0) for _, values in quantities), default=0))
    room = (WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)
    height = HEIGHT - _TOP - _BOTTOM
    base = HEIGHT - _BOTTOM
    middles = [_LEFT + room * (place + 0.5) for place in range(len(labels))]
    bar = min(room * _BAR_SHARE / len(quantities), _WIDEST_BAR)
    series = []
    for number, (name, values) in enumerate(quantities):
        offset = bar * (number - len(quantities) / 2) if are_bars else 0.0
        marks = tuple(
            Mark(
                middle + offset,
                base - height * value / top,
                f"{label}: {value:,} {name}",
                bar,
                height * value / top,
            )
            for middle, label, value in zip(middles, labels, values, strict=True)
        )
        series.append(Series(name, marks))
    step = max(1, math.ceil(len(labels) / _LABELS))
    return Chart(
        title,
        tuple(
            (base - height * tick / _TICKS, f"{top * tick / _TICKS:,.0f}")
            for tick in range(_TICKS + 1)
        ),
        # Counted from the newest, which is what one looks for.
        tuple((x, label[:_TICK_LETTERS]) for x, label in zip(middles, labels, strict=True))[::-1][
            ::step
        ],
        tuple(series),
        are_bars,
    )


def _choose_top(most: int) -> int:
    """The least round number that is not below, and whose quarters are whole."""
    if most <= _TICKS:
        return _TICKS
    step = most / _TICKS
    power = 10.0 ** math.floor(math.log10(step))
    nice = next(power * factor for factor in _NICE if power * factor >= step)
    return _TICKS * math.ceil(nice)
