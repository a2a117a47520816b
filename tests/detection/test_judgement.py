"""From evidence to matches: which engine says so, at which limits, and what is then known."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demo.modifications import MODIFICATIONS, decode, encode_jpeg
from image_duplication.detection import (
    Picture,
    compare_pictures,
    describe_picture,
    judge_pairs,
)
from image_duplication.detection.evidence import Alignment, PairEvidence
from image_duplication.detection.judgement import agrees
from image_duplication.judgement_versions import feature_version, threshold_version
from image_duplication.records import Engine, Kind
from image_duplication.settings import (
    AlignedSettings,
    CutoutSettings,
    DetectionSettings,
    DifpySettings,
    GoodsSettings,
    KeptSettings,
    PatchedSettings,
    PerceptualSettings,
    ThroughoutSettings,
)
from tests.drawn_photos import draw_photo
from tests.judged_rows import draw_picture
from tests.matches import make_alignment, make_pair

BOTH = (Engine.IDENTICAL, Engine.DIFPY)
WITHIN = make_pair(difpy_mse=4.0, mse=4.0)

AGREEING = {
    "fine_agreement": 1.0,
    "coarse_agreement": 1.0,
    "cells": 40,
    "cell_correlation_low": 1.0,
    "remaining_correlation": 1.0,
    "edges_kept": 1.0,
    "edges_kept_least": 1.0,
    "edges_kept_by_both": 1.0,
    "anisotropy": 1.0,
}
"""Figures of two pictures that agree wherever they are compared."""

DIFFERING = {
    "fine_agreement": 0.2,
    "fine_agreement_first": 0.2,
    "fine_agreement_second": 0.2,
    "coarse_agreement": 0.2,
    "cell_correlation_low": 0.1,
    "contradicted": 0.8,
    "contradicted_inside": 0.8,
    "contradicted_scattered": 0.4,
    "remaining_correlation": 0.1,
    "edges_kept": 0.1,
    "edges_kept_least": 0.0,
    "edges_kept_by_both": 0.1,
}


def make_settings(*engines: Engine, **difpy: float) -> DetectionSettings:
    return DetectionSettings(engines=engines or BOTH, difpy=DifpySettings(**difpy))


def align(**figures: Any) -> Alignment:
    return make_alignment(**(AGREEING | figures))


def far_pair(**figures: Any) -> PairEvidence:
    """Too far apart for difPy."""
    return make_pair(**({"mse": 900.0, "difpy_mse": None} | figures))


# difPy and equal bytes ----------------------------------------------------------------------------


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
        ({"is_telling": False}, True),
    ],
    ids=[
        "within",
        "at the limit",
        "correct error over",
        "difPy's figure over",
        "difPy has none",
        "wrapped",
        "another size",
        "shows nothing",
    ],
)
def test_difpy_match_needs_both_figures(changes: dict[str, object], is_match: bool) -> None:
    matches = judge_pairs([replace(WITHIN, **changes)], make_settings(Engine.DIFPY))
    assert bool(matches) is is_match


def test_difpy_match_needs_equal_dimensions_when_asked_for() -> None:
    asked = make_settings(same_dimensions=True)
    assert judge_pairs([WITHIN], asked)
    assert not judge_pairs([replace(WITHIN, is_same_dimensions=False)], asked)


@pytest.mark.parametrize("other", [Engine.PERCEPTUAL, Engine.ALIGNED])
def test_pictures_that_show_nothing_match_by_difpy_alone_and_beside_others_by_bytes(
    other: Engine,
) -> None:
    blank = replace(WITHIN, mse=0.0, difpy_mse=0.0, is_telling=False)
    assert judge_pairs([blank], make_settings(Engine.DIFPY))
    assert judge_pairs([blank], make_settings(Engine.IDENTICAL, Engine.DIFPY, other)) == []
    equal = replace(blank, is_same_content=True)
    (match,) = judge_pairs([equal], make_settings(Engine.IDENTICAL, Engine.DIFPY, other))
    assert match.kinds == {Kind.IDENTICAL}


def test_identical_content_is_a_match_whatever_the_figures() -> None:
    pair = replace(WITHIN, is_same_content=True, difpy_mse=None, mse=0.0)
    (match,) = judge_pairs([pair], make_settings())
    assert (match.engine, match.kinds, match.distance) == (
        Engine.IDENTICAL,
        {Kind.IDENTICAL},
        0.0,
    )


def test_only_the_engines_chosen_judge() -> None:
    same = replace(WITHIN, is_same_content=True, difpy_mse=0.0, mse=0.0)
    assert judge_pairs([WITHIN], make_settings(Engine.IDENTICAL)) == []
    (match,) = judge_pairs([same], make_settings(Engine.DIFPY))
    assert (match.engine, match.kinds) == (Engine.DIFPY, {Kind.IDENTICAL})


@pytest.mark.parametrize(("rotation_deg", "kind"), [(0, "same_picture"), (270, "transformed")])
def test_difpy_match_names_its_kind(rotation_deg: int, kind: str) -> None:
    (match,) = judge_pairs([replace(WITHIN, rotation_deg=rotation_deg)], make_settings())
    assert match.kinds == {kind}
    assert match.distance == WITHIN.mse
    assert match.is_duplicate
    assert match.evidence.rotation_deg == rotation_deg


# Engines beyond difPy -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "engine"),
    [
        ({"is_same_content": True, "mse": 0.0, "difpy_mse": 0.0}, Engine.IDENTICAL),
        ({"mse": 5.0, "difpy_mse": 5.0, "thumbnail_correlation": 1.0}, Engine.DIFPY),
        ({"thumbnail_correlation": 0.97}, Engine.PERCEPTUAL),
        ({"thumbnail_correlation": -0.97}, Engine.PERCEPTUAL),
        ({"thumbnail_correlation": 0.9699}, Engine.ALIGNED),
        ({"thumbnail_correlation": None}, Engine.ALIGNED),
    ],
    ids=["bytes", "difPy", "thumbnails", "inverted", "below the limit", "no thumbnails"],
)
def test_first_engine_that_accepts_names_the_match(figures: dict[str, Any], engine: Engine) -> None:
    chosen = DetectionSettings(perceptual=PerceptualSettings(correlation=0.97))
    (match,) = judge_pairs([far_pair(alignment=align(), **figures)], chosen)
    assert match.engine is engine


def test_match_has_the_earlier_picture_first_whichever_was_first_in_the_evidence() -> None:
    moved = align(homography=(0.8, 0.0, 0.1, 0.0, 0.9, 0.0, 0.0, 0.0, 1.0), overlap_second=0.72)
    pair = far_pair(alignment=moved)
    (match,) = judge_pairs([pair], DetectionSettings())
    (turned,) = judge_pairs([replace(pair, first=1, second=0)], DetectionSettings())
    assert (match.first, match.second) == (turned.first, turned.second) == (0, 1)
    assert match.evidence == pair
    assert turned.evidence == replace(pair, first=1, second=0).reversed()
    assert match.transform is not None
    assert turned.transform is not None
    assert turned.transform.scale == pytest.approx(1 / match.transform.scale)
    assert turned.transform.crop_box == pytest.approx(match.transform.crop_box)
    assert turned.kinds == match.kinds


@pytest.mark.parametrize("correlation", [1.0, 0.5])
def test_thumbnails_alone_are_no_match(correlation: float) -> None:
    """Pictures in one shop's frame have like thumbnails."""
    differing = align(**DIFFERING)
    for alignment in (None, differing):
        pair = far_pair(thumbnail_correlation=correlation, alignment=alignment)
        assert judge_pairs([pair], DetectionSettings()) == []


def test_match_of_the_looks_tells_how_much_of_the_texture_differs() -> None:
    alignment = align(coarse_agreement=0.9)
    (match,) = judge_pairs([far_pair(alignment=alignment)], DetectionSettings())
    assert match.distance == pytest.approx(0.1)
    assert match.transform is not None


def test_difpy_match_tells_its_own_distance_though_an_alignment_is_known() -> None:
    (match,) = judge_pairs([replace(WITHIN, alignment=align())], DetectionSettings())
    assert (match.engine, match.distance) == (Engine.DIFPY, 4.0)
    assert match.transform is not None


def test_difpy_match_says_nothing_of_an_alignment_that_does_not_agree() -> None:
    tilted = align(**DIFFERING, homography=(0.5, 0, 0.25, 0, 0.5, 0.25, 0, 0, 1))
    (match,) = judge_pairs([replace(WITHIN, alignment=tilted)], DetectionSettings())
    assert match.transform is None
    assert match.kinds == {Kind.SAME_PICTURE}


# Agreement ----------------------------------------------------------------------------------------


LIMITS = AlignedSettings(
    least_overlap=0.93,
    least_cells=3,
    most_anisotropy=1.45,
    most_perspective=0.35,
    doubtful_perspective=0.03,
    extra_in_doubt=0.08,
    throughout=ThroughoutSettings(
        overlap=0.8,
        coarse=0.86,
        fine=0.70,
        cells=0.78,
        edges=0.75,
        edges_least=0.75,
        contradicted=0.12,
    ),
    kept=KeptSettings(
        edges=0.89,
        fine=0.66,
        edges_if_alike=0.79,
        fine_if_alike=0.60,
        edges_least=0.6,
        alike=0.955,
        coarse=0.4,
        contradicted_inside=0.75,
    ),
    patched=PatchedSettings(
        remaining=0.87,
        fine=0.55,
        scattered=0.03,
        edges=0.84,
        remaining_with_edges=0.87,
        fine_with_edges=0.66,
        scattered_with_edges=0.09,
        contradicted=0.45,
        contradicted_inside=0.2,
    ),
    goods=GoodsSettings(
        agreement=0.8,
        edges=0.46,
        correlation=0.9,
        least_agreement_if_laid_anew=0.92,
        laid_anew_perspective=0.01,
        laid_anew_keypoints=25,
        least_kept=0.7,
        cells=8,
    ),
    cutout=CutoutSettings(agreement=0.85, correlation=0.97, contradicted_cells=1, cells=8),
    disputed_inside=0.25,
    most_unlike=0.015,
    most_letters_unlike=0.005,
)
"""Limits to test at: the rules, not the tuned defaults, are the subject here."""


def is_agreed(alignment: Alignment, correlation: float = 0.5) -> bool:
    pair = far_pair(alignment=alignment, thumbnail_correlation=correlation)
    return agrees(pair, alignment, LIMITS)


def test_pictures_that_agree_everywhere_are_one() -> None:
    assert is_agreed(align())


def test_pictures_that_agree_nowhere_are_two() -> None:
    assert not is_agreed(align(**DIFFERING))


@pytest.mark.parametrize(
    "figures",
    [{"cells": 2}, {"anisotropy": 1.46}, {"perspective": 0.36}],
    ids=["hardly any texture", "stretched", "seen from the side"],
)
def test_nothing_makes_up_for_an_alignment_that_cannot_be(figures: dict[str, Any]) -> None:
    assert not is_agreed(align(**figures))


@pytest.mark.parametrize(
    ("figures", "is_one"),
    [
        ({"goods_cells": 8, "goods_kept": 0.69}, False),
        ({"goods_cells": 7, "goods_kept": 0.69}, True),
        ({"goods_cells": 8, "goods_kept": 0.7}, True),
    ],
    ids=["goods differ", "too little of them", "goods kept"],
)
def test_nothing_makes_up_for_goods_that_plainly_differ(
    figures: dict[str, Any], is_one: bool
) -> None:
    assert is_agreed(align(**figures)) is is_one


def test_a_patch_is_no_excuse_for_goods_that_differ() -> None:
    """In a frame the goods are the one place that differs."""
    assert is_agreed(align(**(PATCHED | {"goods_cells": 8, "goods_kept": 0.7})))
    assert not is_agreed(align(**(PATCHED | {"goods_cells": 8, "goods_kept": 0.69})))


@pytest.mark.parametrize(
    ("figures", "is_one"),
    [
        ({"unlike": 0.016, "contradicted_inside": 0.26}, False),
        ({"unlike": 0.014, "contradicted_inside": 0.26}, True),
        ({"unlike": 0.016, "contradicted_inside": 0.24}, True),
    ],
    ids=["another thing", "little is unlike", "little is contradicted"],
)
def test_another_thing_in_the_same_frame_is_no_match(figures: dict[str, Any], is_one: bool) -> None:
    assert is_agreed(align(**(KEPT | figures))) is is_one


def test_pages_that_say_other_things_are_no_match() -> None:
    assert is_agreed(align(letters_unlike=0.005))
    assert not is_agreed(align(letters_unlike=0.006))


@pytest.mark.parametrize("other", [Engine.PERCEPTUAL, Engine.ALIGNED])
def test_difpy_match_of_pages_that_say_other_things_stands_alone_only(other: Engine) -> None:
    pair = replace(WITHIN, alignment=align(letters_unlike=0.5), thumbnail_correlation=1.0)
    assert judge_pairs([pair], make_settings())
    assert judge_pairs([pair], make_settings(*BOTH, other)) == []
    alike = replace(pair, alignment=align(letters_unlike=0.0))
    assert judge_pairs([alike], make_settings(*BOTH, other))
    (match,) = judge_pairs([replace(pair, is_same_content=True)], make_settings(*BOTH, other))
    assert match.engine is Engine.IDENTICAL


ANEW = {
    "goods_cells": 8,
    "goods_kept": 1.0,
    "goods_agreement": 0.91,
    "perspective": 0.011,
    "keypoints": 24,
}
"""Plain goods, whose outline fits in perspective."""


@pytest.mark.parametrize(
    ("changes", "is_one"),
    [
        ({}, False),
        ({"goods_cells": 7}, True),
        ({"goods_agreement": 0.92}, True),
        ({"perspective": 0.01}, True),
        ({"keypoints": 25}, True),
    ],
    ids=[
        "laid anew",
        "hardly any goods",
        "their texture agrees",
        "not in perspective",
        "keypoints",
    ],
)
def test_an_outline_that_fits_roughly_is_no_match(changes: dict[str, Any], is_one: bool) -> None:
    assert is_agreed(align(**(ANEW | changes))) is is_one


THROUGHOUT = {
    "coarse_agreement": 0.86,
    "fine_agreement": 0.70,
    "cell_correlation_low": 0.78,
    "edges_kept_by_both": 0.75,
    "edges_kept_least": 0.75,
}
"""Each just enough by itself; the pictures agree in no other way."""

NOT_OTHERWISE = {
    "fine_agreement_first": 0.0,
    "fine_agreement_second": 0.0,
    "edges_kept": 0.0,
    "contradicted": 0.12,
}


def test_agreement_throughout_holds_at_its_limits() -> None:
    assert is_agreed(align(**NOT_OTHERWISE, **THROUGHOUT))
    for name in ("overlap_first", "overlap_second"):
        others = {"overlap_first": 0.5, "overlap_second": 0.5, name: 0.8}
        assert is_agreed(align(**NOT_OTHERWISE, **THROUGHOUT, **others))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: limit - 0.01} for name, limit in THROUGHOUT.items()),
        {"contradicted": 0.13},
        {"overlap_first": 0.79, "overlap_second": 0.79},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_agreement_throughout_needs_every_figure(changes: dict[str, float]) -> None:
    assert not is_agreed(align(**(NOT_OTHERWISE | THROUGHOUT | changes)))


@pytest.mark.parametrize(
    "doubt", [{"is_mirrored": True}, {"perspective": 0.031}], ids=["mirrored", "perspective"]
)
@pytest.mark.parametrize("name", THROUGHOUT)
def test_doubtful_pairs_must_agree_better(name: str, doubt: dict[str, Any]) -> None:
    better = {figure: limit + 0.081 for figure, limit in THROUGHOUT.items()}
    assert is_agreed(align(**(NOT_OTHERWISE | better | doubt)))
    assert not is_agreed(align(**(NOT_OTHERWISE | better | doubt | {name: THROUGHOUT[name]})))


KEPT = DIFFERING | {
    "fine_agreement_first": 0.66,
    "coarse_agreement": 0.4,
    "contradicted_inside": 0.75,
    "edges_kept": 0.89,
    "edges_kept_least": 0.6,
}
"""One picture's own texture is in the other, which shows something more all over it."""


def test_what_one_shows_is_kept_in_the_other_at_its_limits() -> None:
    assert is_agreed(align(**KEPT))
    swapped = KEPT | {"fine_agreement_first": 0.2, "fine_agreement_second": 0.66}
    assert is_agreed(align(**swapped))


@pytest.mark.parametrize(
    "changes",
    [
        {"fine_agreement_first": 0.65},
        {"coarse_agreement": 0.39},
        {"contradicted_inside": 0.76},
        {"edges_kept": 0.88},
        {"edges_kept_least": 0.59},
        {"overlap_first": 0.92, "overlap_second": 0.92},
        {"is_mirrored": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_one_shows_is_kept_only_if_every_figure_says_so(changes: dict[str, Any]) -> None:
    assert not is_agreed(align(**(KEPT | changes)))


def test_less_needs_to_be_kept_of_pictures_that_look_alike_at_a_glance() -> None:
    less = KEPT | {"edges_kept": 0.79, "fine_agreement_first": 0.60}
    assert is_agreed(align(**less), correlation=0.955)
    assert is_agreed(align(**less), correlation=-0.955)
    assert not is_agreed(align(**less), correlation=0.954)
    assert not is_agreed(align(**(less | {"edges_kept": 0.78})), correlation=0.99)
    assert not is_agreed(align(**(less | {"fine_agreement_first": 0.59})), correlation=0.99)


PATCHED = DIFFERING | {
    "contradicted": 0.45,
    "contradicted_inside": 0.2,
    "contradicted_scattered": 0.03,
    "remaining_correlation": 0.87,
    "fine_agreement_first": 0.55,
}
"""One connected place differs, as under a badge; the rest agrees."""


def test_pictures_may_differ_in_one_place_at_its_limits() -> None:
    assert is_agreed(align(**PATCHED))


@pytest.mark.parametrize(
    "changes",
    [
        {"contradicted": 0.46},
        {"contradicted_inside": 0.21},
        {"contradicted_scattered": 0.031},
        {"remaining_correlation": 0.86},
        {"fine_agreement_first": 0.54},
        {"overlap_first": 0.92, "overlap_second": 0.92},
        {"is_mirrored": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_pictures_may_differ_in_one_place_only(changes: dict[str, Any]) -> None:
    assert not is_agreed(align(**(PATCHED | changes)))


def test_more_may_be_scattered_where_edges_are_kept() -> None:
    scattered = PATCHED | {"contradicted_scattered": 0.09, "fine_agreement_first": 0.66}
    assert not is_agreed(align(**scattered))
    assert is_agreed(align(**(scattered | {"edges_kept": 0.84})))


GOODS = DIFFERING | {
    "goods_cells": 8,
    "goods_kept": 0.7,
    "goods_agreement": 0.8,
    "cutout_correlation": 0.9,
    "cutout_contradicted_cells": 1,
    "edges_kept": 0.46,
}
"""The same goods upon another backdrop."""


def test_goods_alone_may_agree_at_their_limits() -> None:
    assert is_agreed(align(**GOODS))


@pytest.mark.parametrize(
    "changes",
    [
        {"goods_cells": 7},
        {"goods_kept": 0.69},
        {"goods_agreement": 0.79},
        {"cutout_correlation": 0.89},
        {"cutout_contradicted_cells": 2},
        {"edges_kept": 0.45},
        {"is_mirrored": True},
        {"overlap_first": 0.92, "overlap_second": 0.92},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_goods_agree_only_if_every_figure_says_so(changes: dict[str, Any]) -> None:
    assert not is_agreed(align(**(GOODS | changes)))


CUT_OUT = DIFFERING | {
    "cutout_agreement": 0.85,
    "cutout_correlation": 0.97,
    "cutout_contradicted_cells": 1,
    "cutout_cells": 8,
    "edges_kept": 0.0,
}
"""The same goods upon a backdrop that turns the contrast of their outline round."""


@pytest.mark.parametrize(
    ("changes", "is_one"),
    [
        ({}, True),
        ({"cutout_agreement": 0.84}, False),
        ({"cutout_correlation": 0.96}, False),
        ({"cutout_contradicted_cells": 2}, False),
        ({"cutout_cells": 7}, False),
        ({"overlap_first": 0.92, "overlap_second": 0.92}, False),
        ({"is_mirrored": True}, False),
        ({"is_mirrored": True, "cutout_agreement": 0.95}, True),
        ({"perspective": 0.04}, False),
    ],
    ids=[
        "at the limits",
        "agreement",
        "correlation",
        "contradicted cells",
        "cells",
        "not whole",
        "mirrored",
        "mirrored, in agreement",
        "perspective",
    ],
)
def test_goods_cut_out_need_no_outline(changes: dict[str, Any], is_one: bool) -> None:
    assert is_agreed(align(**(CUT_OUT | changes))) is is_one


@pytest.mark.parametrize(
    ("figures", "is_one"),
    [
        ({"unlike": 0.03, "contradicted_inside": 0.8}, True),
        ({"goods_cells": 8, "goods_kept": 0.5}, True),
        ({"letters_unlike": 0.006}, False),
        ({"goods_cells": 8, "goods_agreement": 0.91, "perspective": 0.02}, False),
    ],
    ids=["another backdrop", "goods within their outline", "another page", "laid anew"],
)
def test_another_backdrop_is_not_another_thing_but_a_page_and_an_outline_stay_doubtful(
    figures: dict[str, Any], is_one: bool
) -> None:
    assert is_agreed(align(**(CUT_OUT | figures))) is is_one


# Pictures -----------------------------------------------------------------------------------------


def describe(picture: Image.Image, content_sha256: str = "00") -> Picture:
    return describe_picture(picture, content_sha256, DetectionSettings(), min_side_px=33)


@pytest.mark.parametrize(
    ("picture", "notes"),
    [
        (draw_picture(1), ()),
        (draw_picture(1, 33, 33), ()),
        (draw_picture(1, 32, 400), ("too_small",)),
        (draw_picture(1, 400, 32), ("too_small",)),
        (Image.new("RGB", (60, 60), "white"), ("blank",)),
        (Image.new("RGB", (60, 60), (20, 200, 90)), ("blank",)),
        (Image.new("RGB", (2, 2), "white"), ("too_small", "blank")),
    ],
    ids=["good", "smallest", "narrow", "low", "white", "one colour", "four pixels"],
)
def test_picture_is_usable_unless_it_is_tiny_or_blank(
    picture: Image.Image, notes: tuple[str, ...]
) -> None:
    described = describe(picture)
    assert described.quality.notes == notes
    assert described.is_usable is not bool(notes)
    assert (described.width_px, described.height_px) == picture.size


def test_picture_with_detail_in_one_channel_is_not_blank() -> None:
    samples = np.zeros((60, 60, 3), np.uint8)
    samples[:30, :, 2] = 40
    assert describe(Image.fromarray(samples)).is_usable


def test_picture_with_codec_noise_alone_is_blank() -> None:
    noise = np.random.default_rng(1).integers(250, 254, (60, 60, 3), dtype=np.uint8)
    assert describe(Image.fromarray(noise)).quality.notes == ("blank",)


# From stored evidence -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evidence() -> list[PairEvidence]:
    """Of one photo and four changed copies of it, as it is stored."""
    photo = encode_jpeg(draw_photo(1, 280, 240), 92)
    names = ["recompressed_75", "mirrored", "cropped_25", "inset_45"]
    contents = [photo, *(MODIFICATIONS[name].apply(photo) for name in names)]
    pictures = [describe(decode(content), f"{n}") for n, content in enumerate(contents)]
    return compare_pictures(pictures, DetectionSettings())


RECOMPRESSED, MIRRORED, CROPPED, INSET = (0, 1), (0, 2), (0, 3), (0, 4)


def pairs_by(evidence: list[PairEvidence], **changes: Any) -> set[tuple[int, int]]:
    chosen = DetectionSettings(**changes)
    return {(m.first, m.second) for m in judge_pairs(evidence, chosen) if m.first == 0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {RECOMPRESSED, MIRRORED, CROPPED, INSET}),
        ({"engines": ["identical"]}, set()),
        ({"engines": ["difpy"]}, {RECOMPRESSED}),
        ({"engines": ["difpy"], "difpy": {"similarity_mse": 0}}, set()),
        ({"engines": ["perceptual"]}, {RECOMPRESSED, MIRRORED}),
        (
            {"engines": ["perceptual", "aligned"], "aligned": {"least_cells": 64}},
            set(),
        ),
    ],
    ids=["default", "bytes", "difPy", "difPy at 0", "thumbnails", "no cells are enough"],
)
def test_changed_thresholds_judge_stored_evidence_anew(
    evidence: list[PairEvidence], changes: dict[str, Any], expected: set[tuple[int, int]]
) -> None:
    assert pairs_by(evidence, **changes) == expected


def test_close_up_share_decides_from_stored_evidence(evidence: list[PairEvidence]) -> None:
    def is_duplicate(share: float) -> bool:
        matches = judge_pairs(evidence, DetectionSettings(close_up_share=share))
        (match,) = (m for m in matches if (m.first, m.second) == CROPPED)
        return match.is_duplicate

    assert is_duplicate(0.4)
    assert not is_duplicate(0.8)


def test_close_up_is_only_a_crop(evidence: list[PairEvidence]) -> None:
    """An inset shows a small share of the other picture too, but is no view of its own."""
    (match,) = (
        m for m in judge_pairs(evidence, DetectionSettings()) if m.second == 4 and not m.first
    )
    assert match.transform is not None
    assert match.transform.shown_share < 0.25
    shown = DetectionSettings(close_up_share=1.0)
    (match,) = (m for m in judge_pairs(evidence, shown) if (m.first, m.second) == INSET)
    assert Kind.CROPPED not in match.kinds
    assert match.is_duplicate


def test_evidence_reversed_twice_is_the_evidence(evidence: list[PairEvidence]) -> None:
    for pair in evidence:
        assert pair.alignment is not None
        twice = pair.alignment.reversed().reversed()
        for field in fields(Alignment):
            assert getattr(twice, field.name) == pytest.approx(
                getattr(pair.alignment, field.name), rel=1e-6, abs=1e-9
            ), field.name


def test_evidence_reversed_is_seen_from_the_other_picture() -> None:
    sides = {
        name: (0.1 * number, 0.1 * number + 0.05)
        for number, name in enumerate(
            field.name.removesuffix("_first")
            for field in fields(Alignment)
            if field.name.endswith("_first")
        )
    }
    named = {
        f"{name}_{side}": value
        for name, two in sides.items()
        for side, value in zip(("first", "second"), two, strict=True)
    }
    swapped = {
        f"{name}_{side}": value
        for name, two in sides.items()
        for side, value in zip(("second", "first"), two, strict=True)
    }
    half = (0.5, 0.0, 0.25, 0.0, 0.5, 0.1, 0.0, 0.0, 1.0)
    back = align(homography=half, tone_slope=-0.5, cells=12, **named).reversed()
    assert back.homography == pytest.approx((2.0, 0.0, -0.5, 0.0, 2.0, -0.2, 0.0, 0.0, 1.0))
    assert back.tone_slope == -2.0
    assert back.cells == 12
    assert {name: getattr(back, name) for name in swapped} == swapped
    assert len(sides) >= 6


# Versions -----------------------------------------------------------------------------------------


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
    assert base == threshold_version(DetectionSettings(engines=BOTH, processes=8, task_slots=2))
    others = [
        make_settings(Engine.DIFPY),
        make_settings(similarity_mse=4),
        make_settings(same_dimensions=True),
        DetectionSettings(engines=BOTH, close_up_share=0.3),
        DetectionSettings(engines=BOTH, aligned=AlignedSettings(least_cells=4)),
    ]
    assert len({base, *map(threshold_version, others)}) == 6
