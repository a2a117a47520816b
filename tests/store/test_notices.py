"""Notices to sellers: the days count from the first, and anew once settled."""

from __future__ import annotations

from datetime import datetime, timedelta

from image_duplication.store.database import Store
from image_duplication.store.notices import (
    count_settled_by_seller,
    count_settled_by_variant,
    read_open_notices,
    record_notices,
    settle_notices,
    withdraw_notices,
)

NOON = datetime(2026, 1, 5, 12)  # noqa: DTZ001 - the store keeps UTC without a zone
WEEK = timedelta(days=7)


def test_first_notice_of_a_variant_holds(store: Store) -> None:
    assert record_notices(store, 7, [("v1", "s1"), ("v2", None)], noticed_at=NOON) == 2
    assert record_notices(store, 7, [("v1", "s1"), ("v3", "s1")], noticed_at=NOON + WEEK) == 1

    found = {n.variant_id: n.noticed_at for n in read_open_notices(store, 7).values()}
    assert found == {"v1": NOON, "v2": NOON, "v3": NOON + WEEK}


def settle(store: Store, *variant_ids: str, settled_at: datetime) -> int:
    notices = read_open_notices(store, 7)
    return settle_notices(store, [notices[v].notice_id for v in variant_ids], settled_at=settled_at)


def test_variant_that_is_short_again_gets_its_days_anew(store: Store) -> None:
    record_notices(store, 7, [("v1", "s1"), ("v2", "s1")], noticed_at=NOON)

    assert settle(store, "v1", settled_at=NOON + WEEK) == 1
    assert read_open_notices(store, 7).keys() == {"v2"}
    record_notices(store, 7, [("v1", "s1")], noticed_at=NOON + 2 * WEEK)
    assert read_open_notices(store, 7)["v1"].noticed_at == NOON + 2 * WEEK


def test_notice_is_settled_once(store: Store) -> None:
    record_notices(store, 7, [("v1", "s1")], noticed_at=NOON)
    notice_id = read_open_notices(store, 7)["v1"].notice_id

    assert settle_notices(store, [notice_id], settled_at=NOON + WEEK) == 1
    assert settle_notices(store, [notice_id], settled_at=NOON + 2 * WEEK) == 0
    assert withdraw_notices(store, [notice_id]) == 0
    assert count_settled_by_variant(store, 7) == {"v1": 1}


def test_notice_of_a_moment_is_not_given_again_once_it_is_settled(store: Store) -> None:
    record_notices(store, 7, [("v1", "s1")], noticed_at=NOON)
    settle(store, "v1", settled_at=NOON + WEEK)

    assert record_notices(store, 7, [("v1", "s1")], noticed_at=NOON) == 0
    assert record_notices(store, 7, [("v1", "s1")], noticed_at=NOON - WEEK) == 0
    assert read_open_notices(store, 7) == {}


def test_settled_notices_are_counted_by_variant_and_by_seller(store: Store) -> None:
    for week in range(2):
        told = NOON + 2 * week * WEEK
        record_notices(store, 7, [("v1", "s1"), ("v2", None), ("v3", "s1")], noticed_at=told)
        settle(store, "v1", "v2", settled_at=told + WEEK)
    record_notices(store, 8, [("v1", "s1"), ("v4", "s2")], noticed_at=NOON)
    settle_notices(store, [read_open_notices(store, 8)["v1"].notice_id], settled_at=NOON + WEEK)

    assert count_settled_by_variant(store, 7) == {"v1": 2, "v2": 2}
    assert count_settled_by_seller(store) == {"s1": 3}


def test_withdrawn_notice_is_neither_open_nor_counted(store: Store) -> None:
    record_notices(store, 7, [("v1", "s1")], noticed_at=NOON)

    assert withdraw_notices(store, [read_open_notices(store, 7)["v1"].notice_id]) == 1
    assert read_open_notices(store, 7) == {}
    assert count_settled_by_variant(store, 7) == count_settled_by_seller(store) == {}
    record_notices(store, 7, [("v1", "s1")], noticed_at=NOON + WEEK)
    assert read_open_notices(store, 7)["v1"].noticed_at == NOON + WEEK


def test_other_categories_and_ids_of_other_case_are_apart(store: Store) -> None:
    record_notices(store, 7, [("v1", "s1"), ("V1", "s1")], noticed_at=NOON)
    record_notices(store, 8, [("v1", "s1")], noticed_at=NOON)
    settle(store, "v1", "V1", settled_at=NOON)

    assert read_open_notices(store, 7) == {}
    assert read_open_notices(store, 8).keys() == {"v1"}
