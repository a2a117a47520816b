"""Holds what a run found against what the demo catalogue has planted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from demo.catalogue import Catalogue
from image_duplication import layout
from image_duplication.records import Kind, Relation
from image_duplication.storage import Storage
from image_duplication.tables import FINDINGS, read_rows

Pair = tuple[str, frozenset[str]]
"""Variant id and the two image ids."""


@dataclass(frozen=True, slots=True)
class Score:
    """Planted and found duplicates by kind; a combination counts under each of its kinds.

    `missed` are (variant id, duplicate image id, modification). A finding is false when the demo
    planted nothing between its two images.
    """

    planted: dict[str, int]
    found: dict[str, int]
    false_findings: int
    missed: tuple[tuple[int, str, str], ...]


def score_findings(storage: Storage, catalogue: Catalogue, category_ids: list[int]) -> Score:
    """Compare the current findings of the categories with the truth."""
    groups = _planted_groups(catalogue)
    found_pairs: set[Pair] = set()
    false_findings = 0
    for category_id in category_ids:
        key = layout.current("findings", category_id)
        for row in read_rows(storage, key, FINDINGS):
            if row["relation"] != Relation.DUPLICATE:
                continue
            pair = _pair(row["variant_id"], row["base_image_id"], row["duplicate_image_id"])
            found_pairs.add(pair)
            base, duplicate = row["base_image_id"], row["duplicate_image_id"]
            false_findings += groups.get(base, base) != groups.get(duplicate, duplicate)
    planted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    missed = []
    for one in catalogue.planted:
        planted.update(one.kinds)
        if _pair(str(one.variant_id), one.base_image_id, one.duplicate_image_id) in found_pairs:
            found.update(one.kinds)
        else:
            missed.append((one.variant_id, one.duplicate_image_id, one.modification))
    kinds = [kind.value for kind in Kind if planted[kind]]
    return Score(
        planted={kind: planted[kind] for kind in kinds},
        found={kind: found[kind] for kind in kinds},
        false_findings=false_findings,
        missed=tuple(missed),
    )


def _pair(variant_id: str, one: str, other: str) -> Pair:
    return variant_id, frozenset((one, other))


def _planted_groups(catalogue: Catalogue) -> dict[str, str]:
    """The image that each image really shows, by image id."""
    return {row.image_id: row.shows for row in catalogue.images}
