"""What differs between two pictures that lie over each other: the figures that name kinds."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from image_duplication.detection.alignment import Homography
from image_duplication.detection.looks import Look
from image_duplication.detection.quantiles import median

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_BLACK, _WHITE = 7.0, 248.0  # grey levels beyond which tones are cut off
_LEAST_UNCUT = 0.03  # share of the overlap that a line through the tones can rest upon
_TONE_ROUNDS = 5
_TONE_CORRELATION = 0.5
_MOST_SLOPE = 5.0
_MORE_CONTRAST = 1.05
_CUT_OFF_TOLERANCE = 40.0

_EDGE = 3.0  # grey levels a pixel
_EDGE_TIMES = 3.0  # as strong as any edge near it in the other picture
_EDGE_NEAR_PX = 7
_DENSE_PX = 9
_RIM_PX = 5

_COLOUR_SIDE = 48
_LEAST_COLOUR_SIDE = 12
_CURVE_BINS = 16
_LEAST_IN_BIN = 0.002
_COLOUR_STEP = 32  # levels a channel within which colours count as one
_WHOLLY = 0.99
_MOST_OF_THEM = 0.5
_ONE_WAY = 0.7  # what noise and blur do to like colours goes all ways
_RECOLOURED = 8.0  # chroma levels off what the tones explain
_RECOLOURED_SHARE = 0.25  # the same of the chroma itself
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_PLAIN_CONTRAST = 16.0

_PROFILE_PX = (-7.0, -4.5, -2.0, 2.0, 4.5, 7.0, 10.0)  # across an outline, outwards
_PROFILE_STEPS = 64  # along each side of it
_LEAST_PROFILES = 12
_STEP = 8.0
_STEP_TIMES = 1.5
_OFF_BACKDROP = 12.0
_DETAIL = 3  # grey levels off the surroundings' mean
_DETAIL_PX = 7
_LEAST_OUTSIDE = 100  # pixels


@dataclass(frozen=True, slots=True)
class AddedEdges:
    """Edges that one picture alone has: their share, and the greatest in any small window."""

    share: float
    densest: float


NO_EDGES_ADDED = AddedEdges(0.0, 0.0)


def find_added_edges(first: Floats, second: Floats, inside: Floats) -> AddedEdges:
    """What a watermark, a text or a badge adds; brightness and contrast are allowed for first."""
    rim = np.ones((_RIM_PX, _RIM_PX), np.uint8)
    is_inside = cv2.erode(inside, rim, borderType=cv2.BORDER_CONSTANT, borderValue=0.0) > 0
    slope, offset = _fit_tones(first[::4, ::4], second[::4, ::4], is_inside[::4, ::4])
    if abs(slope) < 1.0:
        first, second, slope, offset = second, first, 1.0 / slope, -offset / slope
    expected = np.clip(slope * first + offset, 0.0, 255.0)
    near = np.ones((_EDGE_NEAR_PX, _EDGE_NEAR_PX), np.uint8)
    edges, others = _measure_edges(expected), _measure_edges(second)
    is_lost = (edges > _EDGE) & (edges > _EDGE_TIMES * cv2.dilate(others, near))
    is_new = (others > _EDGE) & (others > _EDGE_TIMES * cv2.dilate(edges, near))
    if abs(slope) > _MORE_CONTRAST:
        # More contrast cuts off what is nearly white or black, with the edges in it.
        is_lost &= ~(
            ((second > _WHITE) & (expected > 255.0 - _CUT_OFF_TOLERANCE))
            | ((second < _BLACK) & (expected < _CUT_OFF_TOLERANCE))
        )
    added = ((is_lost | is_new) & is_inside).astype(np.float32)
    dense = cv2.blur(added, (_DENSE_PX, _DENSE_PX), borderType=cv2.BORDER_CONSTANT)
    return AddedEdges(float(added.mean()), float(dense.max()))


def _fit_tones(first: Floats, second: Floats, inside: Mask) -> tuple[float, float]:
    """Slope and offset of the line from one's greys to the other's: the same in either order."""
    uncut = inside & (np.minimum(first, second) > _BLACK) & (np.maximum(first, second) < _WHITE)
    if uncut.sum() < max(2.0, _LEAST_UNCUT * inside.sum()):
        uncut = inside
    x, y = first[uncut], second[uncut]
    if not x.size:
        return 1.0, 0.0
    weight = np.ones_like(x)
    across, down, common = 1.0, 1.0, 0.0
    centre_x, centre_y = 0.0, 0.0
    for _ in range(_TONE_ROUNDS):
        total = float(weight.sum())
        centre_x, centre_y = float((weight * x).sum()) / total, float((weight * y).sum()) / total
        off_x, off_y = x - centre_x, y - centre_y
        across = max(float((weight * off_x * off_x).sum()), 1e-3)
        down = max(float((weight * off_y * off_y).sum()), 1e-3)
        common = float((weight * off_x * off_y).sum())
        ratio = float(np.sqrt(down / across)) * (-1.0 if common < 0 else 1.0)
        errors = np.abs(off_y - ratio * off_x) / np.sqrt(1.0 + ratio * ratio)
        weight = 1.0 / (1.0 + (errors / max(1.5 * median(errors), 3.0)) ** 2)
    slope = 1.0
    if abs(common) > _TONE_CORRELATION * np.sqrt(across * down):
        slope = float(np.sqrt(down / across))
        slope = float(np.clip(slope, 1.0 / _MOST_SLOPE, _MOST_SLOPE))
        slope = slope if common > 0 else -slope
    return slope, centre_y - slope * centre_x


def measure_slopes(grey: Floats) -> tuple[Floats, Floats]:
    """Change of grey a pixel, across and down, smoothed a little."""
    smooth = cv2.GaussianBlur(grey, (3, 3), 0)
    return (
        np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125), np.float32),
        np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125), np.float32),
    )


def measure_steepness(across: Floats, down: Floats) -> Floats:
    """The slopes' length. OpenCV's own differs in its last bit with the place in memory."""
    return np.asarray(np.sqrt(across * across + down * down), np.float32)


def _measure_edges(grey: Floats) -> Floats:
    return measure_steepness(*measure_slopes(grey))


# --- colours -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours of two pictures compared.

    A recolouring changes like colours alike; what lies over a part of the picture does not.
    `recoloured` is the share of the overlap that changed so, `recoloured_alike` its share of all
    that changed. Chroma is the mean distance from grey, its difference that from what the tones
    explain.
    """

    chroma_first: float
    chroma_second: float
    chroma_difference: float
    recoloured: float
    recoloured_alike: float
    backdrop: float


NO_COLOURS = Colours(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def compare_colours(
    first: Look, second: Look, to_first: Homography, to_second: Homography, inside: Floats
) -> Colours:
    """The colours in the overlap; the matrices take its pixels to those of the grey pictures."""
    here, there, is_inside = _sample_both(first, second, to_first, to_second, inside)
    one, other = here[is_inside], there[is_inside]
    chroma_first, chroma_second = _measure_chroma(one), _measure_chroma(other)
    if not one.size:
        return NO_COLOURS
    forth, back = _find_recoloured(one, other), _find_recoloured(other, one)
    return Colours(
        chroma_first=chroma_first,
        chroma_second=chroma_second,
        chroma_difference=min(forth[2], back[2]),
        recoloured=min(forth[0], back[0]) if max(forth[3], back[3]) > _ONE_WAY else 0.0,
        recoloured_alike=min(forth[1], back[1]),
        backdrop=_compare_backdrops(here, there),
    )


def _measure_chroma(colours: Floats) -> float:
    chroma = _chroma(colours)
    return float(np.hypot(chroma[:, 0], chroma[:, 1]).mean()) if len(colours) else 0.0


def _chroma(rgb: Floats) -> Floats:
    luma = rgb @ _LUMA
    return np.stack([rgb[..., 0] - luma, rgb[..., 2] - luma], axis=-1)


def _find_recoloured(colours: Floats, others: Floats) -> tuple[float, float, float, float]:
    """How much was recoloured, from one picture to the other.

    Share of pixels whose colour changed as most of their like did, the same of all that changed,
    the mean change of chroma, and how far the like changed in one way.
    """
    levels, tones = _fit_curve(colours, others)
    expected = np.interp(colours, levels, tones).astype(np.float32)
    # A vignette or a shadow changes a pixel's chroma and luma together.
    gain = np.clip((others @ _LUMA + 10.0) / (expected @ _LUMA + 10.0), 0.4, 2.5)
    found, expected_chroma = _chroma(others), gain[:, None] * _chroma(expected)
    off = found - expected_chroma
    change = np.hypot(off[:, 0], off[:, 1])
    own = np.maximum(np.hypot(*found.T), np.hypot(*expected_chroma.T))
    # A channel that brightness or contrast cut off takes the chroma with it.
    is_cut = (others > _WHITE) & (expected > 255.0 - _CUT_OFF_TOLERANCE)
    is_cut |= (others < _BLACK) & (expected < _CUT_OFF_TOLERANCE)
    has_changed = (change > np.maximum(_RECOLOURED, _RECOLOURED_SHARE * own)) & (
        is_cut.sum(axis=1) <= 1
    )
    steps = np.clip(colours, 0, 255).astype(np.intp) // _COLOUR_STEP
    alike = (steps[:, 0] * 8 + steps[:, 1]) * 8 + steps[:, 2]
    count = np.bincount(alike, minlength=512)
    changed = np.bincount(alike, weights=has_changed, minlength=512)
    way = np.hypot(*(np.bincount(alike, weights=one * has_changed, minlength=512) for one in off.T))
    length = np.bincount(alike, weights=change * has_changed, minlength=512)
    is_like = changed > _MOST_OF_THEM * count
    together = float(changed[is_like].sum())
    return (
        together / len(colours),
        together / max(float(has_changed.sum()), 1.0),
        float(change.mean()),
        float(way[is_like].sum() / max(float(length[is_like].sum()), 1e-6)),
    )


def _fit_curve(
    colours: Floats, others: Floats
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The monotone curve, one for all channels, from one's levels to the other's."""
    x = np.clip(colours, 0, 255).astype(np.intp).ravel()
    y = np.clip(others, 0, 255).astype(np.intp).ravel()
    bins = x * _CURVE_BINS // 256
    joint = np.bincount(bins * 64 + y // 4, minlength=_CURVE_BINS * 64).reshape(_CURVE_BINS, 64)
    count = joint.sum(axis=1)
    medians = (np.cumsum(joint, axis=1) < count[:, None] / 2).sum(axis=1) * 4 + 1.5
    means = np.bincount(bins, weights=x, minlength=_CURVE_BINS) / np.maximum(count, 1)
    is_known = count > min(max(8.0, _LEAST_IN_BIN * len(x)), float(count.max()) - 1)
    levels, tones, weights = means[is_known], medians[is_known], count[is_known]
    middle = (weights * levels).sum() / max(float(weights.sum()), 1.0)
    is_falling = float((weights * (levels - middle) * tones).sum()) < 0
    sign = -1.0 if is_falling else 1.0
    return levels, sign * _make_monotone(sign * tones, weights)


def _make_monotone(
    values: npt.NDArray[np.float64], weights: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """The nearest sequence that never falls: pool adjacent violators."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, length = value, float(weight), 1
        while pools and pools[-1][0] > mean:
            before, before_total, before_length = pools.pop()
            mean = (before * before_total + mean * total) / (before_total + total)
            total += before_total
            length += before_length
        pools.append((mean, total, length))
    return np.repeat([pool[0] for pool in pools], [pool[2] for pool in pools])


def _compare_backdrops(here: Floats, there: Floats) -> float:
    """How far the plain surroundings' colour moved beyond what the goods' did."""
    edge = np.zeros(here.shape[:2], bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    backdrop_first, backdrop_second = _median_colour(here[edge]), _median_colour(there[edge])
    is_plain = _is_near(here, backdrop_first) & _is_near(there, backdrop_second)
    if is_plain[edge].mean() <= 0.5:  # noqa: PLR2004 - most of the edge
        return 0.0
    goods_shift = _median_colour((there - here)[~is_plain]) if (~is_plain).any() else 0.0
    shift = backdrop_second - backdrop_first
    # A brighter or tinted picture changes its goods as much as its backdrop.
    return float(np.minimum(np.abs(shift), np.abs(shift - goods_shift)).max())


def _is_near(colours: Floats, colour: Floats) -> Mask:
    near = np.abs(colours - colour) < _PLAIN_CONTRAST
    return np.asarray(near[..., 0] & near[..., 1] & near[..., 2])


def _median_colour(colours: Floats) -> Floats:
    return np.array([median(channel) for channel in colours.T], np.float32)


def _sample_both(
    first: Look, second: Look, to_first: Homography, to_second: Homography, inside: Floats
) -> tuple[Floats, Floats, Mask]:
    """Both pictures' colours on one grid over the overlap, as fine as the coarser of them."""
    height, width = inside.shape
    to_frame = np.diag((width / _COLOUR_SIDE, height / _COLOUR_SIDE, 1.0))
    sampled: list[Floats] = []
    detail = float(_COLOUR_SIDE)
    for look, to_look in ((first, to_first), (second, to_second)):
        to_colour = _scale_to_colour(look) @ to_look @ to_frame
        sampled.append(
            cv2.warpPerspective(
                look.colour,
                to_colour,
                (_COLOUR_SIDE, _COLOUR_SIDE),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            ).astype(np.float32)
        )
        at = _COLOUR_SIDE / 2
        middle = np.array([[[at - 1, at], [at + 1, at], [at, at - 1], [at, at + 1]]])
        left, right, top, bottom = cv2.perspectiveTransform(middle, to_colour)[0]
        pixels = min(np.hypot(*(right - left)), np.hypot(*(bottom - top))) / 2 * _COLOUR_SIDE
        detail = min(detail, float(pixels))
    side = round(max(_LEAST_COLOUR_SIDE, detail))
    if side < _COLOUR_SIDE:
        sampled = [
            np.asarray(cv2.resize(colours, (side, side), interpolation=cv2.INTER_AREA), np.float32)
            for colours in sampled
        ]
    covered = np.asarray(cv2.resize(inside, (side, side), interpolation=cv2.INTER_AREA))
    is_inside = np.asarray(covered > _WHOLLY, np.bool_)
    # A pixel of the small copy at the edge is mixed with what is beyond it.
    is_inside[[0, -1]] = is_inside[:, [0, -1]] = False
    return sampled[0], sampled[1], is_inside


def _scale_to_colour(look: Look) -> Homography:
    height, width = look.grey.shape
    rows, columns = look.colour.shape[:2]
    across, down = columns / width, rows / height
    return np.array([[across, 0.0, across / 2 - 0.5], [0.0, down, down / 2 - 0.5], [0.0, 0.0, 1.0]])


# --- surroundings ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a picture shows around the other one within it.

    `detail` is the share of it that is neither plain nor blurred; `seam` the share of the other's
    outline at which this picture breaks off, `crossing` that at which its goods go on.
    """

    detail: float
    seam: float
    crossing: float


NO_SURROUNDINGS = Surroundings(0.0, 0.0, 0.0)


def look_around(look: Look, other: Look, from_other: Homography) -> Surroundings:
    """The surroundings of `other` in `look`; the homography takes its grey pixels there."""
    height, width = other.grey.shape
    frame = np.array([[[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]], float)
    outline = cv2.perspectiveTransform(frame, from_other)[0]
    profiles, reach = _cross_outline(look, outline)
    if len(profiles) < _LEAST_PROFILES:
        return Surroundings(_measure_detail(look, outline), 0.0, 0.0)
    steps = np.abs(profiles[:, 3] - profiles[:, 2])
    within = np.abs(profiles[:, :2] - profiles[:, 2:3]).max(axis=1)
    around = np.abs(profiles[:, 4:6] - profiles[:, 3:4]).max(axis=1)
    # Beyond a thin line around the picture it may be plain.
    beyond = np.where(reach, np.abs(profiles[:, 6] - profiles[:, 5]), around)
    is_break = steps > _STEP + _STEP_TIMES * np.maximum(within, np.minimum(around, beyond))
    off = np.abs(profiles[:, 2:4] - median(profiles[:, 3])).min(axis=1)
    # Grain breaks anywhere, inside the outline as well.
    grain = np.abs(profiles[:, 1] - profiles[:, 2]) > _STEP + _STEP_TIMES * np.abs(
        profiles[:, 0] - profiles[:, 1]
    )
    return Surroundings(
        detail=_measure_detail(look, outline),
        seam=max(0.0, float(is_break.mean() - grain.mean())),
        crossing=float(((off > _OFF_BACKDROP) & (steps < _OFF_BACKDROP)).mean()),
    )


def _cross_outline(look: Look, outline: npt.NDArray[np.float64]) -> tuple[Floats, Mask]:
    """Grey levels across the outline (n, 7), and which of them reach as far as they should."""
    height, width = look.grey.shape
    smooth = cv2.GaussianBlur(look.grey, (3, 3), 0)
    centre = outline.mean(axis=0)
    shares = np.linspace(0.03, 0.97, _PROFILE_STEPS)[:, None]
    places = []
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        normal = np.array([end[1] - start[1], start[0] - end[0]])
        normal /= max(float(np.hypot(*normal)), 1e-6)
        if normal @ (centre - start) > 0:
            normal = -normal
        along = start + shares * (end - start)
        places.append(along[:, None] + np.array(_PROFILE_PX)[:, None] * normal)
    points = np.concatenate(places)
    is_in = (points >= 0) & (points <= (width - 1, height - 1))
    fits = np.asarray(is_in.all(axis=2), np.bool_)
    is_whole = fits[:, :-1].all(axis=1)
    points = points[is_whole].astype(np.float32)
    if not len(points):
        return np.empty((0, len(_PROFILE_PX)), np.float32), np.empty(0, bool)
    levels = cv2.remap(
        smooth,
        points[..., 0],
        points[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return levels.astype(np.float32), fits[is_whole, -1]


def _measure_detail(look: Look, outline: npt.NDArray[np.float64]) -> float:
    grey = look.grey
    covered = np.zeros(grey.shape, np.uint8)
    corners = np.clip(np.round(outline), -8_000, 8_000).astype(np.int32)
    cv2.fillConvexPoly(covered, corners, 1)
    girth = 2 * (int(covered.any(axis=0).sum()) + int(covered.any(axis=1).sum()))
    # A line drawn around the picture belongs to a border, however wide that is.
    plain = covered.size - cv2.countNonZero(covered)
    margin = int(np.clip(plain / max(1, girth) / 2, 3, 10))
    window = np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)
    is_covered = cv2.dilate(covered, window)
    outside = covered.size - cv2.countNonZero(is_covered)
    if outside < _LEAST_OUTSIDE:
        return 0.0
    detail = cv2.absdiff(grey, cv2.blur(grey, (_DETAIL_PX, _DETAIL_PX)))
    detail[is_covered > 0] = 0
    return int((detail > _DETAIL).sum()) / outside
