"""Evidence for the pictures of one variant, few or very many."""

from __future__ import annotations

import time

import numpy as np
import pytest

from image_duplication.detection import difpy_engine, judge_pairs, matching
from image_duplication.detection.evidence import Picture
from image_duplication.detection.matching import compare_pictures
from image_duplication.settings import DetectionSettings


def draw_pictures(count: int, copies: dict[int, int]) -> list[Picture]:
    """Pictures of noise; each key of `copies` shows its value's picture, slightly changed."""
    random = np.random.default_rng(7)
    tensors = list(random.integers(0, 256, (count, 50, 50, 3), dtype=np.uint8))
    for copy, original in copies.items():
        tensors[copy] = np.rot90(tensors[original]) ^ 1
    return [Picture(f"{place:064d}", 420, 420, t, ()) for place, t in enumerate(tensors)]


def test_evidence_of_few_pictures_is_of_every_pair() -> None:
    evidence = compare_pictures(draw_pictures(6, {}))
    assert [(pair.first, pair.second) for pair in evidence] == [
        (first, second) for first in range(6) for second in range(first + 1, 6)
    ]


def test_many_pictures_give_the_same_matches_as_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = draw_pictures(40, {5: 1, 39: 1, 30: 29, 12: 38})
    expected = judge_pairs(compare_pictures(pictures), DetectionSettings())
    monkeypatch.setattr(matching, "_ALL_PAIRS_PICTURES", 8)
    monkeypatch.setattr(difpy_engine, "_ERROR_BLOCK_IMAGES", 10)
    found = judge_pairs(compare_pictures(pictures), DetectionSettings())
    assert found == expected
    assert {(match.first, match.second) for match in found} == {
        (1, 5),
        (1, 39),
        (5, 39),
        (12, 38),
        (29, 30),
    }


def test_a_thousand_copies_of_one_file_are_a_thousand_pairs() -> None:
    (picture,) = draw_pictures(1, {})
    evidence = compare_pictures([picture] * 1_000)
    assert [(pair.first, pair.second) for pair in evidence] == [(0, n) for n in range(1, 1_000)]
    assert len(judge_pairs(evidence, DetectionSettings(engines=("difpy",)))) == 999


def test_a_thousand_pictures_of_one_variant_take_seconds_not_minutes() -> None:
    pictures = draw_pictures(1_000, {999: 0, 500: 499})
    started = time.process_time()
    matches = judge_pairs(compare_pictures(pictures), DetectionSettings())
    assert time.process_time() - started < 60
    assert {(match.first, match.second) for match in matches} == {(0, 999), (499, 500)}
