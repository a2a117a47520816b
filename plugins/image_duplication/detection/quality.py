"""What one picture is worth by itself: notes for the report, figures for the keeper rule."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from image_duplication.detection.detail import measure_detail
from image_duplication.detection.letters import is_page
from image_duplication.records import QualityNote

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Quantization = Mapping[int, Sequence[int]]
"""The tables of a JPEG file by number, luminance first, as Pillow gives them."""

_UNUSABLE = frozenset({QualityNote.TOO_SMALL, QualityNote.BLANK, QualityNote.PLACEHOLDER})

_OVERVIEW_PX = 100  # at least, and less than twice as much
_BLANK_DEVIATION = 2.0
"""Standard deviation, of 255, below which every channel of a picture shows nothing."""

_LINES = 24  # rows, and as many columns, that stand for the whole picture
_LINE_PX = 512

_BLURRED_DETAIL = 0.5  # an enlargement by two has about 0.4; sharp product photos 0.56 to 1
_LEAST_BLURRED_PX = 96  # of the shorter side: smaller pictures are seen small

_JPEG_BLOCK_PX = 8
_JPEG_STEP_MOST = 6.0  # grey levels; larger steps are the picture's own edges
_JPEG_STEP_FLOOR = 0.05
_JPEG_STEP_FITTED = 100.0  # mean quantisation step, beyond which the estimate says no more

_BORDER_RANGE = 6  # grey levels within a row or column of the plain border
_BORDER_ROUNDS = 3  # a frame within a margin is two borders
_HEAVY_BORDER_SHARE = 0.75

_NOTICE_BORDER = 0.5  # least share of the area around the lettering of a placeholder
_NOTICE_INK = 0.1  # largest share that differs from its background
_NOTICE_MARKS = 8  # least number of strokes side by side; goods that are flat and small have few
_NOTICE_FLAT_INK = 0.3  # least share of the ink that has its own grey; goods have shades
_NOTICE_TOLERANCE = 6  # grey levels
_NOTICE_CONTRAST = 24


@dataclass(frozen=True, slots=True)
class Quality:
    """Shares are of 1.

    `detail_px` is the longest side, in pixels, that the picture would need for the detail it
    carries: an enlarged or pixelated copy has that of its original, or less. It is a measure to
    compare copies of one picture by; a soft motif has less than its size, and sharpening or slight
    noise at the size itself adds up to a half (see `measure_detail`). `compression` is the mean
    step of the JPEG quantisation: the file's own, or estimated from the edges of its blocks; lower
    is better.
    """

    notes: tuple[QualityNote, ...]
    detail_px: float
    compression: float
    is_compression_estimated: bool
    border_share: float

    @property
    def is_usable(self) -> bool:
        """Whether the picture shows something that a buyer can look at."""
        return _UNUSABLE.isdisjoint(self.notes)


def assess_quality(
    grey: Grey,
    colour: npt.NDArray[np.uint8],
    *,
    min_side_px: int,
    quantization: Quantization | None,
) -> Quality:
    """Quality of an 8-bit grey picture, shape (height, width); `colour` is a small RGB copy."""
    height, width = grey.shape
    overview = _reduce(grey)
    rows, columns = _sample_steps(grey)
    detail = measure_detail(rows, columns, is_page=functools.partial(is_page, grey))
    border_share = _measure_border(overview)
    is_blank = _is_blank(colour, overview)
    notes = {
        QualityNote.TOO_SMALL: min(width, height) < min_side_px,
        QualityNote.BLURRED: not is_blank
        and detail.shown < _BLURRED_DETAIL
        and min(width, height) >= _LEAST_BLURRED_PX,
        QualityNote.BLANK: is_blank,
        QualityNote.PLACEHOLDER: not is_blank and _is_notice(grey, overview, border_share),
        QualityNote.HEAVY_BORDER: not is_blank and border_share > _HEAVY_BORDER_SHARE,
    }
    return Quality(
        notes=tuple(note for note, holds in notes.items() if holds),
        detail_px=detail.true * max(width, height),
        compression=_mean_step(quantization)
        if quantization
        else _estimate_compression(rows, columns),
        is_compression_estimated=not quantization,
        border_share=border_share,
    )


def _reduce(grey: Grey) -> Grey:
    """By halves, for which OpenCV has a fast way."""
    while max(grey.shape) >= 2 * _OVERVIEW_PX and min(grey.shape) > 1:
        height, width = (side // 2 for side in grey.shape)
        even = grey[: 2 * height, : 2 * width]
        grey = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))
    return grey


def _is_blank(colour: npt.NDArray[np.uint8], overview: Grey) -> bool:
    # The greys settle it for nearly every picture.
    if cv2.meanStdDev(overview)[1].item() >= _BLANK_DEVIATION:
        return False
    return bool(colour.reshape(-1, 3).std(axis=0).max() < _BLANK_DEVIATION)


# Steps and compression ----------------------------------------------------------------------------


def _sample_steps(grey: Grey) -> tuple[Floats, Floats]:
    """Steps from pixel to pixel along some rows and some columns, a line each."""
    return _sample_rows(grey), _sample_rows(grey.T)


def _sample_rows(grey: Grey) -> Floats:
    height, width = grey.shape
    length = min(width, _LINE_PX)
    # A multiple of the block's size, so that blocks keep their places.
    start = (width - length) // 2 // _JPEG_BLOCK_PX * _JPEG_BLOCK_PX
    places = ((np.arange(_LINES) + 0.5) * height / _LINES).astype(np.intp)
    lines = grey[places, start : start + length].astype(np.float32)
    return lines[:, 1:] - lines[:, :-1]


def _mean_step(quantization: Quantization) -> float:
    luminance = quantization[min(quantization)]
    return sum(luminance) / len(luminance)


def _estimate_compression(rows: Floats, columns: Floats) -> float:
    """The mean quantisation step that the edges of the blocks suggest; 0 without such edges."""
    excess = [
        _measure_block_edges(side) for side in (rows, columns) if side.shape[1] > 2 * _JPEG_BLOCK_PX
    ]
    if not excess:
        return 0.0
    mean = sum(excess) / len(excess)
    # Fitted to photos saved at qualities 30 to 95, whose mean steps are 96 to 6.
    return min(_JPEG_STEP_FITTED, 80.0 * mean + 165.0 * mean**2)


def _measure_block_edges(steps: Floats) -> float:
    """By how much the steps across the edges of blocks exceed the others, as a share of these."""
    blocks = steps.shape[1] // _JPEG_BLOCK_PX
    sizes = np.minimum(np.abs(steps[:, : blocks * _JPEG_BLOCK_PX]), _JPEG_STEP_MOST)
    by_place = sizes.mean(axis=0).reshape(blocks, _JPEG_BLOCK_PX).mean(axis=0)
    # A cropped or turned picture has its edges elsewhere.
    edge = int(by_place.argmax())
    others = (by_place.sum() - by_place[edge]) / (_JPEG_BLOCK_PX - 1)
    share = (by_place[edge] + _JPEG_STEP_FLOOR) / (others + _JPEG_STEP_FLOOR)
    return float(share - 1.0)


# Borders and notices ------------------------------------------------------------------------------


def _measure_border(overview: Grey) -> float:
    """Share of the area that is plain border, frames within a margin included."""
    content = overview
    for _ in range(_BORDER_ROUNDS):
        trimmed = _trim(content)
        if trimmed.size == content.size:
            break
        content = trimmed
    return 1.0 - content.size / overview.size


def _trim(grey: Grey) -> Grey:
    """The picture without the plain rows and columns at its edges."""
    for _ in range(2):
        # Most photos fill their frame, and then the outermost lines settle it.
        if grey.size and (_is_plain(grey[0]) or _is_plain(grey[-1])):
            content = np.flatnonzero(np.ptp(grey, axis=1) > _BORDER_RANGE)
            grey = grey[content[0] : content[-1] + 1] if content.size else grey[:0]
        grey = grey.T
    return grey


def _is_plain(line: Grey) -> bool:
    return int(line.max()) - int(line.min()) <= _BORDER_RANGE


def _is_notice(grey: Grey, overview: Grey, border_share: float) -> bool:
    """Whether a line of flat lettering, and little else, stands on a plain background.

    In doubt it is no notice: of 1,293 product photos none is taken for one.
    """
    if border_share < _NOTICE_BORDER:
        return False
    background = int(overview[0, 0])
    contrast = np.abs(overview.astype(np.int16) - background)
    if (contrast > _NOTICE_TOLERANCE).mean() > _NOTICE_INK:
        return False
    is_ink = contrast > _NOTICE_CONTRAST
    marks = (is_ink[:, 1:] & ~is_ink[:, :-1]).sum(axis=1).max(initial=0)
    if marks < _NOTICE_MARKS:
        return False
    counts = np.ravel(cv2.calcHist([grey], [0], None, [256], [0, 256]))
    ink = np.where(np.abs(np.arange(256) - background) > _NOTICE_CONTRAST, counts, 0)
    flattest = np.convolve(ink, np.ones(2 * _NOTICE_TOLERANCE + 1), "same").max()
    return bool(flattest >= _NOTICE_FLAT_INK * ink.sum())
