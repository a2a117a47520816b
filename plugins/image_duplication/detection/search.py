"""Finds how one picture lies over another, if it does: cheap looks first, dear ones for few."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from image_duplication.detection.agreement import (
    Overlap,
    Windows,
    correlate,
    describe_alignment,
    edges_kept,
    find_goods,
    measure_cutout,
    overlap_of,
    weigh,
)
from image_duplication.detection.alignment import (
    Homography,
    Proposal,
    correlate_thumbnails,
    propose_by_keypoints,
    propose_by_thumbnails,
)
from image_duplication.detection.evidence import Alignment
from image_duplication.detection.looks import Look

_THUMBNAILS_ALIKE = 0.85
_QUICK_SIDE_PX = 72
_QUICK_WINDOW_PX = 7
_QUICK_CORRELATION = 0.5
_QUICK_EDGES = 0.3
_QUICK_LEAST_CORRELATION = 0.3  # with so many edges kept, that the fit may still be off a little
_QUICK_MANY_EDGES = 0.45
_EDGES = 0.3
_REFINED_EDGES = 0.35
_MANY_KEYPOINTS = 15
_QUICK_GOODS = 0.5
_GOODS_CELLS = 6
_GOODS_SHARE = 0.5  # of both pictures that must be seen: a print close up is not goods cut out
_GOODS_FIT = 0.85  # of the goods' texture, from which they lie right already
_WORTH_PERSPECTIVE = 0.7
_WINDOW_PX = 9
_GOOD_ENOUGH = 0.97
_REFINING_ROUNDS = 12
_REFINING_STEP = 1e-4


@dataclass(frozen=True, slots=True)
class Sighting:
    """What two looks have in common; None where there is nothing to go by."""

    correlation: float | None
    alignment: Alignment | None


UNSEEN = Sighting(None, None)


def examine(first: Look, second: Look, *, by_keypoints: bool = True) -> Sighting:
    """How alike the thumbnails are, and the best way to lay one picture over the other."""
    if not (first.is_telling and second.is_telling):
        return UNSEEN
    correlation, orientation, is_trimmed = correlate_thumbnails(first, second)
    proposals: Iterator[Proposal] = iter(())
    if by_keypoints:
        proposals = propose_by_keypoints(first, second)
    if abs(correlation) > _THUMBNAILS_ALIKE:
        by_thumbnails = propose_by_thumbnails(first, second, orientation, is_trimmed=is_trimmed)
        proposals = itertools.chain([by_thumbnails], proposals)
    best: tuple[float, Proposal, Overlap] | None = None
    for proposal in proposals:
        tried = _try(first, second, proposal)
        if tried and (best is None or tried[0] > best[0]):
            best = tried
            if tried[0] > _GOOD_ENOUGH:
                break
    if best is None:
        return Sighting(correlation, None)
    _, proposal, overlap = best
    return Sighting(
        correlation,
        describe_alignment(first, second, proposal.homography, proposal.keypoints, overlap),
    )


def _try(first: Look, second: Look, proposal: Proposal) -> tuple[float, Proposal, Overlap] | None:
    """The proposal refined, with how well it fits; None if little agrees in it.

    That is the correlation, or the agreement of goods that stand before another backdrop.
    """
    candidate = _look_closer(first, second, proposal)
    if candidate is None:
        return None
    overlap, windows = candidate
    if abs(weigh(windows)) < _WORTH_PERSPECTIVE:
        agreement = _compare_goods(overlap, _WINDOW_PX)
        if agreement > _GOODS_FIT:
            # The other backdrop would draw the fit away.
            return agreement, proposal, overlap
    return _refine_fully(first, second, proposal, overlap, windows)


def _look_closer(first: Look, second: Look, proposal: Proposal) -> tuple[Overlap, Windows] | None:
    """The overlap, if a quick look and a closer one find something in it."""
    quick = overlap_of(first, second, proposal.homography, side_px=_QUICK_SIDE_PX)
    if quick is None:
        return None
    quick_windows = correlate(quick, _QUICK_WINDOW_PX)
    # On another backdrop the outlines differ, but not what is within them.
    are_goods_alike = proposal.keypoints >= _MANY_KEYPOINTS and _are_goods_alike(
        quick, _QUICK_WINDOW_PX
    )
    if not (are_goods_alike or _is_promising(quick, quick_windows)):
        return None
    overlap = overlap_of(first, second, proposal.homography)
    if overlap is None:
        return None
    windows = correlate(overlap, _WINDOW_PX)
    if not (are_goods_alike or _is_worth_more(overlap, windows, _EDGES)):
        return None
    return overlap, windows


def _refine_fully(
    first: Look, second: Look, proposal: Proposal, overlap: Overlap, windows: Windows
) -> tuple[float, Proposal, Overlap] | None:
    score = abs(weigh(windows))
    for model, worth in ((cv2.MOTION_AFFINE, 0.0), (cv2.MOTION_HOMOGRAPHY, _WORTH_PERSPECTIVE)):
        if score > _GOOD_ENOUGH or score < worth:
            break
        homography = _refine(overlap, model)
        refined = None if homography is None else overlap_of(first, second, homography)
        if homography is None or refined is None:
            continue
        refined_windows = correlate(refined, _WINDOW_PX)
        refined_score = abs(weigh(refined_windows))
        if refined_score > score:
            proposal = Proposal(homography, proposal.keypoints)
            score, overlap, windows = refined_score, refined, refined_windows
    if not _is_worth_more(overlap, windows, _REFINED_EDGES):
        return None
    return score, proposal, overlap


def _is_worth_more(overlap: Overlap, windows: Windows, edges: float) -> bool:
    return edges_kept(overlap, is_inverted=weigh(windows) < 0) > edges or _are_goods_alike(
        overlap, _WINDOW_PX
    )


def _are_goods_alike(overlap: Overlap, window_px: int) -> bool:
    return _compare_goods(overlap, window_px) > _QUICK_GOODS


def _compare_goods(overlap: Overlap, window_px: int) -> float:
    """Agreement of goods cut out; 0 if they are few, or if one picture is a part of the other."""
    if min(overlap.share_of_first, overlap.share_of_second) < _GOODS_SHARE:
        return 0.0
    goods = measure_cutout(overlap, find_goods(overlap), window_px)
    return goods.agreement if goods.cells >= _GOODS_CELLS else 0.0


def _is_promising(quick: Overlap, windows: Windows) -> bool:
    correlation = weigh(windows)
    if abs(correlation) < _QUICK_LEAST_CORRELATION:
        return False
    edges = edges_kept(quick, is_inverted=correlation < 0)
    return edges > (_QUICK_EDGES if abs(correlation) > _QUICK_CORRELATION else _QUICK_MANY_EDGES)


def _refine(overlap: Overlap, model: int) -> Homography | None:
    """The homography by which the two agree best, found from a close one by ECC.

    Evangelidis and Psarakis, Parametric Image Alignment Using Enhanced Correlation Coefficient
    Maximization, 2008.
    """
    inside = overlap.inside > 0
    second = overlap.second
    if np.corrcoef(overlap.first[inside], second[inside])[0, 1] < 0:
        second = 255.0 - second
    warp = np.eye(3 if model == cv2.MOTION_HOMOGRAPHY else 2, 3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _REFINING_ROUNDS, _REFINING_STEP)
    try:
        _, found = cv2.findTransformECC(
            overlap.first, second, warp, model, criteria, inside.astype(np.uint8), 3
        )
    except cv2.error:  # no convergence
        return None
    step = np.eye(3)
    step[: warp.shape[0]] = found
    homography = overlap.to_second @ step @ np.linalg.inv(overlap.to_first)
    return np.asarray(homography / homography[2, 2], np.float64)
