"""What a report says of a match: no more than the evidence does."""

from __future__ import annotations

from typing import Any

import pytest

from image_duplication.detection.sentences import describe_match
from image_duplication.records import Kind
from tests.matches import make_alignment, make_match, make_transform

T, C, R = Kind.TRANSFORMED, Kind.CROPPED, Kind.RECOLOURED
B, O, P = Kind.BORDERED, Kind.OVERLAID, Kind.COMPOSED  # noqa: E741


@pytest.mark.parametrize(
    ("kinds", "transform", "sentence"),
    [
        ({Kind.IDENTICAL}, None, "same file"),
        ({Kind.SAME_PICTURE}, None, "same photo, saved again"),
        ({Kind.SAME_PICTURE}, {}, "same photo, saved again"),
        ({Kind.SAME_PICTURE}, {"scale": 1.09}, "same photo, saved again"),
        (
            {Kind.SAME_PICTURE},
            {"scale": 0.5},
            "same photo, saved again at about 50% of the size",
        ),
        (
            {Kind.SAME_PICTURE},
            {"scale": 1.52},
            "same photo, saved again at about 150% of the size",
        ),
        ({T}, {"is_mirrored": True}, "same photo, mirrored"),
        ({T}, {"rotation_deg": 90.3}, "same photo, turned by 90°"),
        ({T}, {"rotation_deg": -90.0}, "same photo, turned by 90°"),
        ({T}, {"rotation_deg": 180.0}, "same photo, turned by 180°"),
        ({T}, {"rotation_deg": -179.6}, "same photo, turned by 180°"),
        ({T}, {"rotation_deg": -6.8}, "same photo, turned by about 7°"),
        ({T}, {"rotation_deg": 88.0}, "same photo, turned by about 88°"),
        (
            {T},
            {"is_mirrored": True, "rotation_deg": 90.0},
            "same photo, mirrored and turned by 90°",
        ),
        ({T}, {"is_mirrored": True, "rotation_deg": 180.0}, "same photo, mirrored top to bottom"),
        ({T}, {"is_perspective": True}, "same photo, distorted in perspective"),
        (
            {T},
            {"is_mirrored": True, "rotation_deg": 5.0, "is_perspective": True},
            "same photo, mirrored, turned by about 5° and distorted in perspective",
        ),
        ({T}, {"rotation_deg": 0.4}, "same photo, turned or distorted slightly"),
        ({C}, {"shown_share": 0.91}, "same photo, cropped by about 9%"),
        ({C}, {"shown_share": 0.999}, "same photo, cropped by about 1%"),
        ({C}, {"shown_share": 0.43}, "same photo, cropped by about 55%"),
        ({C}, None, "same photo, cropped"),
        (
            {T, C},
            {"is_mirrored": True, "shown_share": 0.91},
            "same photo, mirrored and cropped by about 9%",
        ),
        (
            {T, C},
            {"is_mirrored": True, "rotation_deg": 90.0, "shown_share": 0.7},
            "same photo, mirrored, turned by 90° and cropped by about 30%",
        ),
        ({B}, {}, "same photo with a border added"),
        ({O}, {}, "same photo with an overlay (text, logo or watermark) added"),
        (
            {B, O},
            {},
            "same photo with a border and an overlay (text, logo or watermark) added",
        ),
        ({T, B}, {"is_mirrored": True}, "same photo, mirrored, with a border added"),
        ({C, B}, {"shown_share": 0.9}, "same photo, cropped, with a border added"),
        ({P}, {}, "same photo inside a collage or larger picture"),
        (
            {P, T, O},
            {"is_mirrored": True},
            "same photo, mirrored, inside a collage or larger picture, "
            "with an overlay (text, logo or watermark) added",
        ),
        (
            {P, O},
            {},
            "same photo inside a collage or larger picture, "
            "with an overlay (text, logo or watermark) added",
        ),
        # A kind that is not claimed is not described.
        (
            {C},
            {"is_mirrored": True, "rotation_deg": 90.0, "shown_share": 0.8},
            "same photo, cropped by about 20%",
        ),
        ({B}, {"scale": 0.5, "shown_share": 0.5}, "same photo with a border added"),
    ],
)
def test_sentence_says_what_was_done(
    kinds: set[Kind], transform: dict[str, Any] | None, sentence: str
) -> None:
    made = None if transform is None else make_transform(**transform)
    assert describe_match(make_match(*kinds, transform=made)) == sentence


@pytest.mark.parametrize(
    ("rotation_deg", "sentence"),
    [(90, "turned by 90°"), (180, "turned by 180°"), (270, "turned by 90°")],
)
def test_sentence_takes_the_turn_from_difpys_figure_without_an_alignment(
    rotation_deg: int, sentence: str
) -> None:
    match = make_match(Kind.TRANSFORMED, rotation_deg=rotation_deg)
    assert describe_match(match) == f"same photo, {sentence}"


@pytest.mark.parametrize(
    ("kinds", "alignment", "sentence"),
    [
        ({R}, {"chroma_difference": 30.0}, "recoloured"),
        ({R}, {"tone_agreement": 0.5}, "recoloured"),
        ({R}, {"tone_slope": -0.9}, "colours inverted"),
        ({R}, {"chroma_second": 1.0}, "one of them in grey"),
        ({R}, {"chroma_first": 1.0}, "one of them in grey"),
        (
            {R},
            {"chroma_first": 1.0, "chroma_second": 2.0, "chroma_difference": 30.0},
            "recoloured",
        ),
        ({R}, {"tone_slope": 0.8, "backdrop_difference": 40.0}, "lighter or darker"),
        (
            {R},
            {"tone_agreement": 0.6, "backdrop_difference": 80.0},
            "recoloured or on another background",
        ),
        (
            {R},
            {"chroma_difference": 30.0, "backdrop_difference": 80.0},
            "recoloured or on another background",
        ),
        ({R}, {"backdrop_difference": 80.0, "tone_slope": -1.0}, "colours inverted"),
        (
            {R, O},
            {"chroma_first": 1.0, "chroma_difference": 30.0},
            "recoloured, with an overlay (text, logo or watermark) added",
        ),
    ],
)
def test_sentence_says_how_the_colours_changed(
    kinds: set[Kind], alignment: dict[str, float], sentence: str
) -> None:
    match = make_match(*kinds, alignment=make_alignment(**alignment))
    assert describe_match(match) == f"same photo, {sentence}"


def test_sentence_claims_nothing_of_colours_without_an_alignment() -> None:
    assert describe_match(make_match(Kind.RECOLOURED)) == "same photo, recoloured"


def test_sentence_puts_colours_after_shapes() -> None:
    match = make_match(
        Kind.TRANSFORMED,
        Kind.CROPPED,
        Kind.RECOLOURED,
        transform=make_transform(is_mirrored=True, shown_share=0.8),
        alignment=make_alignment(tone_slope=-1.0),
    )
    assert (
        describe_match(match) == "same photo, mirrored and cropped by about 20%, colours inverted"
    )


@pytest.mark.parametrize(
    ("kinds", "transform", "sentence"),
    [
        ({C}, {"shown_share": 0.118}, "close-up: shows about 12% of the other picture"),
        ({C}, {"shown_share": 0.001}, "close-up: shows about 1% of the other picture"),
        ({C}, None, "close-up: shows a part of the other picture"),
        (
            {C, T},
            {"shown_share": 0.15, "is_mirrored": True},
            "close-up, mirrored: shows about 15% of the other picture",
        ),
        (
            {C, B},
            {"shown_share": 0.15},
            "close-up: shows about 15% of the other picture, with a border added",
        ),
    ],
)
def test_sentence_calls_a_related_crop_a_close_up(
    kinds: set[Kind], transform: dict[str, Any] | None, sentence: str
) -> None:
    made = None if transform is None else make_transform(**transform)
    match = make_match(*kinds, is_duplicate=False, transform=made)
    assert describe_match(match) == sentence


def test_sentence_is_the_same_whatever_the_order_of_kinds() -> None:
    kinds = [Kind.TRANSFORMED, Kind.BORDERED, Kind.OVERLAID, Kind.COMPOSED]
    transform = make_transform(is_mirrored=True)
    sentences = {
        describe_match(make_match(*order, transform=transform))
        for order in (kinds, kinds[::-1], kinds[2:] + kinds[:2])
    }
    assert len(sentences) == 1
