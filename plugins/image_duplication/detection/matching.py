"""From pictures to evidence: what is computed once per picture, and once per pair."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from PIL import Image

from image_duplication.detection.difpy_engine import (
    LOOSEST_MSE,
    Pair,
    correct_errors,
    find_near_pairs,
    reduce_picture,
    search_pairs,
)
from image_duplication.detection.evidence import PairEvidence, Picture, Tensor
from image_duplication.settings import DetectionSettings

_ALL_PAIRS_PICTURES = 64
"""Up to this many pictures every pair's evidence is kept; pairs grow with the square."""

Figures = tuple[float, int]
"""The correct error of a pair and the rotation that gives it, in degrees."""

_UNSEEN_TURN_DEG = 270
"""The turn of the second picture that difPy tries only when it is given as the first."""

_BLANK_DEVIATION = 2.0
"""Standard deviation, of 255, below which every channel of a picture shows nothing."""


def describe_picture(
    picture: Image.Image, content_sha256: str, settings: DetectionSettings, *, min_side_px: int
) -> Picture:
    """Reduce a decoded RGB picture to what comparison needs."""
    tensor = reduce_picture(picture, settings.difpy.pixel_size)
    return Picture(
        content_sha256=content_sha256,
        width_px=picture.width,
        height_px=picture.height,
        tensor=tensor,
        quality_notes=tuple(_find_quality_notes(picture, tensor, min_side_px)),
    )


def _find_quality_notes(picture: Image.Image, tensor: Tensor, min_side_px: int) -> list[str]:
    notes = []
    if min(picture.size) < min_side_px:
        notes.append("too_small")
    # Channel by channel: the first of them settles it for nearly every picture.
    if all(tensor[..., channel].std() < _BLANK_DEVIATION for channel in range(3)):
        notes.append("blank")
    return notes


def compare_pictures(pictures: Sequence[Picture]) -> list[PairEvidence]:
    """Evidence for the pairs of one variant's pictures, in the order given.

    That is every pair, unless the variant has so many pictures that they would be the catalogue's
    bulk; then it is the pairs that some allowed threshold accepts.
    """
    if not pictures:
        return []
    tensors = [picture.tensor for picture in pictures]
    if len(pictures) > _ALL_PAIRS_PICTURES:
        return _describe_pairs(pictures, tensors, _find_figures_of_many(pictures, tensors))
    errors, rotations = correct_errors(tensors)
    figures = {
        pair: (float(errors[pair]), int(rotations[pair]))
        for pair in itertools.combinations(range(len(pictures)), 2)
    }
    return _describe_pairs(pictures, tensors, figures)


def _find_figures_of_many(
    pictures: Sequence[Picture], tensors: Sequence[Tensor]
) -> dict[Pair, Figures]:
    """The near pairs among different contents, and each further copy with the first of its content.

    A thousand copies of one file are then a thousand pairs, not half a million.
    """
    first_of: dict[str, int] = {}
    copies: dict[Pair, Figures] = {}
    for place, picture in enumerate(pictures):
        first = first_of.setdefault(picture.content_sha256, place)
        if first != place:
            copies[first, place] = (0.0, 0)
    distinct = list(first_of.values())
    near = find_near_pairs([tensors[place] for place in distinct])
    return copies | {
        (distinct[first], distinct[second]): figures for (first, second), figures in near.items()
    }


def _describe_pairs(
    pictures: Sequence[Picture], tensors: Sequence[Tensor], figures: dict[Pair, Figures]
) -> list[PairEvidence]:
    """Have difPy search the pairs, and put its figure beside the correct one."""
    turned = [
        (second, first)
        for (first, second), (mse, rotation_deg) in figures.items()
        if rotation_deg == _UNSEEN_TURN_DEG and mse <= LOOSEST_MSE
    ]
    proposed = search_pairs(tensors, itertools.chain(figures, turned))
    return [
        _describe_pair(pictures, pair, proposed.get(pair), mse, rotation_deg)
        for pair, (mse, rotation_deg) in sorted(figures.items())
    ]


def _describe_pair(
    pictures: Sequence[Picture],
    pair: tuple[int, int],
    difpy_mse: float | None,
    mse: float,
    rotation_deg: int,
) -> PairEvidence:
    first, second = pair
    return PairEvidence(
        first=first,
        second=second,
        is_same_content=pictures[first].content_sha256 == pictures[second].content_sha256,
        is_same_dimensions=_dimensions(pictures[first]) == _dimensions(pictures[second]),
        difpy_mse=difpy_mse,
        mse=mse,
        rotation_deg=rotation_deg,
    )


def _dimensions(picture: Picture) -> tuple[int, int]:
    short, long = sorted((picture.width_px, picture.height_px))
    return short, long
