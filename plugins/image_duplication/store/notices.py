"""Notices to sellers: who was told when that a variant shows too few pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from image_duplication.store.database import Store
from image_duplication.store.schema import NOTICES

_SETTLED = NOTICES.c.settled_at > NOTICES.c.noticed_at


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice that has not been settled. Times are in UTC, without a zone."""

    notice_id: int
    category_id: int
    variant_id: str
    seller_id: str | None
    noticed_at: datetime


def record_notices(
    store: Store,
    category_id: int,
    sellers: Iterable[tuple[str, str | None]],
    *,
    noticed_at: datetime,
) -> int:
    """Note that sellers were told of variants, given as (variant_id, seller_id); how many are new.

    A variant whose notice is not settled keeps it: the days count from the first one. Nor is there
    a second notice of the same moment, or one before a later one, whether that is settled or not.
    """
    with store.transaction() as connection:
        known = _read_told(connection, category_id, noticed_at)
        new = {variant_id: seller for variant_id, seller in sellers if variant_id not in known}
        if new:
            connection.execute(
                NOTICES.insert(),
                [
                    {
                        "category_id": category_id,
                        "variant_id": variant_id,
                        "seller_id": seller_id,
                        "noticed_at": noticed_at,
                    }
                    for variant_id, seller_id in new.items()
                ],
            )
    return len(new)


def settle_notices(store: Store, notice_ids: Iterable[int], *, settled_at: datetime) -> int:
    """Settle notices, because their variants show enough pictures or are gone; how many were open.

    Whoever is short again later gets a notice, and its days, anew.
    """
    return _close(store, notice_ids, sa.literal(settled_at))


def withdraw_notices(store: Store, notice_ids: Iterable[int]) -> int:
    """Settle notices as of their own moment, so that nobody counts them; how many were open.

    For those that should not have been given: a person has told the pictures apart.
    """
    return _close(store, notice_ids, NOTICES.c.noticed_at)


def read_open_notices(store: Store, category_id: int) -> dict[str, Notice]:
    """A category's notices that are not settled, by variant."""
    query = (
        sa.select(
            NOTICES.c.notice_id,
            NOTICES.c.category_id,
            NOTICES.c.variant_id,
            NOTICES.c.seller_id,
            NOTICES.c.noticed_at,
        )
        .where(NOTICES.c.category_id == category_id, NOTICES.c.settled_at.is_(None))
        # The first notice of a variant comes last and holds, should there ever be two.
        .order_by(NOTICES.c.noticed_at.desc(), NOTICES.c.notice_id.desc())
    )
    with store.transaction() as connection:
        notices = [Notice(**row) for row in connection.execute(query).mappings()]
    return {notice.variant_id: notice for notice in notices}


def count_settled_by_variant(store: Store, category_id: int) -> Counter[str]:
    """How often each of a category's variants had a notice that was settled; withdrawn ones not."""
    query = (
        sa.select(NOTICES.c.variant_id, sa.func.count())
        .where(NOTICES.c.category_id == category_id, _SETTLED)
        .group_by(NOTICES.c.variant_id)
    )
    return _count(store, query)


def count_settled_by_seller(store: Store) -> Counter[str]:
    """How many notices of each seller, in all categories, were settled; withdrawn ones not."""
    query = (
        sa.select(NOTICES.c.seller_id, sa.func.count())
        .where(NOTICES.c.seller_id.is_not(None), _SETTLED)
        .group_by(NOTICES.c.seller_id)
    )
    return _count(store, query)


def _close(store: Store, notice_ids: Iterable[int], settled_at: sa.ColumnElement[datetime]) -> int:
    closed = 0
    close = (
        NOTICES.update()
        .where(NOTICES.c.notice_id == sa.bindparam("this"), NOTICES.c.settled_at.is_(None))
        .values(settled_at=settled_at)
    )
    with store.transaction() as connection:
        for notice_id in notice_ids:
            closed += connection.execute(close, {"this": notice_id}).rowcount
    return closed


def _count(store: Store, query: sa.Select[str, int]) -> Counter[str]:
    with store.transaction() as connection:
        return Counter(dict(connection.execute(query).all()))


def _read_told(connection: sa.Connection, category_id: int, noticed_at: datetime) -> set[str]:
    """The variants that need no notice of a moment."""
    query = (
        sa.select(NOTICES.c.variant_id)
        .where(
            NOTICES.c.category_id == category_id,
            sa.or_(NOTICES.c.settled_at.is_(None), NOTICES.c.noticed_at >= noticed_at),
        )
        .with_for_update()
    )
    return set(connection.scalars(query))
