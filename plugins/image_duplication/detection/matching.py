"""From pictures to evidence: what is computed once per picture, and once per pair."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
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
from image_duplication.detection.looks import look_at
from image_duplication.detection.quality import Grey, assess_quality
from image_duplication.detection.search import UNSEEN, examine
from image_duplication.records import Engine
from image_duplication.settings import DetectionSettings

MOST_LOOKS = 64
"""Contents of a variant that get a look, and of which every pair's evidence is kept."""

Figures = tuple[float, int]
"""The correct error of a pair and the rotation that gives it, in degrees."""

_UNSEEN_TURN_DEG = 270
"""The turn of the second picture that difPy tries only when it is given as the first."""

_LOOKING = frozenset({Engine.PERCEPTUAL, Engine.ALIGNED})


def describe_picture(
    picture: Image.Image,
    content_sha256: str,
    settings: DetectionSettings,
    *,
    min_side_px: int,
    with_look: bool = True,
    grey: Grey | None = None,
) -> Picture:
    """Reduce a decoded RGB picture to what comparison needs.

    `grey` are its greys at full size, where it was decoded at less; None: they are in it.
    Without a look, which is most of a picture's memory, only difPy and equal bytes can match it
    (`describe_contents`).
    """
    tensor = reduce_picture(picture, settings.difpy.pixel_size)
    if grey is None:
        grey = np.asarray(picture.convert("L"))
    height_px, width_px = grey.shape
    needs_look = with_look and not _LOOKING.isdisjoint(settings.engines)
    return Picture(
        content_sha256=content_sha256,
        width_px=width_px,
        height_px=height_px,
        tensor=tensor,
        quality=assess_quality(
            grey,
            tensor,
            min_side_px=min_side_px,
            quantization=getattr(picture, "quantization", None),
        ),
        look=look_at(grey, tensor) if needs_look else None,
    )


def describe_contents(
    contents: Iterable[str], describe: Callable[[str, bool], Picture | None]
) -> dict[str, Picture]:
    """The pictures of one variant by content hash, each content described once.

    `describe` takes a hash and whether to make a look, and gives None for what is no picture. The
    lowest hashes get the looks, so that their choice depends neither on order nor on names.
    """
    pictures: dict[str, Picture] = {}
    for content in sorted(set(contents)):
        picture = describe(content, len(pictures) < MOST_LOOKS)
        if picture is not None:
            pictures[content] = picture
    return pictures


def compare_pictures(
    pictures: Sequence[Picture], settings: DetectionSettings
) -> list[PairEvidence]:
    """Evidence for the pairs of one variant's pictures, the same whatever their order.

    That is every pair, unless the variant has so many pictures that they would be the catalogue's
    bulk; then it is the pairs of those contents that have a look, of the others those that some
    allowed threshold accepts, and what `spread_to_copies` makes of them.

    The first of a pair is the one of the lower content hash, of equal contents the earlier one:
    difPy's figure, an alignment, and which of two turns that are as good is taken all depend on
    which comes first. The pairs are sorted by the places of their pictures.
    """
    if not pictures:
        return []
    places = sorted(range(len(pictures)), key=lambda place: pictures[place].content_sha256)
    evidence = [
        replace(pair, first=places[pair.first], second=places[pair.second])
        for pair in _compare_in_order([pictures[place] for place in places], settings)
    ]
    return sorted(evidence, key=lambda pair: sorted((pair.first, pair.second)))


def _compare_in_order(
    pictures: Sequence[Picture], settings: DetectionSettings
) -> list[PairEvidence]:
    """The same for pictures in the order of their hashes, in no order of pairs."""
    tensors = [picture.tensor for picture in pictures]
    if len(pictures) <= MOST_LOOKS:
        return _describe_pairs(pictures, tensors, _find_all_figures(tensors), settings)
    figures = _find_figures_of_many(pictures, tensors)
    evidence = _describe_pairs(pictures, tensors, figures, settings)
    return spread_to_copies(evidence, [picture.content_sha256 for picture in pictures])


def spread_to_copies(
    evidence: Iterable[PairEvidence], contents: Sequence[str]
) -> list[PairEvidence]:
    """The evidence, and what may be a match also for each further copy of either content.

    `contents` are the hashes by place. A further copy is beside the first of the other content, for
    that is who may be its base. The pairs of two further copies would be too many.
    """
    copies: dict[str, list[int]] = {}
    for place, content in enumerate(contents):
        copies.setdefault(content, []).append(place)
    spread: list[PairEvidence] = []
    for pair in evidence:
        spread.append(pair)
        if pair.is_same_content or (pair.alignment is None and pair.mse > LOOSEST_MSE):
            continue
        first, second = (copies[contents[place]][1:] for place in (pair.first, pair.second))
        spread += [replace(pair, first=place) for place in first]
        spread += [replace(pair, second=place) for place in second]
    return spread


def _find_all_figures(tensors: Sequence[Tensor]) -> dict[Pair, Figures]:
    if not tensors:
        return {}
    errors, rotations = correct_errors(tensors)
    return {
        pair: (float(errors[pair]), int(rotations[pair]))
        for pair in itertools.combinations(range(len(tensors)), 2)
    }


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
    looked = [place for place in distinct if pictures[place].look]
    among_looks = _find_all_figures([tensors[place] for place in looked])
    return (
        copies
        | {(distinct[first], distinct[second]): found for (first, second), found in near.items()}
        | {(looked[first], looked[second]): found for (first, second), found in among_looks.items()}
    )


def _describe_pairs(
    pictures: Sequence[Picture],
    tensors: Sequence[Tensor],
    figures: dict[Pair, Figures],
    settings: DetectionSettings,
) -> list[PairEvidence]:
    """Have difPy search the pairs, and put its figure beside the correct one."""
    turned = [
        (second, first)
        for (first, second), (mse, rotation_deg) in figures.items()
        if rotation_deg == _UNSEEN_TURN_DEG and mse <= LOOSEST_MSE
    ]
    proposed = search_pairs(tensors, itertools.chain(figures, turned))
    by_keypoints = Engine.ALIGNED in settings.engines
    return [
        _describe_pair(pictures, pair, proposed.get(pair), figures[pair], by_keypoints=by_keypoints)
        for pair in figures
    ]


def _describe_pair(
    pictures: Sequence[Picture],
    pair: Pair,
    difpy_mse: float | None,
    figures: Figures,
    *,
    by_keypoints: bool,
) -> PairEvidence:
    first, second = (pictures[place] for place in pair)
    mse, rotation_deg = figures
    is_same_content = first.content_sha256 == second.content_sha256
    seen = UNSEEN
    if first.look and second.look and not is_same_content:
        seen = examine(first.look, second.look, by_keypoints=by_keypoints)
    return PairEvidence(
        first=pair[0],
        second=pair[1],
        width_first_px=first.width_px,
        height_first_px=first.height_px,
        width_second_px=second.width_px,
        height_second_px=second.height_px,
        is_same_content=is_same_content,
        is_same_dimensions=_dimensions(first) == _dimensions(second),
        difpy_mse=difpy_mse,
        mse=mse,
        rotation_deg=rotation_deg,
        is_telling=first.is_telling and second.is_telling,
        thumbnail_correlation=seen.correlation,
        alignment=seen.alignment,
    )


def _dimensions(picture: Picture) -> tuple[int, int]:
    short, long = sorted((picture.width_px, picture.height_px))
    return short, long
