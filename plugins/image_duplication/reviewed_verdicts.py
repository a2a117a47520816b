"""A variant's verdict as people see it: without the duplicates that they have rejected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa

from image_duplication import layout
from image_duplication.judged_variants import JudgedVariant
from image_duplication.records import Engine, Kind, Role, Verdict
from image_duplication.reviews import Reviews
from image_duplication.storage import Storage
from image_duplication.tables import JUDGED, Row, read_state_tables
from image_duplication.verdicts import Judgement, judge_variant

SAME_FILE: Row = {
    "kinds": [Kind.IDENTICAL],
    "sentence": "same file",
    "distance": 0.0,
    "engine": Engine.IDENTICAL,
}
"""A match of equal bytes, as rows tell it."""

_NO_MATCH: Row = {"kinds": [], "sentence": None, "distance": None, "engine": None}


def judge_reviewed(variant: JudgedVariant, reviews: Reviews) -> Judgement:
    """A variant's verdict with each rejected duplicate counted as the picture of its own it is."""
    return judge_variant(list(set_apart(variant, reviews)), required=variant.verdict["required"])


def find_short_variants(
    storage: Storage, category_id: int, required: Mapping[str, int], reviews: Reviews
) -> frozenset[str]:
    """Which variants, given with how many pictures each must show, still show too few.

    As last judged and reviewed. A variant that the category's state no longer has is none of them.
    """
    key = layout.current("images", category_id)
    if not storage.exists(key):
        return frozenset()
    images: defaultdict[str, list[Row]] = defaultdict(list)
    for table in read_state_tables(storage, key, JUDGED, pa.array(required, pa.string())):
        for row in table.to_pylist():
            images[row["variant_id"]].append(row)
    return frozenset(
        variant_id
        for variant_id, rows in images.items()
        if Verdict.of(
            judge_reviewed(
                JudgedVariant(variant_id, {"required": required[variant_id]}, rows, []), reviews
            ).verdict
        )
        is Verdict.SHORT
    )


def find_told_apart(variant: JudgedVariant, reviews: Reviews) -> Callable[[str, str], bool]:
    """Says of two images, by their ids, whether a person calls them two different pictures."""
    shas = {row["image_id"]: row["content_sha256"] for row in with_content(variant)}

    def is_told_apart(first: str, second: str) -> bool:
        return (
            first in shas
            and second in shas
            and reviews.is_rejected(variant.variant_id, shas[first], shas[second])
        )

    return is_told_apart


def with_content(variant: JudgedVariant) -> list[Row]:
    """The rows of a variant's images that could be fetched."""
    return [row for row in variant.images if row["content_sha256"]]


def set_apart(variant: JudgedVariant, reviews: Reviews) -> Iterator[Row]:
    """A variant's rows of `tables.JUDGED`, with each rejected duplicate as the base of a group.

    Two files of equal bytes stay one picture, whatever is said of them: the later is a duplicate of
    the earlier.
    """
    is_told_apart = find_told_apart(variant, reviews)
    shas = {row["image_id"]: row["content_sha256"] for row in with_content(variant)}
    first_of: dict[str, str] = {}
    for row in variant.images:
        base = row["base_image_id"]
        if (
            row["role"] == Role.DUPLICATE
            and is_told_apart(row["image_id"], base)
            and row["content_sha256"] != shas[base]
        ):
            own = first_of.setdefault(row["content_sha256"], row["image_id"])
            is_first = own == row["image_id"]
            yield row | {
                "role": Role.BASE if is_first else Role.DUPLICATE,
                "base_image_id": own,
                **(_NO_MATCH if is_first else SAME_FILE),
            }
        else:
            yield row
