"""From matches to groups: base-anchored, never a chain; and which image of a group to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from image_duplication.detection.judgement import Match
from image_duplication.detection.quality import Quality
from image_duplication.records import Kind

_RESOLUTION_TOLERANCE = 1.2
"""Copies that differ by less count as equally sharp: saving anew moves the measure by a tenth, and
an enlarged and sharpened copy measures up to 1.15 of its original."""

_SAME_SIZE = 1.1  # in linear size
_SAME_SIZE_TOLERANCE = 1.5
"""The same for copies of one size, where sharpening and slight noise pass for detail: the doctored
copy measures up to 1.5 of the original, a pixelated or slightly blurred one below 0.65."""

_ENLARGED = 1.25  # in linear size, of a picture that shows no more than the smaller one
_COVERAGE_TOLERANCE = 1.02  # of area
_STEP_TOLERANCE = (1.15, 0.5)  # factor and quantisation steps between the files' own tables
_ESTIMATED_STEP_TOLERANCE = (2.0, 4.0)
_OVERLAP_DIFFERS = 0.02
_AGREEMENT_DIFFERS = 0.03
_WHOLE = 0.97  # share of a picture's area that counts as all of it

_SURROUNDED = frozenset({Kind.BORDERED, Kind.COMPOSED})
_ADDED = _SURROUNDED | {Kind.OVERLAID}


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the keeper rule knows of an image; `place` is its place in the variant's order."""

    place: int
    width_px: int
    height_px: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class Group:
    """One distinct picture: its base, the other members' matches with it, and its keeper."""

    base: int
    matches: tuple[Match, ...]
    keeper: int
    keeper_reason: str


def group_images(
    candidates: Sequence[Candidate], matches: Iterable[Match]
) -> tuple[list[Group], list[Match]]:
    """Groups in order of their bases, and the matches between images of different groups.

    Each image joins the first base that it matches; one that matches none becomes a base.
    """
    by_pair = {(match.first, match.second): match for match in matches}
    members: dict[int, list[Match]] = {}
    for candidate in candidates:
        for base, joined in members.items():
            match = by_pair.get((base, candidate.place))
            if match and match.is_duplicate:
                joined.append(match)
                break
        else:
            members[candidate.place] = []
    by_place = {candidate.place: candidate for candidate in candidates}
    base_of = {m.second: base for base, joined in members.items() for m in joined}
    base_of.update({base: base for base in members})
    groups = []
    for base, joined in members.items():
        keeper, reason = choose_keeper(
            by_place[base], [(by_place[match.second], match) for match in joined]
        )
        groups.append(Group(base, tuple(joined), keeper, reason))
    # Two members of one group that match each other add nothing: both are reported with the base.
    related = [by_pair[pair] for pair in sorted(by_pair) if base_of[pair[0]] != base_of[pair[1]]]
    return groups, related


# The keeper ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Standing:
    """How one image of a group stands beside the group's base, which stands at 0 and 1.

    `photo_px` is the linear size of the photo itself, without what was put around it;
    `resolution_px` that of the detail in it.
    """

    place: int
    is_usable: bool
    photo_px: float
    resolution_px: float
    additions: int
    coverage: float
    compression: float
    is_compression_estimated: bool


def choose_keeper(base: Candidate, members: Sequence[tuple[Candidate, Match]]) -> tuple[int, str]:
    """The image of a group to retain, and why in one sentence.

    Among the usable ones, if any is, those go on that have the greatest true resolution, then the
    fewest additions, then show the most of the photo, are not enlarged, and are compressed least;
    of these the earliest. Each step has a tolerance, and looks only at those that are left. Of two
    copies of one size the resolution does not say which was sharpened or made noisy: they count as
    equal, and the later steps decide.
    """
    if not members:
        return base.place, "the only picture of its kind"
    base_share = _find_photo_share(base, members)
    base_detail = _find_base_detail(base, members)
    standings = [_describe(base, base_share, base_detail, additions=0, coverage=1.0)]
    standings += [
        _describe_member(candidate, match, base_share, base_detail) for candidate, match in members
    ]
    left = [standing for standing in standings if standing.is_usable] or standings
    if len(left) == 1:
        return left[0].place, "kept as the only usable picture"
    reasons = []
    for narrow, reason in _STEPS:
        narrowed = narrow(left)
        if len(narrowed) < len(left):
            reasons.append(reason)
        left = narrowed
    *earlier, last = reasons
    return left[0].place, f"kept for its {', '.join(earlier)}{' and ' * bool(earlier)}{last}"


def _find_photo_share(base: Candidate, members: Sequence[tuple[Candidate, Match]]) -> float:
    """Share of the base's area that is the photo: some member lacks what surrounds it."""
    return min(_overlap(match, base.place) for _, match in members)


def _find_base_detail(base: Candidate, members: Sequence[tuple[Candidate, Match]]) -> float:
    """The base's share of detail, without that of an overlay which a member lacks."""
    without = [
        _detail_share(candidate)
        for candidate, match in members
        if Kind.OVERLAID in match.kinds and find_added_to(match) == base.place
    ]
    return min([_detail_share(base), *without])


def _detail_share(candidate: Candidate) -> float:
    return candidate.quality.detail_px / max(candidate.width_px, candidate.height_px)


def _overlap(match: Match, place: int) -> float:
    """Share of an image's area that the other shows, where this one has something around it."""
    alignment = match.evidence.alignment
    if alignment is None or not _SURROUNDED & match.kinds or find_added_to(match) != place:
        return 1.0
    return alignment.overlap_first if place == match.first else alignment.overlap_second


def _describe_member(
    candidate: Candidate, match: Match, base_share: float, base_detail: float
) -> _Standing:
    added_to = find_added_to(match)
    detail_share = _detail_share(candidate)
    if added_to == match.first:
        # What is around the base, if anything is, is not around this one.
        return _describe(candidate, 1.0, detail_share, -1, _measure_coverage(match))
    if added_to == match.second and Kind.OVERLAID in match.kinds:
        # The edges of a watermark are no detail of the photo.
        detail_share = min(detail_share, base_detail)
    photo_share = base_share * _overlap(match, candidate.place)
    additions = 0 if added_to is None else 1
    return _describe(candidate, photo_share, detail_share, additions, _measure_coverage(match))


def _describe(
    candidate: Candidate,
    photo_share: float,
    detail_share: float,
    additions: int,
    coverage: float,
) -> _Standing:
    quality = candidate.quality
    photo_px = (candidate.width_px * candidate.height_px * photo_share) ** 0.5
    return _Standing(
        place=candidate.place,
        is_usable=quality.is_usable,
        photo_px=photo_px,
        resolution_px=photo_px * detail_share,
        additions=additions,
        coverage=coverage,
        compression=quality.compression,
        is_compression_estimated=quality.is_compression_estimated,
    )


def find_added_to(match: Match) -> int | None:
    """The image to which a border, an overlay or other pictures were added; None if unclear."""
    alignment = match.evidence.alignment
    if alignment is None or not _ADDED & match.kinds:
        return None
    found = set()
    outside = alignment.overlap_first - alignment.overlap_second
    if _SURROUNDED & match.kinds and abs(outside) >= _OVERLAP_DIFFERS:
        # What lies outside the overlap was added to one picture, or cropped off the other.
        whole = max(alignment.overlap_first, alignment.overlap_second)
        if Kind.CROPPED in match.kinds and whole < _WHOLE:
            return None
        found.add(match.second if outside > 0 else match.first)
    hidden = alignment.fine_agreement_first - alignment.fine_agreement_second
    if (Kind.OVERLAID in match.kinds or not found) and abs(hidden) >= _AGREEMENT_DIFFERS:
        # The texture of the picture without the addition is found in the other one, not vice versa.
        found.add(match.second if hidden > 0 else match.first)
    return found.pop() if len(found) == 1 else None


def _measure_coverage(match: Match) -> float:
    """Area of the photo that the second image shows, over that which the first shows.

    1 where that is not clear: a turned or tilted picture has corners that show nothing.
    """
    alignment = match.evidence.alignment
    is_clear = Kind.CROPPED in match.kinds and not _SURROUNDED & match.kinds
    if alignment is None or not is_clear or (match.transform and match.transform.is_tilted):
        return 1.0
    return alignment.overlap_first / max(alignment.overlap_second, 1e-9)


_Standings = list[_Standing]


def _with_most_resolution(standings: _Standings) -> _Standings:
    best = max(standings, key=lambda standing: (standing.resolution_px, -standing.place))
    return [s for s in standings if s.resolution_px * _tolerate(s, best) >= best.resolution_px]


def _tolerate(standing: _Standing, best: _Standing) -> float:
    smaller, larger = sorted((standing.photo_px, best.photo_px))
    is_same_size = larger <= _SAME_SIZE * smaller
    return _SAME_SIZE_TOLERANCE if is_same_size else _RESOLUTION_TOLERANCE


def _with_fewest_additions(standings: _Standings) -> _Standings:
    fewest = min(standing.additions for standing in standings)
    return [standing for standing in standings if standing.additions == fewest]


def _most_complete(standings: _Standings) -> _Standings:
    most = max(standing.coverage for standing in standings)
    return [standing for standing in standings if standing.coverage * _COVERAGE_TOLERANCE >= most]


def _not_enlarged(standings: _Standings) -> _Standings:
    least = min(standing.photo_px for standing in standings)
    return [standing for standing in standings if standing.photo_px <= _ENLARGED * least]


def _least_compressed(standings: _Standings) -> _Standings:
    is_estimated = any(standing.is_compression_estimated for standing in standings)
    factor, steps = _ESTIMATED_STEP_TOLERANCE if is_estimated else _STEP_TOLERANCE
    least = min(standing.compression for standing in standings)
    return [standing for standing in standings if standing.compression <= factor * least + steps]


def _earliest(standings: _Standings) -> _Standings:
    return [min(standings, key=lambda standing: standing.place)]


_STEPS: tuple[tuple[Callable[[_Standings], _Standings], str], ...] = (
    (_with_most_resolution, "greater resolution"),
    (_with_fewest_additions, "fewer additions"),
    (_most_complete, "fuller view"),
    (_not_enlarged, "smaller size with the same detail"),
    (_least_compressed, "lighter compression"),
    (_earliest, "earlier position among equals"),
)
