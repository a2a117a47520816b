"""A category's content with the verdicts as people's rejections leave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from image_duplication.judged_variants import JudgedVariant
from image_duplication.reviewed_verdicts import judge_reviewed
from image_duplication.reviews import Reviews
from image_duplication.store.decisions import Decision, Pair
from image_duplication_web.review.category_files import CategoryContent, CategoryFiles


def review_content(
    files: CategoryFiles, content: CategoryContent, current: Mapping[Pair, tuple[int, Decision]]
) -> CategoryContent:
    """The content, each finding with the verdict that its variant has without rejected pairs.

    `current` is what `store.decisions.read_current` gives.
    """
    reviews = Reviews.of(current, allows_unreviewed_identical=False)
    ids = sorted({variant_id for variant_id, _, _ in reviews.rejected} & content.verdicts.keys())
    if not ids:
        return content
    images = files.read_images(content.category_id, *ids)
    verdicts = {}
    for variant_id in ids:
        rows = [row for row in images if row["variant_id"] == variant_id]
        variant = JudgedVariant(variant_id, content.verdicts[variant_id], rows, [])
        verdicts[variant_id] = judge_reviewed(variant, reviews).verdict
    return replace(
        content,
        findings=tuple(
            replace(finding, verdict=verdicts.get(finding.row["variant_id"], finding.verdict))
            for finding in content.findings
        ),
    )
