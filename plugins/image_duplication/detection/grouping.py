"""From matches to groups: base-anchored, never a chain; and which image of a group to keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from image_duplication.detection.judgement import Match


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the keeper rule knows of an image; `place` is its place in the variant's order."""

    place: int
    pixels: int
    size_bytes: int
    is_usable: bool


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
        keeper, reason = choose_keeper([by_place[base], *(by_place[m.second] for m in joined)])
        groups.append(Group(base, tuple(joined), keeper, reason))
    # Two members of one group that match each other add nothing: both are reported with the base.
    related = [by_pair[pair] for pair in sorted(by_pair) if base_of[pair[0]] != base_of[pair[1]]]
    return groups, related


def choose_keeper(candidates: Sequence[Candidate]) -> tuple[int, str]:
    """The image of a group to retain, and why in one sentence.

    Among the usable ones, if any is: more pixels, then more bytes for them (less compression),
    then the earlier position.
    """
    usable = [candidate for candidate in candidates if candidate.is_usable] or candidates
    best = min(usable, key=lambda c: (-c.pixels, -c.size_bytes, c.place))
    others = [candidate for candidate in usable if candidate is not best]
    if len(candidates) == 1:
        return best.place, "the only picture of its kind"
    if not others:
        return best.place, "kept as the only usable picture"
    if all(best.pixels > other.pixels for other in others):
        return best.place, "kept for its greater resolution"
    rivals = [other for other in others if other.pixels == best.pixels]
    if all(best.size_bytes > other.size_bytes for other in rivals):
        return best.place, "kept for its lighter compression at the greatest resolution"
    return best.place, "kept for its earlier position among equals"
