"""How one picture may lie over another: proposals from thumbnails and from keypoints."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from image_duplication.detection.looks import LOOK_SIDE_PX, ORIENTATIONS, Keypoints, Look, Pixels

Points = npt.NDArray[np.float64]
Homography = npt.NDArray[np.float64]
"""3 × 3, from pixels of the first grey picture to pixels of the second."""

_MOST_COUNTED = 255  # of 256 bits
_BUFFERED = 16  # elements: the fewest that numpy allows
_MOST_BITS = 70  # of 256 that may differ in a match whose second choice is clearly worse
_FEW_BITS = 48  # that may differ in any match
_SECOND_CHOICE = 0.88
_MOST_MATCHES = 140
_LEAST_VOTES = 5
_VOTE_REACH = 0.09  # of the picture's side: keypoint angles and sizes are rough
_VOTE_COSINE = 0.965
_VOTE_OCTAVES = 0.6
_CLUSTERS = 2
_RIVAL_SHARE = 0.4  # of the first cluster's votes, that a second one needs
_SEED_PAIRS = 120
_SEED_TOLERANCE_PX = 6.0
_LEAST_SPAN_PX = 12.0
_TOLERANCES_PX = (6.0, 3.5, 2.2)
_AFFINE_FROM_PX = 4.0  # coarser fits are similarities
_AFFINE_POINTS = 12
_PERSPECTIVE_TOLERANCES_PX = (9.0, 3.0, 2.2)
_PERSPECTIVE_POINTS = 10
_PERSPECTIVE_GAIN = 1.15  # more keypoints than the affine fit explains
_MOST_PERSPECTIVE = 0.6  # change of scale across the picture
_LEAST_SCALE = 0.12
_MOST_ANISOTROPY = 2.2


@dataclass(frozen=True, slots=True)
class Proposal:
    """A way in which the second may show the first; `keypoints` agree with it, 0: thumbnails."""

    homography: Homography
    keypoints: int


def correlate_thumbnails(first: Look, second: Look) -> tuple[float, int, bool]:
    """The strongest correlation, signed, over whole and trimmed thumbnails in eight orientations.

    Also that orientation (quarter turns anticlockwise of the second, 4 and more: mirrored first),
    and whether it is the trimmed ones'.
    """
    turned = second.thumbnails.reshape(2, ORIENTATIONS, -1)
    upright = first.thumbnails[::ORIENTATIONS, :, None]
    correlations = (turned @ upright)[..., 0]
    place = int(np.abs(correlations).argmax())
    is_trimmed, orientation = divmod(place, ORIENTATIONS)
    return float(correlations.flat[place]), orientation, bool(is_trimmed)


def propose_by_thumbnails(
    first: Look, second: Look, orientation: int, *, is_trimmed: bool
) -> Proposal:
    """The whole or trimmed pictures laid over each other in an orientation."""
    whole = (0.0, 0.0, 1.0, 1.0)
    corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
    sources = [_unturn(corner, orientation) for corner in corners]
    here = _place(corners, first.box if is_trimmed else whole, first)
    there = _place(sources, second.box if is_trimmed else whole, second)
    return Proposal(_square(cv2.getAffineTransform(here, there)), 0)


def _unturn(corner: tuple[float, float], orientation: int) -> tuple[float, float]:
    """Where a point of a turned unit square was before it was turned."""
    x, y = corner
    for _ in range(orientation % 4):
        x, y = 1.0 - y, x
    return (1.0 - x, y) if orientation >= ORIENTATIONS // 2 else (x, y)


def _place(
    points: list[tuple[float, float]], box: tuple[float, float, float, float], look: Look
) -> npt.NDArray[np.float32]:
    left, top, right, bottom = box
    height, width = look.grey.shape
    return np.array(
        [
            ((left + x * (right - left)) * width - 0.5, (top + y * (bottom - top)) * height - 0.5)
            for x, y in points
        ],
        np.float32,
    )


def _square(affine: npt.NDArray[Any]) -> Homography:
    return np.vstack([affine, (0.0, 0.0, 1.0)]).astype(np.float64)


def propose_by_keypoints(first: Look, second: Look) -> Iterator[Proposal]:
    """The transformations that many keypoints agree on, of the second as it is and mirrored."""
    yield from _propose(first.keypoints, second.keypoints)
    unmirror = np.array([[-1.0, 0.0, second.grey.shape[1] - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    for proposal in _propose(first.keypoints, second.mirrored):
        yield Proposal(unmirror @ proposal.homography, proposal.keypoints)


def _propose(first: Keypoints, second: Keypoints) -> Iterator[Proposal]:
    here, there = _match(first, second)
    if len(here) < _LEAST_VOTES:
        return
    places, target_places = first.places[here], second.places[there]
    votes = _vote(places, target_places)
    points, targets = places[:, :2].astype(np.float64), target_places[:, :2].astype(np.float64)
    most = 0
    for _ in range(_CLUSTERS):
        counts = votes.sum(axis=1)
        leader = int(counts.argmax())
        most = max(most, int(counts[leader]))
        if counts[leader] < max(_LEAST_VOTES, _RIVAL_SHARE * most):
            return
        members = votes[leader].copy()
        fitted = _fit(points, targets, members)
        if fitted is not None:
            homography, agreeing = fitted
            yield Proposal(homography, len(set(there[agreeing].tolist())))
            members |= agreeing
        votes[members] = False
        votes[:, members] = False


def _match(
    first: Keypoints, second: Keypoints
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows of the first and of the second that look alike, the surest of them."""
    if len(first.places) < _LEAST_VOTES or len(second.places) < _LEAST_VOTES:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    bits = _count_bits(first.descriptors, second.descriptors)
    best = bits.min(axis=1)
    here = np.flatnonzero(best <= _MOST_BITS)
    bits, best = bits[here], best[here]
    there = bits.argmin(axis=1)
    bits[np.arange(len(bits)), there] = _MOST_COUNTED
    is_sure = (best < _SECOND_CHOICE * bits.min(axis=1)) | (best <= _FEW_BITS)
    here, there, best = here[is_sure], there[is_sure], best[is_sure]
    if len(here) > _MOST_MATCHES:
        surest = np.argsort(best, kind="stable")[:_MOST_MATCHES]
        here, there = here[surest], there[surest]
    return here, there


def _count_bits(first: Pixels, second: Pixels) -> Pixels:
    """In how many bits each descriptor differs from each: a third of the time of OpenCV's own."""
    bits = np.zeros((len(first), len(second)), np.uint8)
    here, there = (np.ascontiguousarray(side.view(np.uint64).T) for side in (first, second))
    with np.errstate():  # puts numpy's buffer back too
        # With a longer buffer than a row, numpy copies what it repeats, which takes twice as long.
        np.setbufsize(_BUFFERED)
        for word, other in zip(here, there, strict=True):
            # OpenCV's sum stops at 255.
            cv2.add(bits, np.bitwise_count(word[:, None] ^ other), bits)
    return bits


def _vote(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which matches mean about the same similarity: shape (n, n).

    Each match alone fixes one, by its keypoints' angles and sizes.
    """
    x, y, size, angle = first.T
    there_x, there_y, there_size, there_angle = second.T
    turn, scale = there_angle - angle, there_size / size
    cosine, sine = np.cos(turn) * scale, np.sin(turn) * scale
    centre_x, centre_y = first[:, :2].mean(axis=0)
    x, y = centre_x - x, centre_y - y
    meant = np.array(
        [there_x + cosine * x - sine * y, there_y + sine * x + cosine * y, np.log2(scale)]
    )
    reach = _VOTE_REACH * LOOK_SIDE_PX * np.maximum(1.0, scale)
    tolerance = np.array([reach, reach, np.full_like(reach, _VOTE_OCTAVES)])
    apart = np.abs(meant[:, :, None] - meant[:, None])
    same: npt.NDArray[np.bool_] = (apart < tolerance[:, :, None]).all(axis=0)
    same &= np.cos(turn[:, None] - turn) > _VOTE_COSINE
    return same


def _fit(
    points: Points, targets: Points, seed: npt.NDArray[np.bool_]
) -> tuple[Homography, npt.NDArray[np.bool_]] | None:
    """A transformation from its first supporters, polished; and the matches that agree with it."""
    affine = _find_similarity(points, targets, np.flatnonzero(seed))
    agreeing = seed
    for tolerance_px in _TOLERANCES_PX:
        if affine is None or _area_scale(affine) < _LEAST_SCALE**2:
            return None
        agreeing = _errors(affine, points, targets) < tolerance_px * _stretch(affine)
        count = np.count_nonzero(agreeing)
        if count < _LEAST_VOTES:
            return None
        is_affine = count >= _AFFINE_POINTS and tolerance_px <= _AFFINE_FROM_PX
        fit = _fit_affine if is_affine else _fit_similarity
        affine = fit(points[agreeing], targets[agreeing])
    if affine is None or _area_scale(affine) < _LEAST_SCALE**2:
        return None
    if _is_stretched(affine):
        return None
    in_perspective = _fit_perspective(points, targets, affine, int(np.count_nonzero(agreeing)))
    return in_perspective or (_square(affine), agreeing)


def _find_similarity(points: Points, targets: Points, seed: npt.NDArray[np.intp]) -> Points | None:
    """The similarity through two of the seed's matches that the most matches agree with.

    As RANSAC does, but over pairs in a fixed order, so that equal pictures give equal results.
    """
    here, there = (_as_complex(side).astype(np.complex64) for side in (points, targets))
    firsts, seconds = (seed[places] for places in _pair_up(len(seed)))
    spans = here[seconds] - here[firsts]
    is_wide = np.abs(spans) > _LEAST_SPAN_PX
    if not is_wide.any():
        return None
    firsts, seconds, spans = firsts[is_wide], seconds[is_wide], spans[is_wide]
    factors = (there[seconds] - there[firsts]) / spans
    offsets = there[firsts] - factors * here[firsts]
    errors = factors[:, None] * here[seed] + (offsets[:, None] - there[seed])
    reach = _SEED_TOLERANCE_PX * np.maximum(1.0, np.abs(factors))
    agreeing = np.square(errors.real) + np.square(errors.imag) < np.square(reach)[:, None]
    best = int(agreeing.sum(axis=1).argmax())
    return _as_affine(complex(factors[best]), complex(offsets[best]))


def _as_complex(points: Points) -> npt.NDArray[np.complex128]:
    """Each as a number, x + iy: to multiply them is to turn and to scale."""
    return points.view(np.complex128)[:, 0]


def _as_affine(factor: complex, offset: complex) -> Points:
    return np.array(
        [[factor.real, -factor.imag, offset.real], [factor.imag, factor.real, offset.imag]]
    )


@functools.lru_cache(maxsize=_MOST_MATCHES)
def _pair_up(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Up to so many pairs among so many, every one in about as many as any other."""
    places = np.arange(count)
    strides = np.arange(1, max(2, min(count, 1 + _SEED_PAIRS // count)))
    partners = (places + strides[:, None]) % count
    return np.tile(places, len(strides)), partners.ravel()


def _errors(affine: Points, points: Points, targets: Points) -> Points:
    offsets = points @ affine[:, :2].T + affine[:, 2] - targets
    return np.hypot(offsets[:, 0], offsets[:, 1])


def _stretch(affine: Points) -> float:
    return max(1.0, math.sqrt(abs(_area_scale(affine))))


def _area_scale(affine: Points) -> float:
    """The determinant; numpy's own takes ten times as long for so small a matrix."""
    return float(affine[0, 0] * affine[1, 1] - affine[0, 1] * affine[1, 0])


def _is_stretched(affine: Points) -> bool:
    """Whether one of its scales is too many times the other, without its singular values."""
    squares = float(np.square(affine[:, :2]).sum())
    return squares > (_MOST_ANISOTROPY + 1 / _MOST_ANISOTROPY) * abs(_area_scale(affine))


def _fit_similarity(points: Points, targets: Points) -> Points | None:
    here, there = _as_complex(points), _as_complex(targets)
    centre, target_centre = here.mean(), there.mean()
    here, there = here - centre, there - target_centre
    spread = np.vdot(here, here).real
    if spread < 1.0:
        return None
    factor = np.vdot(here, there) / spread
    return _as_affine(factor, target_centre - factor * centre)


def _fit_affine(points: Points, targets: Points) -> Points | None:
    rows = np.column_stack([points, np.ones(len(points))])
    try:
        solved = np.linalg.solve(rows.T @ rows + 1e-6 * np.eye(3), rows.T @ targets)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(solved.T, np.float64)


def _fit_perspective(
    points: Points, targets: Points, affine: Points, affine_agreeing: int
) -> tuple[Homography, npt.NDArray[np.bool_]] | None:
    """A homography, if it explains clearly more matches than the affine fit that it grows from."""
    stretch = _stretch(affine)
    errors = _errors(affine, points, targets)
    enough = _PERSPECTIVE_GAIN * affine_agreeing + 2
    homography: Homography | None = None
    for tolerance_px in _PERSPECTIVE_TOLERANCES_PX:
        agreeing = errors < tolerance_px * stretch
        if np.count_nonzero(agreeing) < max(_PERSPECTIVE_POINTS, enough):
            return None
        homography = _fit_homography(points[agreeing], targets[agreeing])
        if homography is None:
            return None
        offsets = cv2.perspectiveTransform(points[:, None], homography)[:, 0] - targets
        errors = np.hypot(offsets[:, 0], offsets[:, 1])
    agreeing = errors < _PERSPECTIVE_TOLERANCES_PX[-1] * stretch
    if homography is None or np.count_nonzero(agreeing) < enough:
        return None
    if np.abs(homography[2, :2]).max() * LOOK_SIDE_PX > _MOST_PERSPECTIVE:
        return None
    return homography, agreeing


def _fit_homography(points: Points, targets: Points) -> Homography | None:
    """Of least algebraic error: a quarter of the time of OpenCV's, which polishes it further.

    For little perspective the two are close; what agrees is laid over and refined anyway.
    """
    here, there = points / LOOK_SIDE_PX, targets / LOOK_SIDE_PX
    rows = np.zeros((2, len(points), 8))  # equations of x, then of y, for all but the last entry
    rows[0, :, :2] = rows[1, :, 3:5] = here
    rows[0, :, 2] = rows[1, :, 5] = 1.0
    rows[:, :, 6:] = -there.T[:, :, None] * here
    equations, sides = rows.reshape(-1, 8), there.T.ravel()
    try:
        solved = np.linalg.solve(equations.T @ equations, equations.T @ sides)
    except np.linalg.LinAlgError:
        return None
    homography = np.append(solved, 1.0).reshape(3, 3)
    homography[:2, 2] *= LOOK_SIDE_PX
    homography[2, :2] /= LOOK_SIDE_PX
    return homography
