"""Base-anchored groups and the keeper rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_duplication.detection.evidence import PairEvidence
from image_duplication.detection.grouping import Candidate, Group, choose_keeper, group_images
from image_duplication.detection.judgement import Match
from image_duplication.records import Engine, Kind


def make_match(first: int, second: int, *, is_duplicate: bool = True) -> Match:
    return Match(
        first=first,
        second=second,
        is_duplicate=is_duplicate,
        kinds=frozenset({Kind.SAME_PICTURE}),
        distance=1.0,
        engine=Engine.DIFPY,
        evidence=PairEvidence(first, second, False, True, 1.0, 1.0, 0),
    )


def make_candidates(count: int) -> list[Candidate]:
    return [Candidate(place, pixels=100, size_bytes=100, is_usable=True) for place in range(count)]


def members(groups: list[Group]) -> list[list[int]]:
    return [[group.base, *(match.second for match in group.matches)] for group in groups]


def pairs(matches: list[Match]) -> list[tuple[int, int]]:
    return [(match.first, match.second) for match in matches]


@pytest.mark.parametrize(
    ("count", "matched", "groups", "related"),
    [
        (0, [], [], []),
        (1, [], [[0]], []),
        (3, [], [[0], [1], [2]], []),
        (3, [(0, 1), (0, 2)], [[0, 1, 2]], []),
        (3, [(0, 1), (0, 2), (1, 2)], [[0, 1, 2]], []),
        (3, [(0, 1), (1, 2)], [[0, 1], [2]], [(1, 2)]),
        (3, [(0, 2), (1, 2)], [[0, 2], [1]], [(1, 2)]),
        (4, [(0, 1), (1, 2), (2, 3)], [[0, 1], [2, 3]], [(1, 2)]),
    ],
    ids=[
        "no image",
        "one image",
        "no match",
        "all match the base",
        "members match too",
        "never a chain",
        "two bases: the first is joined",
        "a chain of four",
    ],
)
def test_groups_are_anchored_at_their_base(
    count: int,
    matched: list[tuple[int, int]],
    groups: list[list[int]],
    related: list[tuple[int, int]],
) -> None:
    found, between = group_images(make_candidates(count), [make_match(*pair) for pair in matched])
    assert members(found) == groups
    assert pairs(between) == related


def test_group_leaves_a_pair_that_is_only_related_apart() -> None:
    groups, related = group_images(make_candidates(2), [make_match(0, 1, is_duplicate=False)])
    assert members(groups) == [[0], [1]]
    assert pairs(related) == [(0, 1)]


def test_group_does_not_repeat_a_relation_within_itself() -> None:
    matches = [make_match(0, 1), make_match(0, 2), make_match(1, 2, is_duplicate=False)]
    groups, related = group_images(make_candidates(3), matches)
    assert members(groups) == [[0, 1, 2]]
    assert related == []


FIRST = Candidate(0, pixels=100, size_bytes=10, is_usable=True)


@pytest.mark.parametrize(
    ("others", "keeper", "reason"),
    [
        ([], 0, "the only picture of its kind"),
        ([{"pixels": 200}], 1, "kept for its greater resolution"),
        ([{"pixels": 99, "size_bytes": 999}], 0, "kept for its greater resolution"),
        (
            [{"size_bytes": 20}],
            1,
            "kept for its lighter compression at the greatest resolution",
        ),
        (
            [{"size_bytes": 20}, {"pixels": 50, "size_bytes": 99}],
            1,
            "kept for its lighter compression at the greatest resolution",
        ),
        ([{}], 0, "kept for its earlier position among equals"),
        (
            [{"size_bytes": 20}, {"size_bytes": 20}],
            1,
            "kept for its earlier position among equals",
        ),
        ([{"pixels": 900, "is_usable": False}], 0, "kept as the only usable picture"),
        (
            [{"is_usable": False, "pixels": 900}, {"pixels": 200}],
            2,
            "kept for its greater resolution",
        ),
    ],
    ids=[
        "alone",
        "more pixels",
        "more pixels beat more bytes",
        "more bytes",
        "more bytes among the largest",
        "equal",
        "equal among the best",
        "the only usable",
        "larger among the usable",
    ],
)
def test_keeper_is_the_best_picture_and_says_why(
    others: list[dict[str, int]], keeper: int, reason: str
) -> None:
    candidates = [
        FIRST,
        *(replace(FIRST, place=place, **other) for place, other in enumerate(others, 1)),
    ]
    assert choose_keeper(candidates) == (keeper, reason)
    assert choose_keeper(candidates[::-1]) == (keeper, reason)


def test_keeper_of_pictures_none_of_which_is_usable_is_the_best_of_them() -> None:
    blank = replace(FIRST, is_usable=False)
    candidates = [blank, replace(blank, place=1, pixels=900)]
    assert choose_keeper(candidates) == (1, "kept for its greater resolution")


@st.composite
def variants(draw: st.DrawFn) -> tuple[list[Candidate], list[Match]]:
    count = draw(st.integers(0, 7))
    candidates = [
        Candidate(
            place,
            pixels=draw(st.integers(1, 3)),
            size_bytes=draw(st.integers(1, 3)),
            is_usable=draw(st.booleans()),
        )
        for place in range(count)
    ]
    matches = [
        make_match(first, second, is_duplicate=draw(st.booleans()))
        for first in range(count)
        for second in range(first + 1, count)
        if draw(st.booleans())
    ]
    return candidates, matches


@settings(deadline=None, database=None)
@given(variants())
def test_each_image_is_in_exactly_one_group(
    variant: tuple[list[Candidate], list[Match]],
) -> None:
    candidates, matches = variant
    groups, _ = group_images(candidates, matches)
    assert sorted(sum(members(groups), [])) == list(range(len(candidates)))
    assert [group.base for group in groups] == sorted(group.base for group in groups)


@settings(deadline=None, database=None)
@given(variants())
def test_each_member_matches_its_base_and_no_earlier_one(
    variant: tuple[list[Candidate], list[Match]],
) -> None:
    candidates, matches = variant
    duplicates = {(m.first, m.second) for m in matches if m.is_duplicate}
    groups, _ = group_images(candidates, matches)
    bases = [group.base for group in groups]
    for base, *joined in members(groups):
        for place in joined:
            assert [b for b in bases if (b, place) in duplicates][0] == base
        assert not [b for b in bases if (b, base) in duplicates]


@settings(deadline=None, database=None)
@given(variants())
def test_keeper_is_a_member_of_its_group(variant: tuple[list[Candidate], list[Match]]) -> None:
    candidates, matches = variant
    groups, _ = group_images(candidates, matches)
    for group, places in zip(groups, members(groups), strict=True):
        assert group.keeper in places
        assert group.keeper_reason
        assert candidates[group.keeper].is_usable or not any(
            candidates[place].is_usable for place in places
        )


@settings(deadline=None, database=None)
@given(variants())
def test_each_match_is_reported_once_or_lies_within_a_group(
    variant: tuple[list[Candidate], list[Match]],
) -> None:
    candidates, matches = variant
    groups, related = group_images(candidates, matches)
    group_of = {place: number for number, ps in enumerate(members(groups)) for place in ps}
    across = [m for m in matches if group_of[m.first] != group_of[m.second]]
    assert sorted(pairs(related)) == sorted(pairs(across))


@settings(deadline=None, database=None)
@given(variants(), st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_matches(
    variant: tuple[list[Candidate], list[Match]], random: object
) -> None:
    candidates, matches = variant
    shuffled = list(matches)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert group_images(candidates, shuffled) == group_images(candidates, matches)
