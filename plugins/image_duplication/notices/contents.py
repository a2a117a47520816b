"""What a notice says of one variant: pure decisions, no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from image_duplication.judged_variants import JudgedVariant, list_images, number_images
from image_duplication.records import Action, PhotoProblem, ReasonCode, Relation, Role
from image_duplication.reviewed_verdicts import find_told_apart, with_content
from image_duplication.reviews import Reviews
from image_duplication.tables import Row
from image_duplication.verdicts import Judgement

_OF_VARIANT = (
    "category_id",
    "category_name",
    "variant_id",
    "catalogue_id",
    "seller_id",
    "product_url",
    "required",
)


@dataclass(frozen=True, slots=True)
class Due:
    """By when a variant is to show enough pictures, and how often it was told before."""

    due_on: str
    is_overdue: bool
    earlier_notices: int
    seller_earlier_notices: int


def describe_variant(
    variant: JudgedVariant, reviews: Reviews, judgement: Judgement, due: Due
) -> Row:
    """One row of `tables.NOTICED_VARIANTS`. A rejected finding is not in it."""
    photos = number_images(list_images(variant.images))
    problems = list(_find_problems(variant, photos))
    unusable = {problem["image_id"] for problem in problems}
    return {
        **{name: variant.verdict[name] for name in _OF_VARIANT},
        # An empty id names no seller.
        "seller_id": variant.verdict["seller_id"] or None,
        "images": judgement.images,
        "distinct_usable": judgement.distinct_usable,
        "due_on": due.due_on,
        "is_overdue": due.is_overdue,
        "earlier_notices": due.earlier_notices,
        "seller_earlier_notices": due.seller_earlier_notices,
        "findings": [
            finding
            for finding in _find_findings(variant, reviews, photos)
            if finding["image_id"] not in unusable
        ],
        "problems": problems,
    }


def _find_findings(
    variant: JudgedVariant, reviews: Reviews, photos: Mapping[str, int]
) -> Iterator[Row]:
    """Each redundant picture, beside the one that it repeats and the one to keep."""
    urls = {row["image_id"]: row["corrected_url"] for row in with_content(variant)}
    is_told_apart = find_told_apart(variant, reviews)
    seen = set()
    for finding in variant.findings:
        if finding["relation"] != Relation.DUPLICATE:
            continue
        base, duplicate = finding["base_image_id"], finding["duplicate_image_id"]
        if finding["action"] == Action.REMOVE_BASE:
            redundant, other = base, duplicate
        else:
            redundant, other = duplicate, base
        if is_told_apart(base, duplicate) or redundant in seen:
            continue
        seen.add(redundant)
        keeper = finding["keeper_image_id"]
        # Where a person has told the keeper apart, it is no picture of this group.
        if keeper not in photos or is_told_apart(base, keeper) or is_told_apart(redundant, keeper):
            keeper = other
        yield {
            "photo": photos.get(redundant),
            "image_id": redundant,
            "url": urls.get(redundant),
            "other_photo": photos.get(other),
            "other_url": urls.get(other),
            "keep_photo": photos.get(keeper),
            "keep_url": urls.get(keeper),
            "kinds": finding["kinds"] or [],
            "sentence": finding["sentence"],
        }


def _find_problems(variant: JudgedVariant, photos: Mapping[str, int]) -> Iterator[Row]:
    for row in variant.images:
        problem = _find_problem(row)
        if problem is not None:
            yield {
                "photo": photos[row["image_id"]],
                "image_id": row["image_id"],
                "url": row["corrected_url"] or row["image_url"],
                "problem": problem,
            }


def _find_problem(row: Row) -> PhotoProblem | None:
    if row["role"] == Role.ABSENT:
        return None
    if row["reason_code"] == ReasonCode.IMAGE_ID_REPEATED:
        return PhotoProblem.LISTED_TWICE
    if row["role"] == Role.UNJUDGED:
        return PhotoProblem.UNREADABLE
    if row["is_usable"]:
        return None
    return PhotoProblem.of_notes(row["quality_notes"] or ())
