"""The accuracy benchmark's figures, on cases small enough to work out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from benchmarks.accuracy.engines import NAME, NOTHING_FOUND, Finding
from benchmarks.accuracy.hard_negatives import Category
from benchmarks.accuracy.intervals import resampled, upper_bound_of_none, wilson
from benchmarks.accuracy.outcomes import (
    PairGroup,
    PairRow,
    PositiveRow,
    pairs_table,
    positives_table,
)
from benchmarks.accuracy.scoring import (
    DUPLICATES_ONLY,
    FAMILY_GOALS,
    accusation_goals,
    by_source,
    count_accusations,
    group_recall,
    kinds_goal,
    primary_recall,
    recall_by_family,
    recall_by_modification,
    recall_goals,
    score_kinds,
)
from benchmarks.accuracy.tables import list_errors
from image_duplication.records import Kind

PEER = "peer"


def duplicate(*kinds: Kind) -> Finding:
    return Finding(is_duplicate=True, kinds=frozenset(kinds))


def related(*kinds: Kind) -> Finding:
    return Finding(is_related=True, kinds=frozenset(kinds))


def positive(modification: str, finding: Finding, *peers: str, view: str = "1") -> PositiveRow:
    return PositiveRow("shop__a", view, modification, finding=finding, peers=peers)


def pair(
    category: str,
    finding: Finding = NOTHING_FOUND,
    *peers: str,
    group: PairGroup = PairGroup.WITHIN,
    product: str = "shop__a",
    design: str = "",
) -> PairRow:
    return PairRow(group, category, design, product, "1", "2", finding, peers)


def modifications(*rows: PositiveRow) -> pd.DataFrame:
    return recall_by_modification(positives_table(rows, [PEER]), [NAME, PEER])


# --- recall ------------------------------------------------------------------------------------


def test_recall_counts_related_only_where_it_is_as_good() -> None:
    table = modifications(
        positive("zoom_2", related(Kind.CROPPED)), positive("crop_25", related(Kind.CROPPED))
    )

    assert table[NAME].to_dict() == {"zoom_2": 1.0, "crop_25": 0.0}
    assert table[DUPLICATES_ONLY].to_dict() == {"zoom_2": 0.0, "crop_25": 0.0}


def test_recall_leaves_out_what_could_not_be_made() -> None:
    skipped = PositiveRow("shop__a", "2", "background_blue", is_applicable=False)
    table = modifications(positive("background_blue", duplicate()), skipped)

    row = table.loc["background_blue"]
    assert (row["pairs"], row["skipped"], row[NAME]) == (1, 1, 1.0)


def test_family_weighs_each_modification_equally() -> None:
    table = modifications(
        positive("mirror", duplicate(), PEER, view="1"),
        positive("mirror", duplicate(), view="2"),
        positive("mirror", duplicate(), view="3"),
        positive("flip", NOTHING_FOUND, PEER),
    )

    family = recall_by_family(table, [NAME, PEER]).loc["orientation"]
    assert family[NAME] == 0.5
    assert family[PEER] == pytest.approx((1 / 3 + 1) / 2)
    assert (family["modifications"], family["pairs"]) == (2, 4)


def test_primary_recall_leaves_out_background_swap_and_inversion() -> None:
    table = modifications(
        positive("mirror", duplicate()),
        positive("crop_5", NOTHING_FOUND),
        positive("inverted", duplicate()),
        positive("background_blue", duplicate()),
    )

    assert primary_recall(table, NAME) == 0.5


def test_group_recall_is_that_of_its_families() -> None:
    table = modifications(positive("mirror", duplicate()), positive("crop_5", NOTHING_FOUND, PEER))

    assert group_recall(table, FAMILY_GOALS[0], NAME) == 1.0
    assert group_recall(table, FAMILY_GOALS[1], NAME) == 0.0
    assert group_recall(table, FAMILY_GOALS[1], PEER) == 1.0
    assert math.isnan(group_recall(table, FAMILY_GOALS[2], NAME))


# --- accusations -------------------------------------------------------------------------------


def test_accusations_leave_labelled_pairs_out_of_the_honest_ones() -> None:
    table = pairs_table(
        [
            pair("honest", duplicate()),
            pair("honest"),
            pair("honest", related(), product="shop__b"),
            pair("honest", NOTHING_FOUND, PEER, product="shop__c"),
            pair("dup", duplicate()),
            pair("dup", related()),
            pair("dup"),
            pair("near", duplicate()),
            pair("one source", duplicate(), group=PairGroup.CROSS),
            pair("two sources", group=PairGroup.CROSS),
            pair(Category.PLAIN.value, duplicate(), group=PairGroup.HARD),
        ],
        [PEER],
    )

    own = count_accusations(table, NAME, seed=1)
    assert (own.pairs.count, own.pairs.total) == (1, 4)
    assert (own.products.count, own.products.total) == (1, 3)
    assert (own.copies_found.count, own.copies_found.total) == (1, 3)
    assert own.copies_matched.count == 2
    assert (own.near_flagged.count, own.near_flagged.total) == (1, 1)
    assert (own.cross.count, own.cross.total) == (1, 2)
    assert (own.hard[Category.PLAIN].count, own.hard[Category.PLAIN].total) == (1, 1)
    assert own.hard[Category.PRINT].total == 0
    assert own.related_pairs == 1
    peer = count_accusations(table, PEER, seed=1)
    assert (peer.pairs.count, peer.copies_matched.count, peer.related_pairs) == (1, 0, 0)


def test_errors_are_accused_honest_pairs_and_missed_copies() -> None:
    table = pairs_table(
        [
            pair("honest", duplicate(Kind.CROPPED)),
            pair("honest", related()),
            pair("near", duplicate()),
            pair("dup", duplicate()),
            pair("dup", related()),
            pair(Category.PRINT.value, duplicate(), group=PairGroup.HARD, design="photos"),
        ],
        [],
    )

    errors = list_errors(table)

    assert errors["what"].tolist() == ["accused", "near pair", "accused", "copy missed"]
    assert errors["kinds"].tolist()[0] == "cropped"


def test_figures_by_source_keep_shops_apart() -> None:
    pairs = pairs_table([pair("honest", duplicate()), pair("honest", product="other__x")], [])
    positives = positives_table([positive("mirror", duplicate())], [])

    table = by_source(positives, pairs)

    assert table["flagged_pairs"].to_dict() == {"other": 0, "shop": 1}
    assert table.loc["shop", "primary_recall"] == 1.0
    assert math.isnan(float(table["primary_recall"]["other"]))


# --- kinds -------------------------------------------------------------------------------------


def test_kinds_are_right_only_as_equal_sets() -> None:
    kinds = score_kinds(
        positives_table(
            [
                positive("mirror", duplicate(Kind.TRANSFORMED)),
                positive("flip", duplicate(Kind.TRANSFORMED, Kind.CROPPED)),
                positive("zoom_2", related(Kind.CROPPED)),
                positive("crop_5", NOTHING_FOUND),
                # Two things were done: what to call it is open to dispute.
                positive("tilt_5_cropped", duplicate(Kind.TRANSFORMED)),
                positive("crop_logo", duplicate(Kind.CROPPED)),
            ],
            [],
        )
    )

    assert (kinds.right, kinds.total) == (2, 3)
    assert kinds.confusion.to_dict("records") == [
        {
            "expected_kinds": "transformed",
            "kinds": "cropped+transformed",
            "modification": "flip",
            "pairs": 1,
        }
    ]
    assert kinds.by_expected.loc["transformed"].to_dict() == {"right": 1, "pairs": 2}
    assert kinds_goal(kinds).is_met is False


def test_kinds_leave_out_a_recolouring_that_does_not_show() -> None:
    row = PositiveRow(
        "shop__a", "1", "hue_40", is_visible=False, finding=duplicate(Kind.SAME_PICTURE)
    )

    kinds = score_kinds(positives_table([row], []))

    assert (kinds.total, kinds.invisible) == (0, 1)
    assert kinds_goal(kinds).is_met is None


# --- goals -------------------------------------------------------------------------------------


def test_goals_say_met_missed_and_not_measured() -> None:
    lines = recall_goals(
        modifications(positive("mirror", duplicate()), positive("crop_5", NOTHING_FOUND))
    )

    by_name = {line.name.split(",")[0]: line.is_met for line in lines}
    assert by_name["primary: mean recall"] is False
    assert by_name["re-encode"] is True
    assert by_name["border"] is False
    assert by_name["inverted colours"] is None


def test_goals_of_accusations_are_upper_limits() -> None:
    table = pairs_table([pair("honest"), pair("dup", duplicate())], [])

    lines = {line.name: line.is_met for line in accusation_goals(count_accusations(table, NAME, 1))}

    assert lines["true different views, pairs"] is True
    assert lines["real copies found, close-ups among them"] is True
    assert lines["pictures of different products"] is None


# --- intervals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        pytest.param(81, 263, 0.2553, 0.3662, id="81 of 263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="15 of 148"),
        pytest.param(0, 20, 0.0, 0.1611, id="0 of 20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="1 of 29"),
    ],
)
def test_wilson_interval_is_as_published(count: int, total: int, low: float, high: float) -> None:
    share = wilson(count, total)

    assert share.low == pytest.approx(low, abs=5e-5)
    assert share.high == pytest.approx(high, abs=5e-5)


def test_upper_bound_of_none_is_clopper_and_pearsons() -> None:
    # Newcombe 1998, table I, method 5: 0 of 20 has the limits 0 and .1684.
    assert upper_bound_of_none(20) == pytest.approx(0.1684, abs=5e-5)


def test_resampled_interval_uses_the_exact_limit_when_nothing_was_flagged() -> None:
    share = resampled(pd.Series([False] * 20), pd.Series(range(20)), seed=1)

    assert (share.value, share.low) == (0.0, 0.0)
    assert share.high == pytest.approx(0.1684, abs=5e-5)


def test_resampled_interval_of_single_cases_is_close_to_wilsons() -> None:
    flags = pd.Series([True] * 60 + [False] * 140)

    share = resampled(flags, pd.Series(range(200)), seed=1)

    known = wilson(60, 200)
    assert share.low == pytest.approx(known.low, abs=0.015)
    assert share.high == pytest.approx(known.high, abs=0.015)


def test_resampled_interval_is_wider_when_flags_stand_together() -> None:
    flags = pd.Series([True] * 10 + [False] * 90)
    together = pd.Series([place // 10 for place in range(100)])

    clustered = resampled(flags, together, seed=1)
    single = resampled(flags, pd.Series(range(100)), seed=1)

    assert clustered.value == single.value == 0.1
    assert clustered.high - clustered.low > 1.5 * (single.high - single.low)


def test_resampled_interval_is_the_same_again() -> None:
    flags, clusters = pd.Series([True, False, True, False]), pd.Series(list("aabb"))

    assert resampled(flags, clusters, seed=3) == resampled(flags, clusters, seed=3)


def test_share_of_nothing_is_said_to_be_none() -> None:
    assert str(wilson(0, 0)) == "none"
    assert str(wilson(1, 10)).startswith("1 of 10 = 10.00% (1.79% to 40.42%)")
