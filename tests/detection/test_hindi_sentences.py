"""Findings in Hindi: every kind has its words, every figure of the English sentence is said."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest

from image_duplication.detection.hindi_sentences import (
    HINDI_KINDS,
    HINDI_PHRASES,
    describe_in_hindi,
)
from image_duplication.detection.sentences import describe_match
from image_duplication.records import Kind
from tests.matches import make_alignment, make_match, make_transform

PAIRS = [frozenset(pair) for size in (1, 2) for pair in combinations(Kind, size)]


def in_hindi(*kinds: Kind, alignment: dict[str, Any] | None = None, **transform: Any) -> str:
    match = make_match(
        *kinds,
        transform=make_transform(**transform),
        alignment=make_alignment(**alignment) if alignment is not None else None,
    )
    return describe_in_hindi(match.kinds, describe_match(match))


def test_every_kind_has_words_of_its_own() -> None:
    assert set(HINDI_KINDS) == set(HINDI_PHRASES) == set(Kind)
    assert len({describe_in_hindi([kind], None) for kind in Kind}) == len(Kind)


def test_words_are_hindi() -> None:
    words = [*HINDI_KINDS.values(), *(p.hindi for ps in HINDI_PHRASES.values() for p in ps)]

    assert [text for text in words if not re.search("[ऀ-ॿ]", text)] == []
    assert [text for text in words if re.search("[A-Za-z]", text)] == []


@pytest.mark.parametrize("kinds", PAIRS, ids=lambda kinds: "+".join(sorted(kinds)))
def test_every_figure_of_the_english_sentence_is_said(kinds: frozenset[Kind]) -> None:
    transform = make_transform(
        is_mirrored=True, rotation_deg=7.0, shown_share=0.91, scale=0.5, is_perspective=True
    )
    english = describe_match(make_match(*kinds, transform=transform))

    assert re.findall(r"\d+", describe_in_hindi(kinds, english)) == re.findall(r"\d+", english)


@pytest.mark.parametrize("phrase", [p for ps in HINDI_PHRASES.values() for p in ps], ids=str)
def test_phrase_translates_words_that_the_english_sentences_have(phrase: Any) -> None:
    said = {
        describe_match(
            make_match(
                kind,
                transform=make_transform(**transform),
                alignment=make_alignment(**alignment),
                is_duplicate=is_duplicate,
            )
        )
        for is_duplicate in (True, False)
        for kind in (Kind.SAME_PICTURE, Kind.TRANSFORMED, Kind.CROPPED, Kind.RECOLOURED)
        for transform in (
            {"scale": 0.5, "shown_share": 0.8},
            {"is_mirrored": True, "rotation_deg": 180.0},
            {"is_mirrored": True, "is_perspective": True},
            {"rotation_deg": 90.0},
            {"rotation_deg": 7.0},
        )
        for alignment in (
            {"tone_slope": -0.9},
            {"chroma_first": 1.0},
            {},
            {"chroma_difference": 30.0, "backdrop_difference": 80.0},
        )
    }

    assert any(re.search(phrase.says, sentence) for sentence in said)


@pytest.mark.parametrize(
    ("hindi", "says"),
    [
        (in_hindi(Kind.IDENTICAL), "बिल्कुल वही फ़ाइल"),
        (in_hindi(Kind.SAME_PICTURE), "वही फ़ोटो, दोबारा सहेजी हुई"),
        (
            in_hindi(Kind.SAME_PICTURE, scale=0.5),
            "वही फ़ोटो, दोबारा सहेजी हुई, लगभग 50% आकार में",
        ),
        (in_hindi(Kind.TRANSFORMED, rotation_deg=90.0), "वही फ़ोटो, 90° घुमाई हुई"),
        (
            in_hindi(Kind.TRANSFORMED, is_mirrored=True, rotation_deg=180.0),
            "वही फ़ोटो, ऊपर से नीचे पलटी हुई",
        ),
        (
            in_hindi(Kind.TRANSFORMED, Kind.CROPPED, is_mirrored=True, shown_share=0.91),
            "वही फ़ोटो, दर्पण की तरह पलटी हुई, लगभग 9% काटी हुई",
        ),
        (in_hindi(Kind.CROPPED, Kind.BORDERED), "वही फ़ोटो, काटी हुई, जोड़े हुए बॉर्डर के साथ"),
        (in_hindi(Kind.RECOLOURED, alignment={"tone_slope": -0.9}), "वही फ़ोटो, उलटे रंगों में"),
    ],
)
def test_sentence_says_what_was_done(hindi: str, says: str) -> None:
    assert hindi == says


def test_kind_that_is_not_claimed_is_not_described() -> None:
    assert describe_in_hindi([Kind.CROPPED], "same photo, mirrored and cropped by about 9%") == (
        "वही फ़ोटो, लगभग 9% काटी हुई"
    )


def test_close_up_is_not_called_the_same_photo() -> None:
    close_up = make_match(
        Kind.CROPPED, is_duplicate=False, transform=make_transform(shown_share=0.09)
    )

    assert describe_in_hindi(close_up.kinds, describe_match(close_up)) == (
        "नज़दीक से ली गई फ़ोटो, दूसरी फ़ोटो का लगभग 9% दिखाती है"
    )


def test_sentence_of_an_earlier_release_is_told_by_its_kinds() -> None:
    assert describe_in_hindi([Kind.TRANSFORMED], "same photo, in other words") == (
        f"वही फ़ोटो, {HINDI_KINDS[Kind.TRANSFORMED]}"
    )
