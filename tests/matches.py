"""Evidence and matches made by hand, each figure neutral unless the test names it."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import numpy as np
from PIL import Image

from image_duplication.detection.difpy_engine import reduce_picture
from image_duplication.detection.evidence import Alignment, PairEvidence
from image_duplication.detection.judgement import Match
from image_duplication.detection.looks import Look, look_at
from image_duplication.detection.quality import Quality
from image_duplication.detection.search import examine
from image_duplication.detection.transforms import Transform
from image_duplication.records import Engine, Kind

PERFECT_ALIGNMENT = {
    "homography": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    "overlap_first": 1.0,
    "overlap_second": 1.0,
    "fine_agreement_first": 1.0,
    "fine_agreement_second": 1.0,
    "tone_slope": 1.0,
    "tone_agreement": 1.0,
    "chroma_first": 20.0,
    "chroma_second": 20.0,
}
"""Of two equal pictures in colour; figures that are not named here are 0."""


def make_alignment(**figures: Any) -> Alignment:
    hints = typing.get_type_hints(Alignment)
    neutral = {f.name: hints[f.name]() for f in dataclasses.fields(Alignment)}
    return Alignment(**(neutral | PERFECT_ALIGNMENT | figures))


def make_pair(first: int = 0, second: int = 1, **figures: Any) -> PairEvidence:
    hints = typing.get_type_hints(PairEvidence)
    neutral: dict[str, Any] = {
        field.name: None if type(None) in typing.get_args(hints[field.name]) else 0
        for field in dataclasses.fields(PairEvidence)
    }
    neutral |= {
        "width_first_px": 400,
        "height_first_px": 400,
        "width_second_px": 400,
        "height_second_px": 400,
        "is_same_content": False,
        "is_same_dimensions": True,
        "mse": 1.0,
        "is_telling": True,
    }
    return PairEvidence(**(neutral | figures | {"first": first, "second": second}))


def make_transform(**fields: Any) -> Transform:
    neutral = {
        "is_mirrored": False,
        "rotation_deg": 0.0,
        "scale": 1.0,
        "crop_box": None,
        "shown_share": 1.0,
        "is_perspective": False,
    }
    return Transform(**(neutral | fields))


def make_match(
    *kinds: Kind,
    first: int = 0,
    second: int = 1,
    is_duplicate: bool = True,
    transform: Transform | None = None,
    alignment: Alignment | None = None,
    **figures: Any,
) -> Match:
    return Match(
        first=first,
        second=second,
        is_duplicate=is_duplicate,
        kinds=frozenset(kinds or {Kind.SAME_PICTURE}),
        transform=transform,
        distance=1.0,
        engine=Engine.ALIGNED if alignment else Engine.DIFPY,
        evidence=make_pair(first, second, alignment=alignment, **figures),
    )


def make_quality(**figures: Any) -> Quality:
    neutral = {
        "notes": (),
        "detail_px": 400.0,
        "compression": 20.0,
        "is_compression_estimated": False,
        "border_share": 0.0,
    }
    return Quality(**(neutral | figures))


def align_pictures(first: Image.Image, second: Image.Image) -> PairEvidence:
    """The evidence of two pictures that can be laid over each other, difPy's figures aside."""
    alignment = examine(_look(first), _look(second)).alignment
    assert alignment is not None
    return make_pair(
        width_first_px=first.width,
        height_first_px=first.height,
        width_second_px=second.width,
        height_second_px=second.height,
        is_same_dimensions=first.size == second.size,
        alignment=alignment,
    )


def _look(picture: Image.Image) -> Look:
    return look_at(np.asarray(picture.convert("L")), reduce_picture(picture, 50))
