"""A picture reduced to what the engines beyond difPy compare: greys, thumbnails, keypoints."""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from image_duplication.detection.letters import is_page
from image_duplication.detection.quantiles import median

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

LOOK_SIDE_PX = 320
"""Longer side of the grey picture in which keypoints are found."""

THUMBNAIL_PX = 32
ORIENTATIONS = 8

_LEVELS = 3
_KEYPOINTS = 220
_MIRRORED_KEYPOINTS = 140  # the strongest: enough for a mirror image, which few copies are
_KEYPOINT_SCALE = 1.4  # between levels: with five of them, pictures up to 3.8 times as large match
_KEYPOINT_LEVELS = 5
_KEYPOINT_EDGE_PX = 15
_KEYPOINT_CONTRAST = 12
_LEAST_SIDE_PX = 32  # below it ORB has no levels to look at
_BOX_GRID = 64
_BOX_CONTRAST = 12  # grey levels off the border's own that are content
_BOX_LEAST = 8  # of the grid; a smaller box is taken for noise, and the picture left whole
LEAST_DEVIATION = 4.0
"""Standard deviation of a thumbnail, in grey levels, below which it shows nothing."""


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Corners of a picture: `places` (n, 4) of x, y, size in px and angle in radians, and ORB."""

    places: Floats
    descriptors: Pixels  # (n, 32)


@dataclass(frozen=True)  # without slots, for it keeps what is found when first asked for
class Look:
    """One picture, reduced. `pyramid` is grey, each level half the size of the one before.

    `box` is the picture without its uniform margin, as shares (left, top, right, bottom);
    `thumbnails` (16, 1024) are the whole and the trimmed one in eight orientations each (quarter
    turns anticlockwise, then the same mirrored), of zero mean and unit length, or zero where there
    is nothing to see. `turned` are the strongest keypoints where the mirror image has them.
    """

    pyramid: tuple[Pixels, ...]
    colour: Pixels
    box: tuple[float, float, float, float]
    thumbnails: Floats
    keypoints: Keypoints
    turned: Sequence[cv2.KeyPoint]

    @functools.cached_property
    def mirrored(self) -> Keypoints:
        """The keypoints of the picture's mirror image.

        The first of a variant's pictures is never asked for them, nor any that is a plain copy.
        """
        return _describe_turned(self.grey, self.turned)

    @functools.cached_property
    def is_page(self) -> bool:
        """Whether the picture is line art or lettering."""
        return is_page(self.grey)

    @property
    def grey(self) -> Pixels:
        """The finest level."""
        return self.pyramid[0]

    @property
    def is_telling(self) -> bool:
        """Whether the picture shows anything to go by."""
        return bool(self.thumbnails[0].any())


class _Finders(threading.local):
    """An ORB for each thread: it keeps buffers."""

    def __init__(self) -> None:
        self.orb = cv2.ORB_create(  # type: ignore[attr-defined]
            nfeatures=_KEYPOINTS,
            scaleFactor=_KEYPOINT_SCALE,
            nlevels=_KEYPOINT_LEVELS,
            edgeThreshold=_KEYPOINT_EDGE_PX,
            fastThreshold=_KEYPOINT_CONTRAST,
        )


_finders = _Finders()


def look_at(grey: Pixels, colour: Pixels) -> Look:
    """Reduce a grey picture, shape (height, width); `colour` is a small RGB copy, of any aspect."""
    grey = shrink(grey, LOOK_SIDE_PX)
    pyramid = [grey]
    for _ in range(_LEVELS - 1):
        pyramid.append(_halve(pyramid[-1]))
    box = _find_box(pyramid[1])
    keypoints, turned = _find_keypoints(grey)
    return Look(
        pyramid=tuple(pyramid),
        colour=colour,
        box=box,
        thumbnails=np.concatenate(
            [_normalise(picture)[_TURNS] for picture in (pyramid[1], _cut(grey, box))]
        ),
        keypoints=keypoints,
        turned=turned,
    )


def shrink(picture: Pixels, side_px: int) -> Pixels:
    """The picture with its longer side at most `side_px`.

    By whole factors first, which average all pixels and are fast, then by interpolation.
    """
    height, width = picture.shape[:2]
    factor = max(height, width) / side_px
    whole = int(factor)
    if whole > 1:
        picture = _resize(picture, max(1, width // whole), max(1, height // whole), is_mean=True)
    if factor > 1:
        picture = _resize(picture, max(1, round(width / factor)), max(1, round(height / factor)))
    return picture


def _resize(picture: Pixels, width: int, height: int, *, is_mean: bool = False) -> Pixels:
    if picture.shape[:2] == (height, width):
        return picture
    interpolation = cv2.INTER_AREA if is_mean else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=interpolation), np.uint8)


def _halve(picture: Pixels) -> Pixels:
    height, width = picture.shape
    return _resize(picture, max(1, width // 2), max(1, height // 2), is_mean=True)


def _find_box(grey: Pixels) -> tuple[float, float, float, float]:
    small = _resize(grey, _BOX_GRID, _BOX_GRID, is_mean=True).astype(np.int16)
    edge = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    content = np.abs(small - median(edge)) > _BOX_CONTRAST
    rows = np.flatnonzero(content.sum(axis=1) > 1)
    columns = np.flatnonzero(content.sum(axis=0) > 1)
    if len(rows) < _BOX_LEAST or len(columns) < _BOX_LEAST:
        return (0.0, 0.0, 1.0, 1.0)
    return (
        float(columns[0]) / _BOX_GRID,
        float(rows[0]) / _BOX_GRID,
        float(columns[-1] + 1) / _BOX_GRID,
        float(rows[-1] + 1) / _BOX_GRID,
    )


def _cut(grey: Pixels, box: tuple[float, float, float, float]) -> Pixels:
    height, width = grey.shape
    left, top = int(box[0] * width), int(box[1] * height)
    return grey[
        top : max(top + 1, round(box[3] * height)), left : max(left + 1, round(box[2] * width))
    ]


def _list_turns() -> npt.NDArray[np.intp]:
    """Row k: which pixel of a thumbnail each pixel of it shows in orientation k."""
    upright = np.arange(THUMBNAIL_PX**2).reshape(THUMBNAIL_PX, THUMBNAIL_PX)
    mirrored = upright[:, ::-1]
    ways = [np.rot90(picture, turns) for picture in (upright, mirrored) for turns in range(4)]
    return np.stack(ways).reshape(ORIENTATIONS, -1)


_TURNS = _list_turns()


def _normalise(grey: Pixels) -> Floats:
    thumbnail = _resize(grey, THUMBNAIL_PX, THUMBNAIL_PX, is_mean=True).astype(np.float32).ravel()
    thumbnail -= thumbnail.mean()
    length = float(np.sqrt(thumbnail @ thumbnail))
    if length < LEAST_DEVIATION * THUMBNAIL_PX:
        return np.zeros_like(thumbnail)
    return thumbnail / length


def _find_keypoints(grey: Pixels) -> tuple[Keypoints, list[cv2.KeyPoint]]:
    """The picture's keypoints, and the strongest of them where its mirror image has them."""
    if min(grey.shape) < _LEAST_SIDE_PX:
        return _as_keypoints((), None), []
    found, descriptors = _finders.orb.detectAndCompute(grey, None)
    keypoints = _as_keypoints(found, descriptors)
    right = grey.shape[1] - 1
    strongest = sorted(found, key=operator.attrgetter("response"), reverse=True)
    turned = strongest[:_MIRRORED_KEYPOINTS]
    for one in turned:
        x, y = one.pt
        one.pt = right - x, y
        one.angle = (180 - one.angle) % 360
    return keypoints, turned


def _describe_turned(grey: Pixels, turned: Sequence[cv2.KeyPoint]) -> Keypoints:
    if not turned:
        return _as_keypoints((), None)
    return _as_keypoints(*_finders.orb.compute(cv2.flip(grey, 1), turned))


def _as_keypoints(found: tuple[cv2.KeyPoint, ...], descriptors: Pixels | None) -> Keypoints:
    if descriptors is None or not found:
        return Keypoints(np.empty((0, 4), np.float32), np.empty((0, 32), np.uint8))
    places = np.empty((len(found), 4), np.float32)
    places[:, :2] = cv2.KeyPoint.convert(found)
    places[:, 2] = [one.size for one in found]
    places[:, 3] = np.deg2rad(np.array([one.angle for one in found], np.float32))
    return Keypoints(places, descriptors)
