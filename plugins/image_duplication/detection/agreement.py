"""How well two pictures agree where one is laid over the other."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from image_duplication.detection.alignment import Homography
from image_duplication.detection.differences import (
    NO_COLOURS,
    NO_EDGES_ADDED,
    NO_SURROUNDINGS,
    compare_colours,
    find_added_edges,
    look_around,
    measure_slopes,
    measure_steepness,
)
from image_duplication.detection.evidence import Alignment
from image_duplication.detection.letters import PAGE_SIDE_PX, measure_letters_unlike
from image_duplication.detection.looks import ORIENTATIONS, Look
from image_duplication.detection.quantiles import median, quantile

Floats = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]

_SIDE_PX = 128
_FINE_NAMED = 0.5  # agreement below which nothing could be called a match, and gets no kinds
_GOODS_NAMED = 0.7
_DETAILED_SIDE_PX = 224  # in which small letters show
_LEAST_SIDE_PX = 24
_WHOLE = 0.98  # of a picture, beyond which nothing is around the overlap
_LEAST_SHARE = 0.5  # of one of the pictures that must be seen in the other
_LEAST_PIXELS = 100
_RIM_PX = 2  # at the edge of the overlap, where a border would shine in
_RIM = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)
_LEAST_WINDOW = 0.4  # of a window that must lie inside
_FINE_PX = 9
_COARSE_PX = 25
_FINE_TEXTURE = 4.0  # standard deviation in a window, in grey levels, below which it is flat
_COARSE_TEXTURE = 6.0
_TEXTURE_MOST = 24.0  # above which a strong edge counts no more than a weaker one
_NOISE_VARIANCE = 6.0  # of JPEG artefacts, which flat windows must not agree on
_FINE_AGREES = 0.8
_FINE_KEPT = 0.6  # less, for an overlay may cross it
_COARSE_AGREES = 0.85
_EDGE_STRENGTH = 5.0  # grey levels a pixel of the frame
_EDGE_LEFT = 0.3  # of an edge's strength, below a half-transparent overlay
_EDGE_COSINE = 0.8
_CELL_EDGES = 0.15
_GOODS_CELLS = 4
_CELLS = 8
_CELL_TEXTURE = 1.0
_CELL_AGREES = 0.6
_INVERTED_BELOW = -0.4
_DISPUTED = 0.15  # of the inner cells contradicted, from which it is asked what is unlike
_UNLIKE_PX = 7
_UNLIKE_TEXTURE = 8.0
_UNLIKE = 0.35  # correlation
_CUTOUT_RIM_PX = 1  # of the goods' edge, which is mixed with what is behind them
_PLAIN_EDGE = 0.6  # of the overlap's edge
_GOODS_CONTRAST = 14.0  # off the edge's grey
_TONE_TOLERANCE = 0.12  # of the goods' range of greys
_TONE_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Overlap:
    """Both pictures in the frame of their overlap; `inside` is where both have pixels.

    `to_first` and `to_second` take the frame's pixels to those of the grey pictures.
    """

    first: Floats
    second: Floats
    inside: Floats
    to_first: Homography
    to_second: Homography
    share_of_first: float
    share_of_second: float


def overlap_of(
    first: Look, second: Look, homography: Homography, *, side_px: int = _SIDE_PX
) -> Overlap | None:
    """The overlap, or None when neither picture is seen well enough in the other.

    Its longer side is `side_px`, or less where one of the pictures has no more detail.
    """
    height, width = first.grey.shape
    there_height, there_width = second.grey.shape
    corners = np.array(
        [
            [
                [0, 0],
                [there_width - 1, 0],
                [there_width - 1, there_height - 1],
                [0, there_height - 1],
            ]
        ],
        np.float64,
    )
    try:
        back = np.linalg.inv(homography)
    except np.linalg.LinAlgError:
        return None
    outline = cv2.perspectiveTransform(corners, back)[0]
    left, top = np.maximum(outline.min(axis=0), 0.0)
    right, bottom = np.minimum(outline.max(axis=0), (width - 1.0, height - 1.0))
    shorter = float(min(right - left, bottom - top))
    if not shorter >= _LEAST_SIDE_PX / 2:  # nor where it is not a number
        return None
    scale = _local_scale(homography, (left + right) / 2, (top + bottom) / 2)
    if shorter * scale < _LEAST_SIDE_PX / 2:
        return None
    longer = max(right - left, bottom - top)
    side = min(float(side_px), max(float(_LEAST_SIDE_PX), longer * min(1.0, scale)))
    zoom = side / longer
    size = (max(16, int((right - left) * zoom)), max(16, int((bottom - top) * zoom)))
    to_first = np.array([[1 / zoom, 0.0, left], [0.0, 1 / zoom, top], [0.0, 0.0, 1.0]])
    to_second = homography @ to_first
    polygon = (outline - (left, top)) * zoom
    inside = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(inside, np.clip(np.round(polygon), -32_000, 32_000).astype(np.int32), 1)
    area = cv2.countNonZero(inside) / zoom**2
    share_of_first = min(1.0, float(area / (width * height)))
    share_of_second = min(1.0, float(area * scale**2 / (there_width * there_height)))
    if max(share_of_first, share_of_second) < _LEAST_SHARE:
        return None
    inside = np.asarray(
        cv2.erode(inside, _RIM, borderType=cv2.BORDER_CONSTANT, borderValue=0), np.uint8
    )
    if cv2.countNonZero(inside) < _LEAST_PIXELS:
        return None
    return Overlap(
        first=_warp(first, to_first, size, 1 / zoom),
        second=_warp(second, to_second, size, scale / zoom),
        inside=inside.astype(np.float32),
        to_first=to_first,
        to_second=to_second,
        share_of_first=share_of_first,
        share_of_second=share_of_second,
    )


def _local_scale(homography: Homography, x: float, y: float) -> float:
    """Linear size in the second of a pixel of the first, about a point."""
    near = cv2.perspectiveTransform(np.array([[[x, y], [x + 1, y], [x, y + 1]]]), homography)[0]
    across, down = near[1] - near[0], near[2] - near[0]
    return float(np.sqrt(abs(across[0] * down[1] - across[1] * down[0])))


def _warp(look: Look, to_look: Homography, size: tuple[int, int], step_px: float) -> Floats:
    """The picture in the frame, from the level of its pyramid that a frame pixel spans."""
    level = 0
    while level < len(look.pyramid) - 1 and step_px >= 1.8 * 2**level:
        level += 1
    picture = look.pyramid[level]
    across = picture.shape[1] / look.grey.shape[1]
    down = picture.shape[0] / look.grey.shape[0]
    to_level = np.array(
        [[across, 0.0, across / 2 - 0.5], [0.0, down, down / 2 - 0.5], [0.0, 0.0, 1.0]]
    )
    warped = cv2.warpPerspective(
        picture,
        to_level @ to_look,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return warped.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Windows:
    """Local statistics of both pictures: standard deviations and their correlation, by pixel."""

    first: Floats
    second: Floats
    correlation: Floats
    is_valid: Mask


class _Frame:
    """Square windows about each pixel of an overlap, of which the pixels inside alone count."""

    def __init__(self, inside: Floats, window_px: int) -> None:
        self._inside = inside
        self._window = (window_px, window_px)
        self._weight = self._blur(inside)
        self._share = 1.0 / np.maximum(self._weight, 1e-6)

    @property
    def is_valid(self) -> Mask:
        return np.asarray((self._inside > 0) & (self._weight > _LEAST_WINDOW))

    def describe(self, grey: Floats) -> _Side:
        inner = grey * self._inside
        mean = self._blur(inner) * self._share
        variance = np.maximum(self._blur(inner * grey) * self._share - mean**2, 0.0)
        return _Side(grey, inner, mean, variance)

    def correlate(self, first: _Side, second: _Side) -> Floats:
        covariance = self._blur(first.inner * second.grey) * self._share - first.mean * second.mean
        return np.asarray(
            covariance
            / np.sqrt((first.variance + _NOISE_VARIANCE) * (second.variance + _NOISE_VARIANCE))
        )

    def _blur(self, values: Floats) -> Floats:
        blurred = cv2.blur(values, self._window, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(blurred, np.float32)


@dataclass(frozen=True, slots=True)
class _Side:
    """One picture in a frame, of which `inner` are the pixels inside: mean and variance."""

    grey: Floats
    inner: Floats
    mean: Floats
    variance: Floats


def correlate(overlap: Overlap, window_px: int) -> Windows:
    """Zero-mean normalised cross-correlation in square windows, of the pixels inside alone."""
    frame = _Frame(overlap.inside, window_px)
    first, second = frame.describe(overlap.first), frame.describe(overlap.second)
    return Windows(
        np.sqrt(first.variance),
        np.sqrt(second.variance),
        frame.correlate(first, second),
        frame.is_valid,
    )


def edges_kept(overlap: Overlap, *, is_inverted: bool) -> float:
    """The greater of both pictures' shares of edges that the other has too: a quick first look."""
    edges = _compare_edges(overlap, -1.0 if is_inverted else 1.0)
    return max(typical for typical, _ in edges)


def weigh(windows: Windows) -> float:
    """Mean correlation over the texture of both."""
    weight = np.sqrt(windows.first * windows.second) * windows.is_valid
    return float((windows.correlation * weight).sum() / max(float(weight.sum()), 1e-6))


def describe_alignment(
    first: Look, second: Look, homography: Homography, keypoints: int, overlap: Overlap
) -> Alignment:
    """The figures of one alignment."""
    fine, coarse = correlate(overlap, _FINE_PX), correlate(overlap, _COARSE_PX)
    sign = -1.0 if weigh(fine) < _INVERTED_BELOW else 1.0
    fine_correlation, coarse_correlation = sign * fine.correlation, sign * coarse.correlation
    texture_first = _texture(fine.first, fine.is_valid, _FINE_TEXTURE, _TEXTURE_MOST)
    texture_second = _texture(fine.second, fine.is_valid, _FINE_TEXTURE, _TEXTURE_MOST)
    texture = np.maximum(texture_first, texture_second)
    coarse_texture = np.maximum(
        _texture(coarse.first, coarse.is_valid, _COARSE_TEXTURE, 40.0),
        _texture(coarse.second, coarse.is_valid, _COARSE_TEXTURE, 40.0),
    )
    agrees = fine_correlation > _FINE_AGREES
    fine_cells, has_fine = _cell_means(fine_correlation, texture, _CELL_TEXTURE)
    coarse_cells, has_coarse = _cell_means(coarse_correlation, coarse_texture, 2 * _CELL_TEXTURE)
    compared = has_fine | has_coarse
    cells = np.minimum(np.where(has_fine, fine_cells, 1.0), np.where(has_coarse, coarse_cells, 1.0))
    contradicted = compared & (cells < _CELL_AGREES)
    interior = np.zeros_like(compared)
    interior[1:-1, 1:-1] = compared[1:-1, 1:-1]
    contradicted_inside = float((contradicted & interior).sum() / max(1, interior.sum()))
    largest = _largest_region(contradicted)
    remaining = np.sort(cells[compared & ~largest])
    tone_slope, tone_agreement = _compare_tones(overlap)
    edges = _compare_edges(overlap, sign)
    found = find_goods(overlap)
    goods = measure_goods(found, fine, _FINE_PX, sign=sign)
    cutout = measure_cutout(overlap, found, _FINE_PX)
    shares = _in_shares(homography, first, second)
    anisotropy, is_mirrored = _describe_shape(homography, overlap)
    known = np.sort(cells[compared]) if compared.any() else np.zeros(1)
    fine_agreement = _share(agrees, texture)
    added, colours, letters_unlike = NO_EDGES_ADDED, NO_COLOURS, 0.0
    around_first, around_second = NO_SURROUNDINGS, NO_SURROUNDINGS
    typical_edges = max(typical for typical, _ in edges)
    alike = max(goods.agreement, cutout.agreement, typical_edges)
    if fine_agreement > _FINE_NAMED or alike > _GOODS_NAMED:
        colours = compare_colours(
            first, second, overlap.to_first, overlap.to_second, overlap.inside
        )
        detailed = overlap_of(first, second, homography, side_px=_DETAILED_SIDE_PX) or overlap
        added = find_added_edges(detailed.first, detailed.second, detailed.inside)
        letters_unlike = _compare_letters(first, second, homography, sign)
        if overlap.share_of_first < _WHOLE:
            back = np.asarray(np.linalg.inv(homography), np.float64)
            around_first = look_around(first, second, back)
        if overlap.share_of_second < _WHOLE:
            around_second = look_around(second, first, homography)
    return Alignment(
        homography=tuple(float(value) for value in shares.ravel()),
        keypoints=keypoints,
        overlap_first=overlap.share_of_first,
        overlap_second=overlap.share_of_second,
        fine_agreement=fine_agreement,
        fine_agreement_first=_share(agrees, texture_first),
        fine_agreement_second=_share(agrees, texture_second),
        coarse_agreement=_share(coarse_correlation > _COARSE_AGREES, coarse_texture),
        cells=int(compared.sum()),
        cell_correlation_low=quantile(known, 0.25),
        contradicted=float(contradicted.sum() / max(1, compared.sum())),
        contradicted_inside=contradicted_inside,
        contradicted_scattered=float((contradicted & ~largest).sum() / max(1, compared.sum())),
        unlike=measure_unlike(overlap) if contradicted_inside > _DISPUTED else 0.0,
        letters_unlike=letters_unlike,
        remaining_correlation=quantile(remaining, 0.2),
        goods_agreement=goods.agreement,
        goods_kept=goods.kept,
        goods_cells=goods.cells,
        cutout_agreement=cutout.agreement,
        cutout_correlation=cutout.correlation,
        cutout_contradicted_cells=cutout.contradicted_cells,
        cutout_cells=cutout.cells,
        edges_kept=typical_edges,
        edges_kept_least=max(least for _, least in edges),
        edges_kept_by_both=min(typical for typical, _ in edges),
        anisotropy=anisotropy,
        perspective=float(np.abs(shares[2, :2]).max()),
        is_mirrored=is_mirrored,
        tone_slope=tone_slope,
        tone_agreement=tone_agreement,
        edges_added=added.share,
        edges_added_densest=added.densest,
        chroma_first=colours.chroma_first,
        chroma_second=colours.chroma_second,
        chroma_difference=colours.chroma_difference,
        recoloured=colours.recoloured,
        recoloured_alike=colours.recoloured_alike,
        backdrop_difference=colours.backdrop,
        outside_detail_first=around_first.detail,
        outside_detail_second=around_second.detail,
        seam_first=around_first.seam,
        seam_second=around_second.seam,
        own_mirror_first=_mirror_itself(first),
        own_mirror_second=_mirror_itself(second),
        crossing_first=around_first.crossing,
        crossing_second=around_second.crossing,
    )


def _mirror_itself(look: Look) -> float:
    return float(look.thumbnails[0] @ look.thumbnails[ORIENTATIONS // 2])


def _texture(deviation: Floats, is_valid: Mask, least: float, most: float) -> Floats:
    return np.where(is_valid & (deviation > least), np.minimum(deviation, most), 0.0)


def _share(agrees: Mask, texture: Floats) -> float:
    # Both sums are rounded each in its own order.
    return min(1.0, float(texture[agrees].sum() / max(float(texture.sum()), 1e-6)))


def _cells(values: Floats) -> Floats:
    means = cv2.resize(values, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float32)


def _cell_means(correlation: Floats, texture: Floats, least: float) -> tuple[Floats, Mask]:
    """Texture-weighted mean correlation of each cell, and which cells have texture."""
    weight = _cells(texture)
    total = _cells(np.clip(correlation, -1.0, 1.0) * texture)
    return total / np.maximum(weight, 1e-6), weight > least


def _largest_region(cells: Mask) -> Mask:
    count, region, figures, _ = cv2.connectedComponentsWithStats(
        cells.astype(np.uint8), connectivity=4
    )
    if count == 1:  # the rest alone
        return np.zeros_like(cells)
    return np.asarray(region == 1 + int(figures[1:, cv2.CC_STAT_AREA].argmax()))


def measure_unlike(overlap: Overlap) -> float:
    """Share of the overlap in which both have texture that has nothing in common.

    Not even where it is a pixel off, nor inverted, as outlines are before another backdrop. What
    shines through an overlay, or lies beside it, still correlates; another thing does not.
    """
    frame = _Frame(overlap.inside, _UNLIKE_PX)
    first, second = frame.describe(overlap.first), frame.describe(overlap.second)
    least = np.minimum(first.variance, second.variance)
    both = frame.is_valid & (least > _UNLIKE_TEXTURE**2)
    if not both.any():
        return 0.0
    best: Floats = np.zeros_like(overlap.first)
    for shift in itertools.product((-1, 0, 1), repeat=2):
        moved = frame.describe(np.roll(overlap.second, shift, (0, 1)))
        np.maximum(best, np.abs(frame.correlate(first, moved)), out=best)
    return float((both & (best < _UNLIKE)).sum() / max(1.0, float(overlap.inside.sum())))


def _compare_letters(first: Look, second: Look, homography: Homography, sign: float) -> float:
    if not (first.is_page and second.is_page):
        return 0.0
    overlap = overlap_of(first, second, homography, side_px=PAGE_SIDE_PX)
    if overlap is None:
        return 0.0
    return measure_letters_unlike(overlap.first, overlap.second, overlap.inside, sign=sign)


@dataclass(frozen=True, slots=True)
class Goods:
    """Agreement within the goods, away from their outline, and the cells that this rests on.

    `kept` is the better of both pictures' shares of own texture that the other has too, 1 where
    neither has enough of it.
    """

    agreement: float
    kept: float
    cells: int


def measure_goods(
    found: Pixels | None, windows: Windows, window_px: int, *, sign: float = 1.0
) -> Goods:
    """Agreement within the goods that `find_goods` gave, where no window sees what is around."""
    if found is None:
        return Goods(0.0, 1.0, 0)
    window = np.ones((window_px, window_px), np.uint8)
    within = cv2.erode(found, window, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    correlation = sign * windows.correlation
    textures = [
        within * _texture(one, windows.is_valid, _FINE_TEXTURE, _TEXTURE_MOST)
        for one in (windows.first, windows.second)
    ]
    kept = [
        _share(correlation > _FINE_KEPT, texture)
        for texture in textures
        if _count_cells(texture) >= _GOODS_CELLS
    ]
    texture = np.maximum(*textures)
    return Goods(
        agreement=_share(correlation > _FINE_AGREES, texture),
        kept=max(kept, default=1.0),
        cells=_count_cells(texture),
    )


def find_goods(overlap: Overlap) -> Pixels | None:
    """1 where the goods are, 0 elsewhere; None when neither picture has a plain backdrop.

    They stand out from it; where both pictures have one, those of the smaller area count.
    """
    inside = overlap.inside > 0
    goods = [
        _is_goods(grey, inside) for grey in (overlap.first, overlap.second) if _has_plain_edge(grey)
    ]
    return min(goods, key=np.count_nonzero).astype(np.uint8) if goods else None


@dataclass(frozen=True, slots=True)
class Cutout:
    """Agreement of the goods' own pixels, up to their outline, whatever is behind them.

    `correlation` is that of all their greys: cut out and laid elsewhere, they stay what they were,
    or change together. `contradicted_cells` are those of the largest connected place that does not
    agree.
    """

    agreement: float
    correlation: float
    contradicted_cells: int
    cells: int


NO_CUTOUT = Cutout(0.0, 0.0, 0, 0)


def measure_cutout(overlap: Overlap, found: Pixels | None, window_px: int) -> Cutout:
    """Agreement of the goods that `find_goods` gave; windows at their outline see them alone."""
    if found is None:
        return NO_CUTOUT
    rim = np.ones((2 * _CUTOUT_RIM_PX + 1, 2 * _CUTOUT_RIM_PX + 1), np.uint8)
    own = cv2.erode(found, rim, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    if own.sum() < _LEAST_PIXELS:
        return NO_CUTOUT
    windows = correlate(replace(overlap, inside=own.astype(np.float32)), window_px)
    texture = np.maximum(
        *(
            _texture(one, windows.is_valid, _FINE_TEXTURE, _TEXTURE_MOST)
            for one in (windows.first, windows.second)
        )
    )
    cells, has_texture = _cell_means(windows.correlation, texture, _CELL_TEXTURE)
    contradicted = _largest_region(has_texture & (cells < _CELL_AGREES))
    return Cutout(
        agreement=_share(windows.correlation > _FINE_AGREES, texture),
        correlation=_correlate_greys(overlap.first[own > 0], overlap.second[own > 0]),
        contradicted_cells=int(contradicted.sum()),
        cells=int(has_texture.sum()),
    )


def _correlate_greys(first: Floats, second: Floats) -> float:
    first, second = first - first.mean(), second - second.mean()
    product = float((first * second).sum())
    return product / max(float(np.sqrt((first**2).sum() * (second**2).sum())), 1e-6)


def _count_cells(texture: Floats) -> int:
    return int((_cells(texture) > _CELL_TEXTURE).sum())


def _has_plain_edge(grey: Floats) -> bool:
    edge = _edge_of(grey)
    return bool((np.abs(edge - median(edge)) < _GOODS_CONTRAST).mean() > _PLAIN_EDGE)


def _edge_of(grey: Floats) -> Floats:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _compare_edges(overlap: Overlap, sign: float) -> list[tuple[float, float]]:
    """How much of each picture's strong edges the other has too.

    Lower quartile and lowest tenth over the cells, for the first picture and for the second.
    """
    first_x, first_y = measure_slopes(overlap.first)
    second_x, second_y = measure_slopes(overlap.second)
    first, second = measure_steepness(first_x, first_y), measure_steepness(second_x, second_y)
    along = sign * (first_x * second_x + first_y * second_y)
    is_kept = along > _EDGE_COSINE * first * second
    is_inside = overlap.inside > 0
    kept = []
    for one, other in ((first, second), (second, first)):
        strength = np.where(
            is_inside & (one > _EDGE_STRENGTH), np.minimum(one, 4 * _EDGE_STRENGTH), 0.0
        )
        found = strength * (is_kept & (other > _EDGE_LEFT * one))
        weight = _cells(strength)
        has_edges = weight > _CELL_EDGES
        shares = _cells(found)[has_edges] / weight[has_edges]
        shares.sort()
        kept.append((quantile(shares, 0.25), quantile(shares, 0.1)))
    return kept


def _describe_shape(homography: Homography, overlap: Overlap) -> tuple[float, bool]:
    """How unevenly the transformation stretches in the overlap's middle; whether it mirrors."""
    height, width = overlap.first.shape
    x, y, _ = overlap.to_first @ (width / 2, height / 2, 1.0)
    near = cv2.perspectiveTransform(np.array([[[x, y], [x + 1, y], [x, y + 1]]]), homography)[0]
    jacobian = np.column_stack([near[1] - near[0], near[2] - near[0]])
    scales = np.linalg.svd(jacobian, compute_uv=False)
    return float(scales[0] / max(scales[1], 1e-6)), bool(np.linalg.det(jacobian) < 0)


def _compare_tones(overlap: Overlap) -> tuple[float, float]:
    """Slope of one line from the first's greys to the second's, and the share that it explains."""
    inside = overlap.inside > 0
    x, y = overlap.first[inside], overlap.second[inside]
    weight = np.ones_like(x)
    slope, errors = 0.0, np.abs(y)
    for _ in range(_TONE_ROUNDS):
        total = weight.sum()
        centre_x, centre_y = (weight * x).sum() / total, (weight * y).sum() / total
        spread = float((weight * (x - centre_x) ** 2).sum())
        slope = float((weight * (x - centre_x) * (y - centre_y)).sum()) / max(spread, 1e-3)
        errors = np.abs(y - centre_y - slope * (x - centre_x))
        weight = 1.0 / (1.0 + (errors / max(1.5 * median(errors), 3.0)) ** 2)
    goods = _is_goods(overlap.first, inside)[inside] | _is_goods(overlap.second, inside)[inside]
    ordered = np.sort(x)
    low, high = quantile(ordered, 0.02), quantile(ordered, 0.98)
    tolerance = _TONE_TOLERANCE * min(255.0, max(30.0, abs(slope) * (high - low)))
    explained = errors[goods] < tolerance
    return slope, float(explained.mean()) if explained.size else 0.0


def _is_goods(grey: Floats, inside: Mask) -> Mask:
    return np.asarray(inside & (np.abs(grey - median(_edge_of(grey))) > _GOODS_CONTRAST))


def _in_shares(homography: Homography, first: Look, second: Look) -> Homography:
    """The homography between unit squares."""
    height, width = first.grey.shape
    there_height, there_width = second.grey.shape
    here = np.array([[width, 0.0, -0.5], [0.0, height, -0.5], [0.0, 0.0, 1.0]])
    there = np.array(
        [
            [1 / there_width, 0.0, 0.5 / there_width],
            [0.0, 1 / there_height, 0.5 / there_height],
            [0.0, 0.0, 1.0],
        ]
    )
    shares = there @ homography @ here
    return np.asarray(shares / shares[2, 2], np.float64)
