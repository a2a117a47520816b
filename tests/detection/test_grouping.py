"""Base-anchored groups and the keeper rule."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_duplication.detection.grouping import (
    Candidate,
    Group,
    choose_keeper,
    find_added_to,
    group_images,
)
from image_duplication.detection.judgement import Match
from image_duplication.records import Kind, QualityNote
from tests.matches import make_alignment, make_match, make_quality, make_transform


def match_pair(first: int, second: int, *, is_duplicate: bool = True) -> Match:
    return make_match(first=first, second=second, is_duplicate=is_duplicate)


def make_candidates(count: int) -> list[Candidate]:
    return [make_candidate(place) for place in range(count)]


def make_candidate(place: int, size_px: int = 400, **quality: Any) -> Candidate:
    """A sharp square picture unless `quality` says otherwise."""
    return Candidate(
        place, size_px, size_px, make_quality(**({"detail_px": 0.8 * size_px} | quality))
    )


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
    found, between = group_images(make_candidates(count), [match_pair(*pair) for pair in matched])
    assert members(found) == groups
    assert pairs(between) == related


def test_group_leaves_a_pair_that_is_only_related_apart() -> None:
    groups, related = group_images(make_candidates(2), [match_pair(0, 1, is_duplicate=False)])
    assert members(groups) == [[0], [1]]
    assert pairs(related) == [(0, 1)]


def test_group_does_not_repeat_a_relation_within_itself() -> None:
    matches = [match_pair(0, 1), match_pair(0, 2), match_pair(1, 2, is_duplicate=False)]
    groups, related = group_images(make_candidates(3), matches)
    assert members(groups) == [[0, 1, 2]]
    assert related == []


# The keeper ---------------------------------------------------------------------------------------

RESOLUTION = "kept for its greater resolution"
LESS_ADDED = "kept for its fewer additions"
MORE_SHOWN = "kept for its fuller view"
NOT_ENLARGED = "kept for its smaller size with the same detail"
COMPRESSION = "kept for its lighter compression"
POSITION = "kept for its earlier position among equals"
UNUSABLE = {"notes": (QualityNote.TOO_SMALL,)}


def keep(*candidates: Candidate, matches: Sequence[Match] = ()) -> tuple[int, str]:
    """The keeper of a group whose base is the first; a match that is not given is a plain one."""
    base, *others = candidates
    given = {match.second: match for match in matches}
    return choose_keeper(
        base, [(other, given.get(other.place, match_pair(0, other.place))) for other in others]
    )


@pytest.mark.parametrize(
    ("base", "others", "keeper", "reason"),
    [
        ({}, [], 0, "the only picture of its kind"),
        ({}, [{"size_px": 500}], 1, RESOLUTION),
        ({}, [{"size_px": 300, "compression": 2.0}], 0, RESOLUTION),
        ({}, [{"size_px": 440}], 0, POSITION),
        ({}, [{"size_px": 800, "detail_px": 320.0}], 0, NOT_ENLARGED),
        ({}, [{"size_px": 800, "detail_px": 320.0, "compression": 2.0}], 0, NOT_ENLARGED),
        ({"size_px": 800, "detail_px": 320.0, "compression": 2.0}, [{}], 1, NOT_ENLARGED),
        ({}, [{"size_px": 800, "detail_px": 200.0}], 0, RESOLUTION),
        ({"detail_px": 100.0}, [{}], 1, RESOLUTION),
        ({}, [{"detail_px": 400.0}], 0, POSITION),
        ({"detail_px": 400.0}, [{}], 0, POSITION),
        ({}, [{"size_px": 480, "detail_px": 400.0}], 1, RESOLUTION),
        ({}, [{"size_px": 420, "detail_px": 500.0}], 1, RESOLUTION),
        ({"detail_px": 210.0}, [{}], 1, RESOLUTION),
        ({}, [{"compression": 10.0}], 1, COMPRESSION),
        ({}, [{"compression": 19.0}], 0, POSITION),
        ({}, [{"compression": 12.0, "is_compression_estimated": True}], 0, POSITION),
        ({"compression": 60.0}, [{"compression": 2.0, "is_compression_estimated": True}], 1,
         COMPRESSION),
        ({}, [{"compression": 10.0}, {"size_px": 200, "compression": 1.0}], 1,
         f"{RESOLUTION} and lighter compression"),
        ({}, [{"size_px": 200}, {"size_px": 800, "detail_px": 320.0}, {}], 0,
         "kept for its greater resolution, smaller size with the same detail "
         "and earlier position among equals"),
        ({}, [{}], 0, POSITION),
        ({}, [{"compression": 10.0}, {"compression": 10.0}], 1,
         f"{COMPRESSION} and earlier position among equals"),
        ({}, [{"size_px": 900, **UNUSABLE}], 0, "kept as the only usable picture"),
        (UNUSABLE, [{"size_px": 200}], 1, "kept as the only usable picture"),
        ({}, [{"size_px": 900, **UNUSABLE}, {"size_px": 500}], 2, RESOLUTION),
        ({"notes": (QualityNote.BLURRED, QualityNote.HEAVY_BORDER)}, [{}], 0, POSITION),
        (UNUSABLE, [{"size_px": 900, **UNUSABLE}], 1, RESOLUTION),
        ({"detail_px": 0.0, "notes": (QualityNote.BLANK,)},
         [{"detail_px": 0.0, "notes": (QualityNote.BLANK,)}], 0, POSITION),
    ],
    ids=[
        "alone", "more detail", "more detail beats less compression", "a little more detail",
        "enlarged", "enlarged and saved well", "the base is enlarged", "enlarged and blurred",
        "the base is blurred", "sharpened at its size", "the base is sharpened",
        "more detail at another size", "far more detail at one size", "the base is pixelated",
        "less compressed", "a little less compressed", "perhaps less",
        "clearly less, though estimated", "less compressed among the sharp",
        "for several reasons", "equal",
        "equal among the best", "the only usable", "the base is unusable",
        "larger among the usable", "notes that leave it usable", "none is usable", "all are blank",
    ],
)  # fmt: skip
def test_keeper_is_the_best_picture_and_says_why(
    base: dict[str, Any], others: list[dict[str, Any]], keeper: int, reason: str
) -> None:
    candidates = [make_candidate(place, **figures) for place, figures in enumerate([base, *others])]
    assert keep(*candidates) == (keeper, reason)
    assert keep(candidates[0], *candidates[:0:-1]) == (keeper, reason)


ADDED_TO_SECOND = {"fine_agreement_first": 0.97, "fine_agreement_second": 0.8}
ADDED_TO_FIRST = {"fine_agreement_first": 0.8, "fine_agreement_second": 0.97}
AROUND_SECOND = {"overlap_first": 1.0, "overlap_second": 0.8}
AROUND_FIRST = {"overlap_first": 0.8, "overlap_second": 1.0}
AROUND_BOTH = {"overlap_first": 0.8, "overlap_second": 0.6}
OVERLAID, BORDERED, COMPOSED, CROPPED = (
    {kind} for kind in (Kind.OVERLAID, Kind.BORDERED, Kind.COMPOSED, Kind.CROPPED)
)


@pytest.mark.parametrize(
    ("kinds", "alignment", "added_to"),
    [
        (OVERLAID, ADDED_TO_SECOND, 5),
        (OVERLAID, ADDED_TO_FIRST, 2),
        (OVERLAID, {"fine_agreement_first": 0.8, "fine_agreement_second": 0.81}, None),
        (OVERLAID, None, None),
        (BORDERED, AROUND_SECOND, 5),
        (BORDERED, AROUND_FIRST, 2),
        (BORDERED, {}, None),
        (BORDERED, ADDED_TO_SECOND, 5),
        (COMPOSED, AROUND_FIRST, 2),
        (BORDERED | CROPPED, AROUND_SECOND, 5),
        (BORDERED | CROPPED, AROUND_BOTH, None),
        (BORDERED | OVERLAID, AROUND_SECOND | ADDED_TO_SECOND, 5),
        (BORDERED | OVERLAID, AROUND_SECOND | ADDED_TO_FIRST, None),
        (CROPPED, AROUND_SECOND | ADDED_TO_SECOND, None),
        ({Kind.SAME_PICTURE}, ADDED_TO_SECOND, None),
    ],
)
def test_side_of_an_addition_is_named_only_when_it_is_clear(
    kinds: set[Kind], alignment: dict[str, float] | None, added_to: int | None
) -> None:
    made = None if alignment is None else make_alignment(**alignment)
    assert find_added_to(make_match(*kinds, first=2, second=5, alignment=made)) == added_to


def match_with_base(second: int, *kinds: Kind, **alignment: float) -> Match:
    return make_match(*kinds, first=0, second=second, alignment=make_alignment(**alignment))


def test_keeper_carries_no_overlay_that_another_lacks() -> None:
    plain, marked = make_candidate(0), make_candidate(1, compression=1.0)
    matches = [match_with_base(1, *OVERLAID, **ADDED_TO_SECOND)]
    assert keep(plain, marked, matches=matches) == (0, LESS_ADDED)
    base, clean = make_candidate(0, compression=1.0), make_candidate(1)
    matches = [match_with_base(1, *OVERLAID, **ADDED_TO_FIRST)]
    assert keep(base, clean, matches=matches) == (1, LESS_ADDED)


def test_keeper_has_no_border_however_many_pixels_it_adds() -> None:
    plain, framed = make_candidate(0), make_candidate(1, size_px=500)
    matches = [match_with_base(1, *BORDERED, overlap_second=0.64)]
    assert keep(plain, framed, matches=matches) == (0, LESS_ADDED)
    framed, plain = make_candidate(0, size_px=500), make_candidate(1)
    matches = [match_with_base(1, *BORDERED, overlap_first=0.64)]
    assert keep(framed, plain, matches=matches) == (1, LESS_ADDED)


def test_keeper_may_be_a_copy_of_a_base_that_has_a_border() -> None:
    """The border of the base is on its copies too, and counts as their photo no more than there."""
    framed = make_candidate(0, size_px=500)
    copy = make_candidate(1, size_px=500)
    cropped_free = make_candidate(2, size_px=400)
    matches = [match_with_base(2, *BORDERED, overlap_first=0.64)]
    assert keep(framed, copy, cropped_free, matches=matches) == (2, LESS_ADDED)


def test_keeper_among_equal_files_is_the_earlier_whatever_else_is_in_the_group() -> None:
    """A small piece that was taken out of a frame says as much of one as of the other."""
    base, copy, piece = make_candidate(0), make_candidate(1), make_candidate(2, size_px=100)
    matches = [
        make_match(Kind.IDENTICAL, first=0, second=1),
        match_with_base(2, *COMPOSED, overlap_first=0.2),
    ]
    assert keep(base, copy, piece, matches=matches)[0] == 0


def test_keeper_is_not_chosen_for_the_empty_corners_of_a_tilted_copy() -> None:
    tilted = make_match(
        *CROPPED,
        Kind.TRANSFORMED,
        transform=make_transform(is_perspective=True),
        alignment=make_alignment(overlap_first=1.0, overlap_second=0.88),
    )
    assert keep(make_candidate(0), make_candidate(1), matches=[tilted]) == (0, POSITION)


def test_keeper_is_not_the_collage_with_a_smaller_copy() -> None:
    photo, collage = make_candidate(0, size_px=400), make_candidate(1, size_px=600)
    matches = [match_with_base(1, *COMPOSED, overlap_second=0.2)]
    assert keep(photo, collage, matches=matches) == (0, RESOLUTION)


@pytest.mark.parametrize("crop_share", [0.9, 0.8, 0.5])
def test_keeper_is_the_whole_picture_not_its_crop(crop_share: float) -> None:
    crop = Candidate(1, 400, round(400 * crop_share), make_quality(detail_px=320.0))
    matches = [match_with_base(1, *CROPPED, overlap_first=crop_share)]
    keeper, reason = keep(make_candidate(0), crop, matches=matches)
    assert (keeper, reason) in {(0, MORE_SHOWN), (0, RESOLUTION)}
    crop, whole = replace(crop, place=0), make_candidate(1)
    matches = [match_with_base(1, *CROPPED, overlap_second=crop_share)]
    assert keep(crop, whole, matches=matches)[0] == 1


def test_keeper_is_the_whole_picture_when_the_crop_was_enlarged() -> None:
    """Cropped to half and brought back to the size: fewer pixels of detail for what it shows."""
    zoomed = make_candidate(1, detail_px=0.8 * 400 * 0.5**0.5, compression=1.0)
    matches = [match_with_base(1, *CROPPED, overlap_first=0.5)]
    assert keep(make_candidate(0), zoomed, matches=matches)[0] == 0


def test_keeper_does_not_depend_on_the_order_of_the_members() -> None:
    candidates = [
        make_candidate(0),
        make_candidate(1, size_px=440),
        make_candidate(2, size_px=460, compression=10.0),
        make_candidate(3, size_px=520, compression=30.0),
        make_candidate(4, size_px=560, compression=29.0),
    ]
    kept = {keep(candidates[0], *order) for order in itertools.permutations(candidates[1:])}
    assert kept == {(3, f"{RESOLUTION} and earlier position among equals")}


def draw_match(draw: st.DrawFn, first: int, second: int) -> Match:
    shares = st.floats(0.1, 1.0)
    names = ("overlap_first", "overlap_second", "fine_agreement_first", "fine_agreement_second")
    figures = {name: draw(shares) for name in names}
    return make_match(
        *draw(st.sets(st.sampled_from(Kind), min_size=1)),
        first=first,
        second=second,
        is_duplicate=draw(st.booleans()),
        alignment=make_alignment(**figures) if draw(st.booleans()) else None,
    )


@st.composite
def variants(draw: st.DrawFn) -> tuple[list[Candidate], list[Match]]:
    count = draw(st.integers(0, 7))
    candidates = [
        make_candidate(
            place,
            draw(st.integers(1, 3)) * 200,
            detail_px=draw(st.integers(0, 3)) * 100.0,
            compression=draw(st.floats(0, 99)),
            is_compression_estimated=draw(st.booleans()),
            notes=(QualityNote.BLANK,) if draw(st.booleans()) else (),
        )
        for place in range(count)
    ]
    matches = [
        draw_match(draw, first, second)
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
        assert candidates[group.keeper].quality.is_usable or not any(
            candidates[place].quality.is_usable for place in places
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
