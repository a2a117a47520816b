"""Evidence for the pictures of one variant, few or very many."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from image_duplication.detection import MOST_LOOKS, difpy_engine, judge_pairs, matching
from image_duplication.detection.evidence import PairEvidence, Picture
from image_duplication.detection.matching import compare_pictures, describe_picture
from image_duplication.records import Engine
from image_duplication.settings import DetectionSettings, DifpySettings
from tests.drawn_photos import draw_photo
from tests.judged_rows import draw_picture
from tests.matches import make_quality

ALL = DetectionSettings()
DIFPY = DetectionSettings(engines=(Engine.IDENTICAL, Engine.DIFPY))


def draw_pictures(count: int, copies: dict[int, int]) -> list[Picture]:
    """Pictures of noise; each key of `copies` shows its value's picture, slightly changed."""
    random = np.random.default_rng(7)
    tensors = list(random.integers(0, 256, (count, 50, 50, 3), dtype=np.uint8))
    for copy, original in copies.items():
        tensors[copy] = np.rot90(tensors[original]) ^ 1
    return [
        Picture(f"{place:064d}", 420, 420, tensor, make_quality(), None)
        for place, tensor in enumerate(tensors)
    ]


def describe(
    picture: Image.Image, name: str, settings: DetectionSettings = ALL, *, with_look: bool = True
) -> Picture:
    return describe_picture(picture, name, settings, min_side_px=33, with_look=with_look)


# One picture --------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", list(Engine))
def test_look_is_computed_for_the_engines_that_need_one(engine: Engine) -> None:
    described = describe(draw_photo(1), "a", DetectionSettings(engines=(engine,)))
    assert (described.look is not None) is (engine in {Engine.PERCEPTUAL, Engine.ALIGNED})


def test_look_may_be_left_out() -> None:
    assert describe(draw_photo(1), "a", with_look=False).look is None


def test_picture_is_described_at_the_size_of_the_settings() -> None:
    chosen = DetectionSettings(difpy=DifpySettings(pixel_size=24))
    described = describe(draw_photo(1, 300, 200), "abc", chosen)
    assert described.tensor.shape == (24, 24, 3)
    assert (described.width_px, described.height_px) == (300, 200)
    assert described.content_sha256 == "abc"


# Few pictures -------------------------------------------------------------------------------------


def test_evidence_of_few_pictures_is_of_every_pair() -> None:
    evidence = compare_pictures(draw_pictures(6, {}), ALL)
    assert [(pair.first, pair.second) for pair in evidence] == list(
        itertools.combinations(range(6), 2)
    )


def test_comparison_tells_equal_bytes_from_equal_pixels() -> None:
    pictures = [describe(draw_picture(seed), f"{seed}") for seed in (1, 2, 1, 3)]
    pictures.append(describe(draw_picture(1), "other bytes"))
    evidence = {(e.first, e.second): e for e in compare_pictures(pictures, ALL)}
    assert [pair for pair, e in evidence.items() if e.is_same_content] == [(0, 2)]
    for pair in ((0, 2), (0, 4), (2, 4)):
        assert evidence.pop(pair).mse == 0
    assert all(e.mse > 200 for e in evidence.values())


def test_equal_bytes_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*looks: object, **options: object) -> None:
        raise AssertionError("equal files were examined")

    picture = describe(draw_photo(1), "a")
    monkeypatch.setattr(matching, "examine", refuse)
    (pair,) = compare_pictures([picture, picture], ALL)
    assert pair.is_same_content
    assert pair.alignment is None


@pytest.mark.parametrize("count", [0, 1])
def test_comparison_of_less_than_two_pictures_is_empty(count: int) -> None:
    assert compare_pictures([describe(draw_picture(1), "a")] * count, ALL) == []


@pytest.mark.parametrize(
    ("size", "is_same"),
    [((60, 40), True), ((40, 60), True), ((60, 41), False), ((120, 80), False)],
    ids=["equal", "turned", "one pixel more", "doubled"],
)
def test_dimensions_are_the_same_in_either_order(size: tuple[int, int], is_same: bool) -> None:
    pictures = [describe(draw_picture(1, 60, 40), "a"), describe(draw_picture(1, *size), "b")]
    (pair,) = compare_pictures(pictures, ALL)
    assert pair.is_same_dimensions is is_same
    assert (pair.width_first_px, pair.height_first_px) == (60, 40)
    assert (pair.width_second_px, pair.height_second_px) == size


def compare_two(first: Picture, second: Picture) -> PairEvidence:
    (pair,) = compare_pictures([first, second], ALL)
    return pair


@pytest.mark.parametrize("seed", range(3))
def test_evidence_is_the_same_to_the_last_bit_in_any_order(seed: int) -> None:
    """difPy's own figure as well, which depends on the order of the two that it is given."""
    photo = draw_photo(1, 300, 260)
    changed = [ImageOps.mirror(photo).crop((20, 0, 300, 230)), photo.rotate(90, expand=True)]
    others = [draw_photo(3, 90, 90), draw_photo(4, 90, 90), photo]
    pictures = [
        describe(picture, name)
        for picture, name in zip([photo, *changed, *others], "acebda", strict=True)
    ]
    there = compare_pictures(pictures, ALL)
    order = np.random.default_rng(seed).permutation(len(pictures)).tolist()
    back = compare_pictures([pictures[place] for place in order], ALL)
    assert name_pairs(there, pictures) == name_pairs(
        [replace(pair, first=order[pair.first], second=order[pair.second]) for pair in back],
        pictures,
    )
    assert all(
        pictures[pair.first].content_sha256 <= pictures[pair.second].content_sha256
        for pair in there
    )


def name_pairs(
    evidence: list[PairEvidence], pictures: list[Picture]
) -> set[tuple[str, str, PairEvidence]]:
    return {
        (
            pictures[pair.first].content_sha256,
            pictures[pair.second].content_sha256,
            replace(pair, first=0, second=0),
        )
        for pair in evidence
    }


def test_evidence_says_whether_both_show_anything() -> None:
    photo, blank = describe(draw_photo(1), "a"), describe(Image.new("RGB", (90, 90)), "b")
    assert compare_two(photo, photo).is_telling
    assert not compare_two(photo, blank).is_telling
    assert not compare_two(blank, photo).is_telling
    assert not compare_two(replace(photo, look=None), replace(blank, look=None)).is_telling
    assert compare_two(replace(photo, look=None), replace(photo, look=None)).is_telling


def test_turn_that_difpy_does_not_try_is_searched_in_the_other_order() -> None:
    upright = draw_picture(1, 50, 50)
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    pair = compare_two(describe(upright, "a"), describe(turned, "b"))
    assert (pair.mse, pair.difpy_mse, pair.rotation_deg) == (0, 0, 270)


# Many pictures ------------------------------------------------------------------------------------


def test_many_pictures_give_the_same_matches_as_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = draw_pictures(40, {5: 1, 39: 1, 30: 29, 12: 38})
    expected = judge_pairs(compare_pictures(pictures, DIFPY), DIFPY)
    monkeypatch.setattr(matching, "MOST_LOOKS", 8)
    monkeypatch.setattr(difpy_engine, "_ERROR_BLOCK_IMAGES", 10)
    evidence = compare_pictures(pictures, DIFPY)
    found = judge_pairs(evidence, DIFPY)
    assert len(evidence) == 5
    assert found == expected
    assert {(match.first, match.second) for match in found} == {
        (1, 5),
        (1, 39),
        (5, 39),
        (12, 38),
        (29, 30),
    }


@pytest.mark.parametrize(("more", "is_every_pair"), [(0, True), (1, False)])
def test_every_pair_has_evidence_up_to_the_bound(more: int, is_every_pair: bool) -> None:
    pictures = draw_pictures(MOST_LOOKS + more, {1: 0})
    pairs = [(e.first, e.second) for e in compare_pictures(pictures, ALL)]
    every = list(itertools.combinations(range(len(pictures)), 2))
    assert pairs == (every if is_every_pair else [(0, 1)])


def test_a_thousand_copies_of_one_file_are_a_thousand_pairs() -> None:
    (picture,) = draw_pictures(1, {})
    evidence = compare_pictures([picture] * 1_000, ALL)
    assert [(pair.first, pair.second) for pair in evidence] == [(0, n) for n in range(1, 1_000)]
    assert len(judge_pairs(evidence, DetectionSettings(engines=(Engine.DIFPY,)))) == 999


def test_a_thousand_pictures_of_one_variant_take_seconds_not_minutes() -> None:
    pictures = draw_pictures(1_000, {999: 0, 500: 499})
    started = time.process_time()
    matches = judge_pairs(compare_pictures(pictures, ALL), ALL)
    assert time.process_time() - started < 60
    assert {(match.first, match.second) for match in matches} == {(0, 999), (499, 500)}
