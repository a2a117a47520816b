"""The marketplace's rule, in every branch."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_duplication.records import ReasonCode
from image_duplication.verdicts import Judgement, judge_variant
from tests.judged_rows import expected_verdict, judged_variant


@pytest.mark.parametrize(
    ("groups", "failed", "verdict", "reason"),
    [
        ([["1"], ["2"], ["3"]], [], "compliant", "enough_different_images"),
        ([["1"], ["2"], ["3"]], ["4"], "compliant", "enough_different_images"),
        ([["1", "2"], ["3"], ["4"]], [], "compliant", "enough_different_images"),
        ([["1", "2"], ["3"]], [], "short_by_1", "duplicate_images"),
        ([["1", "2", "3"]], [], "short_by_2", "duplicate_images"),
        ([["1", "2"], ["3"]], ["4"], "undecided", "images_not_judged"),
        ([["1", "2", "3"]], ["4"], "short_by_2", "duplicate_images"),
        ([["1"]], ["2", "3"], "undecided", "images_not_judged"),
        ([], ["1", "2", "3"], "undecided", "images_not_judged"),
        ([], ["1", "2"], "short_by_3", "too_few_images"),
        ([["1"], ["2"]], [], "short_by_1", "too_few_images"),
        ([["1", "2"]], [], "short_by_2", "too_few_images"),
        ([], [], "short_by_3", "too_few_images"),
    ],
    ids=[
        "three different",
        "three different and a failure",
        "three groups",
        "two groups of three images",
        "one group",
        "the failure could make three",
        "the failure cannot make three",
        "one and two failures",
        "all failed",
        "two rows, both failed",
        "two rows",
        "two equal rows",
        "no row",
    ],
)
def test_verdict_follows_the_rule(
    groups: list[list[str]], failed: list[str], verdict: str, reason: str
) -> None:
    judgement = judge_variant(judged_variant("v", groups, failed=failed), required=3)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("unusable", "verdict", "reason"),
    [
        (["1"], "short_by_1", "unusable_images"),
        (["1", "2", "3"], "short_by_3", "unusable_images"),
        ([], "compliant", "enough_different_images"),
    ],
    ids=["one", "all", "none"],
)
def test_verdict_does_not_count_unusable_pictures(
    unusable: list[str], verdict: str, reason: str
) -> None:
    rows = judged_variant("v", [["1"], ["2"], ["3"]], unusable=unusable)
    judgement = judge_variant(rows, required=3)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)


def test_verdict_counts_a_group_with_one_usable_member_once() -> None:
    rows = judged_variant("v", [["1", "2", "3"], ["4"], ["5"]], unusable=["1", "3"])
    assert judge_variant(rows, required=3) == Judgement(
        verdict="compliant",
        reason="enough_different_images",
        images=5,
        distinct_usable=3,
        unjudged=0,
        unfetched=0,
        redundant=2,
    )


def test_verdict_of_a_variant_without_images_counts_none() -> None:
    assert judge_variant(judged_variant("v", []), required=3) == Judgement(
        verdict="short_by_3",
        reason="too_few_images",
        images=0,
        distinct_usable=0,
        unjudged=0,
        unfetched=0,
        redundant=0,
    )


@settings(deadline=None, database=None)
@given(
    sizes=st.lists(st.integers(1, 3), max_size=5),
    usable=st.lists(st.booleans(), min_size=15, max_size=15),
    failures=st.integers(0, 4),
    required=st.integers(1, 5),
)
def test_verdict_equals_the_written_formula(
    sizes: list[int], usable: list[bool], failures: int, required: int
) -> None:
    names = iter("abcdefghijklmno")
    groups = [[next(names) for _ in range(size)] for size in sizes]
    counts = dict(zip("abcdefghijklmno", usable, strict=True))
    rows = judged_variant(
        "v",
        groups,
        unusable=[name for name, counted in counts.items() if not counted],
        failed=[f"z{number}" for number in range(failures)],
    )
    distinct = sum(any(counts[name] for name in group) for group in groups)
    images = sum(sizes) + failures
    verdict, reason = expected_verdict(distinct, failures, images, required)
    judgement = judge_variant(rows, required=required)
    assert judgement.verdict == verdict
    assert judgement.reason
    if reason:
        assert judgement.reason == reason
    assert (
        judgement.images,
        judgement.distinct_usable,
        judgement.unjudged,
        judgement.redundant,
    ) == (images, distinct, failures, sum(sizes) - len(sizes))


def test_verdict_counts_what_another_request_may_fetch() -> None:
    rows = judged_variant("v", [["1"]], failed=["2", "3", "4"])
    rows[1]["reason_code"] = ReasonCode.TIMED_OUT
    rows[2]["reason_code"] = ReasonCode.SERVER_FAILED
    rows[3]["reason_code"] = ReasonCode.NOT_FOUND
    judgement = judge_variant(rows, required=3)
    assert (judgement.unjudged, judgement.unfetched) == (3, 2)


def test_verdict_does_not_count_an_image_that_is_listed_again_under_the_same_url() -> None:
    rows = judged_variant("v", [["1"], ["2"]], failed=["3", "4"])
    for row, original in ((rows[2], rows[0]), (rows[3], rows[1])):
        row.update(
            image_id=original["image_id"],
            image_url=original["image_url"],
            reason_code=ReasonCode.IMAGE_ID_REPEATED,
        )
    judgement = judge_variant(rows, required=3)
    assert (judgement.verdict, judgement.reason) == ("short_by_1", "too_few_images")
    assert (judgement.images, judgement.unjudged) == (2, 0)
    rows[3]["image_url"] = "https://assets-bg.gem.gov.in/another.jpg"
    assert judge_variant(rows, required=3).verdict == "undecided"
