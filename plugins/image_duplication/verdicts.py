"""The marketplace's rule: whether a variant shows enough different pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from image_duplication.records import ReasonCode, Role, Verdict
from image_duplication.tables import Row


@dataclass(frozen=True, slots=True)
class Judgement:
    """A variant's verdict with the counts that it follows from."""

    verdict: str
    reason: str
    images: int
    distinct_usable: int
    unjudged: int
    unfetched: int
    redundant: int


def judge_variant(rows: Sequence[Row], *, required: int) -> Judgement:
    """The verdict from one variant's judged rows (`tables.JUDGED`).

    With d usable distinct images, u unjudged ones and r required: d ≥ r is compliant; d + u < r is
    short by r - d; anything else is undecided. Fewer than r rows are short whatever they show.
    """
    rows = without_repeats(rows)
    images = sum(row["role"] != Role.ABSENT for row in rows)
    unjudged = sum(row["role"] == Role.UNJUDGED for row in rows)
    unfetched = sum(
        bool(row["reason_code"]) and ReasonCode(row["reason_code"]).is_retryable for row in rows
    )
    # A group counts once, and counts as usable when any of its members is.
    usable = {row["base_image_id"] for row in rows if row["is_usable"]}
    redundant = sum(row["role"] == Role.DUPLICATE for row in rows)
    distinct = len(usable)
    if distinct >= required:
        verdict, reason = str(Verdict.COMPLIANT), "enough_different_images"
    elif images < required:
        verdict, reason = _short(required - distinct), "too_few_images"
    elif distinct + unjudged < required:
        verdict = _short(required - distinct)
        reason = "duplicate_images" if redundant else "unusable_images"
    else:
        verdict, reason = str(Verdict.UNDECIDED), "images_not_judged"
    return Judgement(verdict, reason, images, distinct, unjudged, unfetched, redundant)


def count_verdicts(by_code: Mapping[str, int]) -> Counter[Verdict]:
    """Variants by verdict, whatever number of pictures lacks, from their number by stated code."""
    counts: Counter[Verdict] = Counter()
    for code, count in by_code.items():
        counts[Verdict.of(code)] += count
    return counts


def without_repeats(rows: Sequence[Row]) -> list[Row]:
    """The rows but for those that list an image again under the same URL: they add no picture."""
    listed = {
        (row["image_id"], row["image_url"])
        for row in rows
        if row["reason_code"] != ReasonCode.IMAGE_ID_REPEATED
    }
    return [
        row
        for row in rows
        if row["reason_code"] != ReasonCode.IMAGE_ID_REPEATED
        or (row["image_id"], row["image_url"]) not in listed
    ]


def _short(missing: int) -> str:
    return f"{Verdict.SHORT}_by_{missing}"
