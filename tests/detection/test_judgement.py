"""From pictures to evidence, and from evidence to matches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from image_duplication.detection import compare_pictures, describe_picture, judge_pairs
from image_duplication.detection.evidence import PairEvidence, Picture
from image_duplication.judgement_versions import feature_version, threshold_version
from image_duplication.records import Engine, Kind
from image_duplication.settings import DetectionSettings, DifpySettings
from tests.judged_rows import draw_picture

PAIR = PairEvidence(
    first=0,
    second=1,
    is_same_content=False,
    is_same_dimensions=True,
    difpy_mse=4.0,
    mse=4.0,
    rotation_deg=0,
)
BOTH = (Engine.IDENTICAL, Engine.DIFPY)


def make_settings(*engines: Engine, **difpy: float) -> DetectionSettings:
    return DetectionSettings(engines=engines or BOTH, difpy=DifpySettings(**difpy))


def describe(picture: Image.Image, content_sha256: str = "00") -> Picture:
    return describe_picture(picture, content_sha256, DetectionSettings(), min_side_px=33)


@pytest.mark.parametrize(
    ("changes", "is_match"),
    [
        ({}, True),
        ({"mse": 5.0, "difpy_mse": 5.0}, True),
        ({"mse": 5.0001}, False),
        ({"difpy_mse": 5.0001}, False),
        ({"difpy_mse": None}, False),
        ({"difpy_mse": 0.0, "mse": 16_384.0}, False),
        ({"is_same_dimensions": False}, True),
    ],
    ids=[
        "within",
        "at the limit",
        "correct error over",
        "difPy's figure over",
        "difPy has none",
        "wrapped",
        "another size",
    ],
)
def test_difpy_match_needs_both_figures(changes: dict[str, object], is_match: bool) -> None:
    matches = judge_pairs([replace(PAIR, **changes)], make_settings(Engine.DIFPY))
    assert bool(matches) is is_match


def test_difpy_match_needs_equal_dimensions_when_asked_for() -> None:
    asked = make_settings(same_dimensions=True)
    assert judge_pairs([PAIR], asked)
    assert not judge_pairs([replace(PAIR, is_same_dimensions=False)], asked)


def test_identical_content_is_a_match_whatever_the_figures() -> None:
    pair = replace(PAIR, is_same_content=True, difpy_mse=None, mse=0.0, is_same_dimensions=True)
    (match,) = judge_pairs([pair], make_settings())
    assert (match.engine, match.kinds, match.distance) == (
        Engine.IDENTICAL,
        {Kind.IDENTICAL},
        0.0,
    )


def test_only_the_engines_chosen_judge() -> None:
    same = replace(PAIR, is_same_content=True, difpy_mse=0.0, mse=0.0)
    assert judge_pairs([PAIR], make_settings(Engine.IDENTICAL)) == []
    (match,) = judge_pairs([same], make_settings(Engine.DIFPY))
    assert (match.engine, match.kinds) == (Engine.DIFPY, {Kind.IDENTICAL})


@pytest.mark.parametrize(("rotation_deg", "kind"), [(0, "same_picture"), (270, "transformed")])
def test_match_names_its_kind(rotation_deg: int, kind: str) -> None:
    (match,) = judge_pairs([replace(PAIR, rotation_deg=rotation_deg)], make_settings())
    assert match.kinds == {kind}
    assert match.distance == PAIR.mse
    assert match.is_duplicate
    assert match.evidence.rotation_deg == rotation_deg


@pytest.mark.parametrize(
    ("picture", "notes"),
    [
        (draw_picture(1), ()),
        (draw_picture(1, 33, 33), ()),
        (draw_picture(1, 32, 400), ("too_small",)),
        (draw_picture(1, 400, 32), ("too_small",)),
        (Image.new("RGB", (60, 60), "white"), ("blank",)),
        (Image.new("RGB", (60, 60), (20, 200, 90)), ("blank",)),
        (Image.new("RGB", (1, 1), "white"), ("too_small", "blank")),
    ],
    ids=["good", "smallest", "narrow", "low", "white", "one colour", "one pixel"],
)
def test_picture_is_usable_unless_it_is_tiny_or_blank(
    picture: Image.Image, notes: tuple[str, ...]
) -> None:
    described = describe(picture)
    assert described.quality_notes == notes
    assert described.is_usable is not bool(notes)
    assert (described.width_px, described.height_px) == picture.size


def test_picture_with_detail_in_one_channel_is_not_blank() -> None:
    samples = np.zeros((60, 60, 3), np.uint8)
    samples[:30, :, 2] = 40
    assert describe(Image.fromarray(samples)).is_usable


def test_picture_with_codec_noise_alone_is_blank() -> None:
    noise = np.random.default_rng(1).integers(250, 254, (60, 60, 3), dtype=np.uint8)
    assert describe(Image.fromarray(noise)).quality_notes == ("blank",)


def test_comparison_gives_evidence_for_every_pair_in_order() -> None:
    pictures = [describe(draw_picture(seed), f"{seed}") for seed in (1, 2, 1, 3)]
    evidence = compare_pictures(pictures)
    assert [(e.first, e.second) for e in evidence] == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 2),
        (1, 3),
        (2, 3),
    ]
    assert [e.is_same_content for e in evidence] == [False, True, False, False, False, False]
    assert evidence[1].mse == evidence[1].difpy_mse == 0
    assert all(e.mse > 200 for number, e in enumerate(evidence) if number != 1)


@pytest.mark.parametrize("count", [0, 1])
def test_comparison_of_less_than_two_pictures_is_empty(count: int) -> None:
    assert compare_pictures([describe(draw_picture(1))] * count) == []


@pytest.mark.parametrize(
    ("size", "is_same"),
    [((60, 40), True), ((40, 60), True), ((60, 41), False), ((120, 80), False)],
    ids=["equal", "turned", "one pixel more", "doubled"],
)
def test_dimensions_are_the_same_in_either_order(size: tuple[int, int], is_same: bool) -> None:
    pictures = [describe(draw_picture(1, 60, 40)), describe(draw_picture(1, *size))]
    assert compare_pictures(pictures)[0].is_same_dimensions is is_same


def test_evidence_does_not_depend_on_the_thresholds() -> None:
    """So a changed threshold judges anew without reading a pixel."""
    versions = {
        feature_version(make_settings(similarity_mse=limit, same_dimensions=same))
        for limit in (0, 5, 200)
        for same in (False, True)
    }
    assert len(versions) == 1
    assert feature_version(make_settings(pixel_size=60)) not in versions


def test_threshold_version_follows_what_judges_and_nothing_else() -> None:
    base = threshold_version(make_settings())
    assert base == threshold_version(DetectionSettings(processes=8, task_slots=2))
    others = [
        make_settings(Engine.DIFPY),
        make_settings(similarity_mse=4),
        make_settings(same_dimensions=True),
    ]
    assert len({base, *map(threshold_version, others)}) == 4
