"""Cross-validation by source, on made-up evidence whose verdict one or two limits decide."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from rich.console import Console

from benchmarks.accuracy.changes import Random
from benchmarks.accuracy.cross_validation import (
    GRID,
    CrossValidation,
    Figures,
    Fold,
    Limit,
    cross_validate,
    with_limits,
)
from benchmarks.accuracy.engines import NAME, judge_evidence
from benchmarks.accuracy.outcomes import PairGroup, PairRow, PositiveRow, Row, positives_table
from benchmarks.accuracy.scoring import primary_recall, recall_by_modification
from benchmarks.accuracy.tables import print_cross_validation, write_cross_validation
from image_duplication.detection import PairEvidence
from image_duplication.settings import DetectionSettings
from tests.matches import make_alignment, make_pair

SETTINGS = DetectionSettings()
FINE = Limit("throughout.fine", (0.8, 0.7, 0.6))
NOBODY = dict.fromkeys(PairGroup, 0.0)
SHOPS = ("a", "b", "c")


def agreeing(fine: float, **figures: float) -> PairEvidence:
    """Accepted where `throughout.fine` is at most that, and for no other reason."""
    neutral = {
        "cells": 40,
        "coarse_agreement": 1.0,
        "cell_correlation_low": 1.0,
        "edges_kept_by_both": 1.0,
        "edges_kept_least": 1.0,
    }
    return make_pair(alignment=make_alignment(**(neutral | {"fine_agreement": fine} | figures)))


def modified(shop: str, evidence: PairEvidence, modification: str = "mirror") -> PositiveRow:
    return PositiveRow(
        f"{shop}__x",
        "1",
        modification,
        finding=judge_evidence(evidence, SETTINGS),
        evidence=evidence,
    )


def seen(
    first: str,
    evidence: PairEvidence,
    second: str | None = None,
    group: PairGroup = PairGroup.WITHIN,
    category: str = "honest",
) -> PairRow:
    """A pair that nobody made, of views of two shops' products, or of drawn goods."""
    names = [f"{shop}__x/1" if shop in SHOPS else shop for shop in (first, second or first)]
    is_within = group is PairGroup.WITHIN
    return PairRow(
        group=group,
        category=category,
        design="",
        product=f"{first}__x",
        first="1" if is_within else names[0],
        second="2" if is_within else names[1],
        finding=judge_evidence(evidence, SETTINGS),
        evidence=evidence,
    )


def shop_rows(shop: str, *, modified_at: Sequence[float], honest_at: float) -> list[Row]:
    return [
        *(modified(shop, agreeing(fine)) for fine in modified_at),
        seen(shop, agreeing(honest_at)),
    ]


def validated(
    rows: Sequence[Row],
    *grid: Limit,
    most_flagged: Mapping[PairGroup, float] = NOBODY,
) -> CrossValidation:
    validation = cross_validate(rows, SETTINGS, grid or (FINE,), most_flagged)
    assert validation is not None
    return validation


def validate(rows: Sequence[Row], *grid: Limit) -> dict[str, Fold]:
    return {fold.source: fold for fold in validated(rows, *grid).folds}


def flagged(of: Figures) -> int:
    """Of honest pairs."""
    return of.flagged[PairGroup.WITHIN]


# --- choosing ----------------------------------------------------------------------------------


def test_limits_are_chosen_without_the_source_that_is_held_out() -> None:
    rows = [
        *shop_rows("a", modified_at=(0.75, 0.65), honest_at=0.62),
        *shop_rows("b", modified_at=(0.75, 0.65), honest_at=0.1),
        *shop_rows("c", modified_at=(0.75, 0.65), honest_at=0.1),
    ]

    folds = validate(rows)

    # Only the choice that does not know the honest pair of `a` goes down to 0.6 and flags it.
    assert {shop: fold.limits["throughout.fine"] for shop, fold in folds.items()} == {
        "a": 0.6,
        "b": 0.7,
        "c": 0.7,
    }
    assert {shop: flagged(fold.held_out) for shop, fold in folds.items()} == {
        "a": 1,
        "b": 0,
        "c": 0,
    }
    assert {shop: fold.held_out.recall for shop, fold in folds.items()} == {
        "a": 1.0,
        "b": 0.5,
        "c": 0.5,
    }


@pytest.mark.parametrize("fine", [0.99, 0.75, 0.65, 0.0])
@pytest.mark.parametrize("group", list(PairGroup))
def test_limits_are_the_same_whatever_the_held_out_source_shows(
    group: PairGroup, fine: float
) -> None:
    others = [
        *shop_rows("a", modified_at=(0.75, 0.65), honest_at=0.1),
        *shop_rows("b", modified_at=(0.75, 0.65), honest_at=0.62),
    ]
    own = [modified("c", agreeing(1 - fine)), seen("c", agreeing(fine), "a", group)]

    folds = validate([*others, *own])

    assert folds["c"].limits == {"throughout.fine": 0.7}
    assert (folds["c"].training.found, folds["c"].training.modified) == (2, 4)
    assert set(folds["c"].training.flagged.values()) == {0}


@pytest.mark.parametrize(
    ("shops", "group"),
    [
        pytest.param(("a", "a"), PairGroup.WITHIN, id="honest"),
        pytest.param(("a", "b"), PairGroup.CROSS, id="different products"),
        pytest.param(("b", "b"), PairGroup.HARD, id="hard, of photos"),
        pytest.param(("drawn 1", "drawn 1"), PairGroup.HARD, id="hard, drawn"),
    ],
)
def test_limits_keep_to_the_pairs_that_nobody_made(
    shops: tuple[str, str], group: PairGroup
) -> None:
    rows = [row for shop in SHOPS for row in shop_rows(shop, modified_at=(0.65,), honest_at=0.1)]

    freely = validate(rows)["c"]
    bound = validate([*rows, seen(shops[0], agreeing(0.65), shops[1], group)])["c"]

    assert (freely.limits["throughout.fine"], freely.training.recall) == (0.6, 1.0)
    assert (bound.limits["throughout.fine"], bound.training.recall) == (0.8, 0.0)


def test_limits_may_flag_as_many_as_is_allowed() -> None:
    rows = [row for shop in SHOPS for row in shop_rows(shop, modified_at=(0.65,), honest_at=0.1)]
    rows.append(seen("a", agreeing(0.65)))

    folds = validated(rows, most_flagged={PairGroup.WITHIN: 0.34}).folds

    # With `c` held out 1 of 3 is flagged, with `a` none of 2.
    assert [fold.limits["throughout.fine"] for fold in folds] == [0.6, 0.6, 0.6]
    assert [flagged(fold.training) for fold in folds] == [0, 1, 1]


def test_limits_exceed_the_least_where_none_keeps_within_bounds() -> None:
    rows = [row for shop in SHOPS for row in shop_rows(shop, modified_at=(0.65,), honest_at=0.9)]
    rows.append(seen("a", agreeing(0.75)))

    folds = validate(rows)

    assert folds["c"].limits["throughout.fine"] == 0.8
    assert flagged(folds["c"].training) == 2


def test_equal_values_go_to_the_stricter() -> None:
    rows = [row for shop in SHOPS for row in shop_rows(shop, modified_at=(0.95,), honest_at=0.1)]

    assert {fold.limits["throughout.fine"] for fold in validate(rows).values()} == {0.8}


def test_limits_are_chosen_in_turn_again_where_one_waits_for_another() -> None:
    edges = Limit("throughout.edges", (0.85, 0.75))
    # Of each shop one pair needs `fine` at 0.6, and one needs that and `edges` at 0.75.
    rows = [
        row
        for shop in SHOPS
        for row in (
            modified(shop, agreeing(0.65, edges_kept_by_both=0.8)),
            modified(shop, agreeing(0.65)),
            seen(shop, agreeing(0.1)),
        )
    ]

    for fold in validate(rows, edges, FINE).values():
        assert dict(fold.limits) == {"throughout.edges": 0.75, "throughout.fine": 0.6}
        assert fold.held_out.recall == 1.0


def test_pair_of_two_sources_is_held_out_with_each() -> None:
    rows = [row for shop in SHOPS for row in shop_rows(shop, modified_at=(0.65,), honest_at=0.1)]
    rows += [seen("a", agreeing(0.65), "b", group) for group in (PairGroup.CROSS, PairGroup.HARD)]
    rows.append(seen("drawn 1", agreeing(0.1), group=PairGroup.HARD))

    validation = validated(rows)

    others = [PairGroup.CROSS, PairGroup.HARD]
    by_shop = {
        fold.source: [fold.held_out.flagged[group] for group in others] for fold in validation.folds
    }
    assert by_shop == {"a": [1, 1], "b": [1, 1], "c": [0, 0]}
    assert [validation.held_out.flagged[group] for group in others] == [1, 1]
    assert [validation.held_out.pairs[group] for group in others] == [1, 1]
    assert [validation.as_is.flagged[group] for group in others] == [0, 0]


# --- figures -----------------------------------------------------------------------------------


def test_figures_leave_out_what_does_not_count() -> None:
    evidence = agreeing(0.95)
    rows = [
        *shop_rows("a", modified_at=(0.95,), honest_at=0.1),
        *shop_rows("b", modified_at=(0.95,), honest_at=0.1),
        modified("a", evidence, "background_blue"),
        replace(modified("a", evidence), is_applicable=False),
        seen("a", evidence, category="dup"),
        seen("a", evidence, category="near"),
    ]

    fold = validate(rows)["a"]

    assert (fold.as_is.found, fold.as_is.modified) == (1, 1)
    assert (flagged(fold.as_is), fold.as_is.pairs[PairGroup.WITHIN]) == (0, 1)
    assert fold.held_out == fold.as_is


def test_figures_of_the_settings_are_those_that_the_benchmark_gives() -> None:
    rows = [
        *(modified(shop, agreeing(fine), name) for shop, fine, name in _SPREAD),
        *(seen(shop, agreeing(0.1)) for shop in SHOPS),
    ]
    table = positives_table([row for row in rows if isinstance(row, PositiveRow)], [])
    as_set = (Limit("throughout.fine", (SETTINGS.aligned.throughout.fine,)),)

    validation = validated(rows, *as_set)

    assert validation.as_is.recall == primary_recall(recall_by_modification(table, [NAME]), NAME)
    assert 0.0 < validation.as_is.recall < 1.0
    # With nothing to choose from, judging anew says what the run said.
    assert validation.held_out == validation.as_is
    assert all(fold.held_out == fold.as_is for fold in validation.folds)


_SPREAD = (
    ("a", 0.9, "mirror"),
    ("b", 0.6, "mirror"),
    ("c", 0.9, "mirror"),
    ("a", 0.9, "crop_5"),
    ("b", 0.65, "crop_5"),
    ("c", 0.3, "flip"),
)


def test_pair_that_could_not_be_read_stays_as_it_was() -> None:
    rows = [row for shop in SHOPS for row in shop_rows(shop, modified_at=(0.95,), honest_at=0.1)]
    rows.append(PositiveRow("a__x", "1", "mirror"))

    assert validate(rows)["a"].held_out.recall == 0.5


# --- judging anew ------------------------------------------------------------------------------


def any_evidence(random: Random) -> PairEvidence:
    """Figures near the limits of the grid and far from the others', so that each may decide."""

    def near(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    return make_pair(
        thumbnail_correlation=near(0.9, 1.0),
        alignment=make_alignment(
            is_mirrored=bool(random.random() < 0.3),
            keypoints=20,
            cells=40,
            coarse_agreement=1.0,
            cell_correlation_low=1.0,
            fine_agreement=near(0.5, 1.0),
            fine_agreement_first=near(0.5, 1.0),
            fine_agreement_second=near(0.5, 1.0),
            edges_kept=near(0.3, 1.0),
            edges_kept_by_both=near(0.6, 1.0),
            edges_kept_least=near(0.5, 1.0),
            remaining_correlation=near(0.6, 1.0),
            contradicted_inside=near(0.0, 0.5),
            contradicted_scattered=near(0.0, 0.05),
            unlike=near(0.0, 0.05),
            goods_agreement=near(0.6, 1.0),
            goods_kept=1.0,
            goods_cells=9,
        ),
    )


@pytest.mark.parametrize("seed", range(3))
def test_held_out_figures_are_those_of_judging_every_pair_by_the_limits_chosen(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = [
        *(
            modified(SHOPS[place % 3], any_evidence(random), ("mirror", "zoom_2")[place % 2])
            for place in range(120)
        ),
        *(seen(SHOPS[place % 3], any_evidence(random)) for place in range(30)),
    ]

    validation = validated(rows, *GRID, most_flagged={PairGroup.WITHIN: 0.5})

    for fold in validation.folds:
        chosen = with_limits(SETTINGS, fold.limits)
        own = [row for row in rows if row.product == f"{fold.source}__x"]
        anew = [replace(row, finding=judge_evidence(row.evidence, chosen)) for row in own]
        found = [row for row in anew if isinstance(row, PositiveRow) and row.finding.is_duplicate]
        accused = [row for row in anew if isinstance(row, PairRow) and row.finding.is_duplicate]
        assert (fold.held_out.found, flagged(fold.held_out)) == (len(found), len(accused))
        assert 0 < len(found) < fold.held_out.modified == 40


def test_limits_of_the_grid_are_settings_strictest_first() -> None:
    for limit in GRID:
        for value in limit.values:
            changed = with_limits(SETTINGS, {limit.name: value})
            assert attrgetter(limit.name)(changed.aligned) == value
        is_upper = limit.name == "most_unlike"
        assert list(limit.values) == sorted(limit.values, reverse=not is_upper)


@pytest.mark.parametrize(
    "limits", [{"throughout.finest": 0.5}, {"throughout.fine": 1.5}], ids=["name", "value"]
)
def test_limits_that_no_settings_have_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        with_limits(SETTINGS, limits)


# --- output ------------------------------------------------------------------------------------


def said_of(validation: CrossValidation) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_cross_validation(console, validation)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_cross_validation_is_printed_and_written_by_source_and_pooled(tmp_path: Path) -> None:
    rows = [
        *shop_rows("a", modified_at=(0.75, 0.65), honest_at=0.62),
        *shop_rows("b", modified_at=(0.75, 0.65), honest_at=0.1),
    ]
    validation = validated(rows)

    said = said_of(validation)
    write_cross_validation(tmp_path, validation)

    lines = {" ".join(line.split()) for line in said.splitlines()}
    # As set (0.7) one of two is found; without `a` 0.6 is chosen, without `b` 0.7.
    none = "0 → 0 of 0 0 → 0 of 0"
    assert {
        f"a 50.0% → 100.0% (1 → 2 of 2) 0 → 1 of 1 {none}",
        f"b 50.0% → 50.0% (1 → 1 of 2) 0 → 0 of 1 {none}",
        f"pooled 50.0% → 75.0% (2 → 3 of 4) 0 → 1 of 2 {none}",
        "(as set) 0.7",
        "a 0.6",
        "b 0.7",
    } <= lines
    table = pd.read_csv(tmp_path / "cross_validation.csv").set_index("source")
    assert table["held_out: within flagged"].to_dict() == {"a": 1, "b": 0, "pooled": 1}
    assert table["as_set: recall"].to_dict() == {"a": 0.5, "b": 0.5, "pooled": 0.5}
    assert table.loc[["a", "b"], "throughout.fine"].tolist() == [0.6, 0.7]
    assert table.loc[["a", "b"], "training: within flagged"].tolist() == [0, 0]


def test_cross_validation_takes_two_sources() -> None:
    rows = shop_rows("a", modified_at=(0.9,), honest_at=0.1)

    assert (
        cross_validate([*rows, seen("drawn 1", agreeing(0.1), group=PairGroup.HARD)], SETTINGS)
        is None
    )
