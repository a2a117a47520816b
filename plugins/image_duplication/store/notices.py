"""Notices to sellers: who was told when that a variant shows too few pictures."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from image_duplication.store.database import Store
from image_duplication.store.schema import NOTICES


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

    A variant whose notice is not settled keeps it: the days count from the first one.
    """
    with store.transaction() as connection:
        known = {notice.variant_id for notice in _read_open(connection, category_id)}
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


def settle_notices(
    store: Store, category_id: int, *, short: AbstractSet[str], settled_at: datetime
) -> int:
    """Settle the notices of a category's variants that are not among the short ones; how many.

    Whoever is short again later gets a notice, and its days, anew.
    """
    with store.transaction() as connection:
        settled = [
            {"this": notice.notice_id}
            for notice in _read_open(connection, category_id)
            if notice.variant_id not in short
        ]
        if settled:
            this = NOTICES.c.notice_id == sa.bindparam("this")
            connection.execute(NOTICES.update().where(this).values(settled_at=settled_at), settled)
    return len(settled)


def read_open_notices(store: Store, category_id: int) -> dict[str, Notice]:
    """A category's notices that are not settled, by variant."""
    with store.transaction() as connection:
        return {notice.variant_id: notice for notice in _read_open(connection, category_id)}


def _read_open(connection: sa.Connection, category_id: int) -> list[Notice]:
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
        .with_for_update()
    )
    return [Notice(**row) for row in connection.execute(query).mappings()]
