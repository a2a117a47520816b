"""Pages: what is written on two size charts, labels or drawings in one layout."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

PAGE_SIDE_PX = 320
"""Longer side of the frame in which letters are compared: small figures show in it."""

_FLAT_STEP = 16  # grey levels between neighbours, of which a page's plain places have no more
_TONES = 5
_TONE_REACH = 4  # grey levels about a tone that are that tone
_PAGE_TONES = 0.985  # of what is flat, that so few tones explain
_LEAST_FLAT = 0.3  # of a picture: else it is grain that has no tones
_LEAST_SIDE_PX = 48

_WINDOW_PX = 9
_REACH_PX = 2  # that letters may lie apart
_WRITTEN = 8.0  # standard deviation in a window, in grey levels
_BLANK = 3.0
_UNLIKE = 0.5  # correlation
_NOISE_VARIANCE = 6.0
_LEAST_WRITTEN = 0.01  # of the overlap

_TONE_BIN = 16  # grey levels
_PAINTED_OVER = 0.002  # of the overlap
_ONE_SIDED = 0.02  # of what is written in one picture alone
_LEAST_ADDED = 0.002  # of the overlap
_ADDED_SHARE = 0.5  # of what is unlike
_GAP_PX = 5  # between parts of one figure
_LARGEST_FIGURE = 0.024  # of the overlap; larger, and it may be a badge
_AROUND_PX = 9
_OFF_GROUND = 20.0  # grey levels off the ground around a figure
_REPLACED = 0.5  # of the place that one alone has written on: two words have 0.7 and more


def is_page(grey: Pixels) -> bool:
    """Whether a picture is line art or lettering: a few even tones, and sharp edges between them.

    A photo has shades where it has no edges, even one of plain goods on white.
    """
    if min(grey.shape) < _LEAST_SIDE_PX:
        return False
    steps = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    is_flat = (steps <= _FLAT_STEP).view(np.uint8)
    counts = cv2.calcHist([grey], [0], is_flat, [256], [0, 256]).ravel().astype(np.intp)
    flat = int(counts.sum())
    if flat < _LEAST_FLAT * grey.size:
        return False
    explained = 0
    for _ in range(_TONES):
        near = np.convolve(counts, np.ones(2 * _TONE_REACH + 1, np.intp), "same")
        tone = int(near.argmax())
        explained += int(near[tone])
        counts[max(0, tone - _TONE_REACH) : tone + _TONE_REACH + 1] = 0
    return explained >= _PAGE_TONES * flat


def measure_letters_unlike(
    first: Floats, second: Floats, inside: Floats, *, sign: float = 1.0
) -> float:
    """Share of what is written on two pages, laid over each other, that says something else.

    `sign` is -1 where one is inverted. 0 where something was added to one page: a badge paints over
    the ground, or covers a large place and uncovers none, and a watermark takes no letter away.
    """
    within = _is_well_inside(inside)
    area = max(1, int(within.sum()))
    mean_first, deviation_first = _describe_windows(first)
    mean_second, deviation_second = _describe_windows(second)
    is_written_first = within & (deviation_first > _WRITTEN)
    is_written_second = within & (deviation_second > _WRITTEN)
    both = is_written_first & is_written_second
    is_unlike = both & (_correlate_nearby(first, second, sign) < _UNLIKE)
    unlike = int(is_unlike.sum())
    if not unlike:
        return 0.0
    largest = _find_largest(is_unlike)
    if largest.sum() > _LARGEST_FIGURE * area and not _is_replaced(first, second, largest, within):
        return 0.0
    is_ground = within & (np.maximum(deviation_first, deviation_second) < _BLANK)
    painted_over = _count_painted_over(mean_first[is_ground], mean_second[is_ground])
    least_added = max(_LEAST_ADDED * area, _ADDED_SHARE * unlike)
    is_overlaid = painted_over > _PAINTED_OVER * area or _is_added_to(
        is_written_first & (deviation_second < _BLANK),
        is_written_second & (deviation_first < _BLANK),
        ~_spread(is_written_first),
        ~_spread(is_written_second),
        least_added,
    )
    if is_overlaid:
        return 0.0
    written = int((is_written_first | is_written_second).sum())
    return unlike / max(written, _LEAST_WRITTEN * area)


def _is_well_inside(inside: Floats) -> Mask:
    window = np.ones((_WINDOW_PX, _WINDOW_PX), np.uint8)
    within = cv2.erode(
        (inside > 0).astype(np.uint8), window, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.asarray(within, bool)


def _mean(values: Floats) -> Floats:
    return np.asarray(cv2.blur(values, (_WINDOW_PX, _WINDOW_PX)), np.float32)


def _describe_windows(grey: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation about each pixel."""
    mean = _mean(grey)
    return mean, np.sqrt(np.maximum(_mean(grey * grey) - mean * mean, 0.0))


def _correlate_nearby(first: Floats, second: Floats, sign: float) -> Floats:
    """The best correlation about each pixel over small shifts: pages are laid out to the pixel."""
    mean_first, deviation_first = _describe_windows(first)
    mean_second, deviation_second = _describe_windows(second)
    spread_first = deviation_first**2 + _NOISE_VARIANCE
    spread_second = deviation_second**2 + _NOISE_VARIANCE
    best: Floats = np.full_like(first, -1.0)
    for shift in itertools.product(range(-_REACH_PX, _REACH_PX + 1), repeat=2):
        moved, mean, spread = (
            np.roll(values, shift, (0, 1)) for values in (second, mean_second, spread_second)
        )
        covariance = _mean(first * moved) - mean_first * mean
        best = np.maximum(best, sign * covariance / np.sqrt(spread_first * spread))
    return best


def _find_largest(is_unlike: Mask) -> Mask:
    """The largest connected place."""
    near = _spread(is_unlike).astype(np.uint8)
    _, labels, figures, _ = cv2.connectedComponentsWithStats(near)
    return np.asarray(labels == 1 + int(figures[1:, cv2.CC_STAT_AREA].argmax()), bool)


def _is_replaced(first: Floats, second: Floats, figure: Mask, within: Mask) -> bool:
    """Whether a figure stands in the place of another: each shows ground where the other does not.

    Where something was laid over a page, hardly any ground appears that was written on.
    """
    near = _dilate(figure, _AROUND_PX)
    around = _dilate(near, _AROUND_PX) & ~near & within
    if not around.any():
        return False
    place = near & within
    written_first, written_second = (
        np.abs(page[place] - np.median(page[around])) > _OFF_GROUND for page in (first, second)
    )
    fewer, more = sorted(
        (int((written_first & ~written_second).sum()), int((written_second & ~written_first).sum()))
    )
    return fewer > _REPLACED * more


def _spread(places: Mask) -> Mask:
    """The places and what is close to them, where blur reaches."""
    return _dilate(places, _GAP_PX)


def _dilate(places: Mask, window_px: int) -> Mask:
    window = np.ones((window_px, window_px), np.uint8)
    return np.asarray(cv2.dilate(places.astype(np.uint8), window), bool)


def _count_painted_over(first: Floats, second: Floats) -> int:
    """Pixels of plain ground whose tone in the other is not that of its like.

    Brighter or recoloured ground stays of one tone wherever it was; a badge on it does not.
    """
    bins = 256 // _TONE_BIN
    places = (first // _TONE_BIN).astype(np.intp) * bins + (second // _TONE_BIN).astype(np.intp)
    tones = np.bincount(places, minlength=bins * bins).reshape(bins, bins)
    return max(_count_off_tone(tones), _count_off_tone(tones.T))


def _count_off_tone(tones: npt.NDArray[np.intp]) -> int:
    padded = np.pad(tones, ((0, 0), (1, 1)))
    near = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return int((tones.sum(axis=1) - near.max(axis=1)).sum())


def _is_added_to(
    only_first: Mask, only_second: Mask, off_first: Mask, off_second: Mask, least: float
) -> bool:
    """Whether one page has lettering where the other is blank, and nothing the other way.

    `off_first` and `off_second` are away from each page's own lettering: what is close to it may be
    its blur.
    """
    return any(
        added >= least and int(taken.sum()) <= _ONE_SIDED * added
        for added, taken in (
            (int((only_second & off_first).sum()), only_first),
            (int((only_first & off_second).sum()), only_second),
        )
    )
