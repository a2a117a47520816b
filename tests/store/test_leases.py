"""One run at a time owns a category."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from image_duplication.errors import CategoryTakenError
from image_duplication.store.database import Store
from image_duplication.store.leases import Leases, read_live_runs

NOON = datetime(2026, 1, 5, 12)  # noqa: DTZ001 - the store keeps UTC without a zone
HOUR = timedelta(hours=1)


@pytest.fixture
def lease(store: Store) -> Callable[..., Leases]:
    def make(owner: str, run_id: str = "", *, at: datetime = NOON) -> Leases:
        return Leases(store, owner=owner, run_id=run_id or owner, lasting=HOUR, now=lambda: at)

    return make


def test_second_run_is_refused_by_name_until_the_first_gives_back(
    lease: Callable[..., Leases],
) -> None:
    lease("weekly").take([7, 8])

    with pytest.raises(CategoryTakenError, match="category 7 .*'weekly'.*13:00 UTC"):
        lease("manual").take([7])
    lease("manual").take([9])
    lease("weekly").give_back([7, 8])
    lease("manual").take([7])


def test_all_are_taken_or_none(lease: Callable[..., Leases]) -> None:
    lease("weekly").take([8])

    with pytest.raises(CategoryTakenError, match="category 8"):
        lease("manual").take([7, 8, 9])

    lease("third").take([7, 9])


def test_run_may_take_again_what_it_owns(lease: Callable[..., Leases]) -> None:
    lease("weekly").take([7])
    lease("weekly", at=NOON + HOUR / 2).take([7])

    with pytest.raises(CategoryTakenError, match="13:30"):
        lease("manual", at=NOON + HOUR).take([7])


def test_lease_of_a_dead_run_ends_by_itself(lease: Callable[..., Leases]) -> None:
    lease("dead").take([7])
    lease("next", at=NOON + HOUR).take([7])

    with pytest.raises(CategoryTakenError, match="'next'"):
        lease("dead", at=NOON + HOUR).take([7])


def test_siblings_share_a_category_until_the_last_lets_go(lease: Callable[..., Leases]) -> None:
    lease("weekly").take([7])
    lease("weekly", "weekly__sibling_1").take([7])
    lease("weekly").give_back([7])

    with pytest.raises(CategoryTakenError):
        lease("manual").take([7])
    lease("weekly", "weekly__sibling_1").give_back([7])
    lease("manual").take([7])


def test_runs_at_work_are_those_whose_lease_has_not_ended(
    lease: Callable[..., Leases], store: Store
) -> None:
    lease("weekly").take([7])
    lease("weekly", "weekly__sibling_1").take([7, 8])
    lease("manual", at=NOON - HOUR).take([9])

    assert read_live_runs(store, now=NOON + HOUR / 2) == {"weekly", "weekly__sibling_1"}
    assert read_live_runs(store, now=NOON + HOUR) == set()


def test_giving_back_what_another_owns_changes_nothing(lease: Callable[..., Leases]) -> None:
    lease("weekly").take([7])
    lease("manual").give_back([7])

    with pytest.raises(CategoryTakenError):
        lease("manual").take([7])


def test_dead_owners_holders_do_not_keep_the_next_owners_lease(
    lease: Callable[..., Leases],
) -> None:
    lease("dead").take([7])
    lease("next", at=NOON + HOUR).take([7])
    lease("next", at=NOON + HOUR).give_back([7])
    lease("third", at=NOON + HOUR).take([7])


def test_of_runs_that_take_at_once_one_succeeds(lease: Callable[..., Leases]) -> None:
    def take(number: int) -> bool:
        try:
            lease(f"run {number}").take([7])
        except CategoryTakenError:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(take, range(6))) == 1
