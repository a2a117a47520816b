"""Notices to sellers: the days count from the first, and anew once settled."""

from __future__ import annotations

from datetime import datetime, timedelta

from image_duplication.store.database import Store
from image_duplication.store.notices import read_open_notices, record_notices, settle_notices

NOON = datetime(2026, 1, 5, 12)  # noqa: DTZ001 - the store keeps UTC without a zone
WEEK = timedelta(days=7)


def test_first_notice_of_a_variant_holds(store: Store) -> None:
    assert record_notices(store, 7, [("v1", "s1"), ("v2", None)], noticed_at=NOON) == 2
    assert record_notices(store, 7, [("v1", "s1"), ("v3", "s1")], noticed_at=NOON + WEEK) == 1

    found = {n.variant_id: n.noticed_at for n in read_open_notices(store, 7).values()}
    assert found == {"v1": NOON, "v2": NOON, "v3": NOON + WEEK}


def test_variant_that_is_short_again_gets_its_days_anew(store: Store) -> None:
    record_notices(store, 7, [("v1", "s1"), ("v2", "s1")], noticed_at=NOON)

    assert settle_notices(store, 7, short={"v2"}, settled_at=NOON + WEEK) == 1
    assert read_open_notices(store, 7).keys() == {"v2"}
    record_notices(store, 7, [("v1", "s1")], noticed_at=NOON + 2 * WEEK)
    assert read_open_notices(store, 7)["v1"].noticed_at == NOON + 2 * WEEK


def test_other_categories_and_ids_of_other_case_are_apart(store: Store) -> None:
    record_notices(store, 7, [("v1", "s1"), ("V1", "s1")], noticed_at=NOON)
    record_notices(store, 8, [("v1", "s1")], noticed_at=NOON)
    settle_notices(store, 7, short=set(), settled_at=NOON)

    assert read_open_notices(store, 7) == {}
    assert read_open_notices(store, 8).keys() == {"v1"}
