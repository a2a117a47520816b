"""How runs and categories stood: recorded once per run, read in pages and trends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from image_duplication.store.database import Store
from image_duplication.store.standings import (
    StandingOrder,
    find_standings,
    forget_history,
    read_catalogue,
    read_category,
    read_category_trend,
    read_run_categories,
    read_run_trend,
    record_summary,
)
from image_duplication.summary import CategorySummary, RunSummary
from tests.judged_rows import NOON
from tests.test_summary import CHAIRS, TABLES

WEEK = timedelta(days=7)


def make_run(
    run_id: str, planned_at: datetime, categories: Iterable[CategorySummary]
) -> RunSummary:
    return RunSummary(run_id, "changed", planned_at.isoformat(), 0, tuple(categories), {})


def test_nothing_is_known_before_the_first_run(store: Store) -> None:
    assert read_catalogue(store) is None
    assert read_run_trend(store, limit=52) == []
    assert read_category(store, 7) is None
    assert find_standings(store) == ([], 0)


def test_category_stands_as_its_run_left_it(store: Store) -> None:
    record_summary(store, make_run("run 1", NOON, [CHAIRS, TABLES]))

    standing = read_category(store, 7)

    assert standing is not None
    assert (standing.name, standing.run_id) == ("Chairs", "run 1")
    assert standing.planned_at == NOON.replace(tzinfo=None)
    assert (standing.variants, standing.compliant, standing.short, standing.undecided) == (
        10,
        7,
        2,
        1,
    )
    assert (standing.findings, standing.related) == (6, 1)
    assert standing.by_kind == {"identical": 4, "same_picture": 2}
    assert (standing.new, standing.repeated, standing.resolved) == (1, 6, 3)
    assert (standing.units_failed, standing.units_degraded) == (1, 1)


def test_catalogue_is_the_sum_of_all_categories_whichever_run_judged_them(store: Store) -> None:
    record_summary(store, make_run("run 1", NOON, [CHAIRS, TABLES]))
    better = replace(CHAIRS, findings=1, findings_by_kind={"identical": 1}, findings_new=0)

    record_summary(store, make_run("run 2", NOON + WEEK, [better]))

    first, second = read_run_trend(store, limit=52)
    assert (first.run_id, first.findings, first.categories) == ("run 1", 12, 2)
    assert (second.run_id, second.findings, second.categories) == ("run 2", 7, 2)
    assert second.by_kind == {"identical": 1, "transformed": 6}
    assert (second.new, second.repeated, second.resolved) == (0, 6, 3)
    assert read_catalogue(store) == second


def test_recording_a_run_again_replaces_it(store: Store) -> None:
    record_summary(store, make_run("run 1", NOON, [CHAIRS]))
    record_summary(store, make_run("run 1", NOON, [replace(CHAIRS, findings=9)]))

    assert [one.findings for one in read_category_trend(store, 7, limit=9)] == [9]
    assert [one.findings for one in read_run_trend(store, limit=9)] == [9]


def test_older_run_takes_nothing_back_when_it_is_recorded_again(store: Store) -> None:
    record_summary(store, make_run("run 1", NOON, [CHAIRS]))
    record_summary(store, make_run("run 2", NOON + WEEK, [replace(CHAIRS, findings=2)]))

    record_summary(store, make_run("run 1", NOON, [CHAIRS]))

    standing = read_category(store, 7)
    assert standing is not None
    assert standing.findings == 2
    assert [one.findings for one in read_run_trend(store, limit=9)] == [6, 2]
    assert [one.run_id for one in read_category_trend(store, 7, limit=9)] == ["run 1", "run 2"]


def test_sibling_runs_are_one_run_of_the_trend(store: Store) -> None:
    record_summary(store, make_run("run 1__sibling_1", NOON, [TABLES]))
    record_summary(store, make_run("run 1", NOON, [CHAIRS]))

    (run,) = read_run_trend(store, limit=9)

    assert run.run_id == "run 1"
    assert (run.new, run.resolved, run.variants_judged) == (8, 5, 6)
    assert (run.categories, run.findings) == (2, 12)
    assert [one.category_id for one in read_run_categories(store, "run 1")] == [7]


def test_trend_is_of_the_newest_runs(store: Store) -> None:
    for week in range(5):
        record_summary(store, make_run(f"run {week}", NOON + week * WEEK, [CHAIRS]))

    assert [one.run_id for one in read_run_trend(store, limit=2)] == ["run 3", "run 4"]
    assert [one.run_id for one in read_category_trend(store, 7, limit=2)] == ["run 3", "run 4"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", [7, 8, 70]),
        ("CHAIR", [7, 70]),
        ("  office   chairs ", [70]),
        ("7", [7, 70]),
        ("%", []),
        ("_", []),
        ("कुर्सियाँ", [70]),
        ("\\", []),
    ],
)
def test_categories_are_found_by_name_or_the_beginning_of_their_id(
    store: Store, search: str, found: list[int]
) -> None:
    office = replace(CHAIRS, category_id=70, name="Office chairs / कुर्सियाँ")
    record_summary(store, make_run("run 1", NOON, [CHAIRS, TABLES, office]))

    standings, total = find_standings(
        store, search=search, order=StandingOrder.CATEGORY_ID, is_descending=False
    )

    assert [one.category_id for one in standings] == found
    assert total == len(found)


@pytest.mark.parametrize("order", StandingOrder)
def test_pages_of_categories_have_each_once_in_any_order(
    store: Store, order: StandingOrder
) -> None:
    categories = [
        replace(CHAIRS, category_id=number, name=f"C{number % 3}", findings=number % 4)
        for number in range(1, 24)
    ]
    record_summary(store, make_run("run 1", NOON, categories))

    pages = [
        find_standings(store, order=order, offset=offset, limit=10)[0] for offset in (0, 10, 20)
    ]

    ids = [one.category_id for page in pages for one in page]
    assert sorted(ids) == list(range(1, 24))
    values = [getattr(one, order) for page in pages for one in page]
    assert values == sorted(values, reverse=True)


def test_history_is_forgotten_and_the_present_kept(store: Store) -> None:
    record_summary(store, make_run("run 1", NOON, [CHAIRS, TABLES]))
    record_summary(store, make_run("run 2", NOON + WEEK, [CHAIRS]))

    forgotten = forget_history(store, before=(NOON + WEEK).replace(tzinfo=None))

    assert forgotten == 3
    assert [one.run_id for one in read_run_trend(store, limit=9)] == ["run 2"]
    assert read_category(store, 8) is not None
