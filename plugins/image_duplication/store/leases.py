"""One run at a time owns a category; an owner that has died is forgotten after a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite

from image_duplication.errors import CategoryTakenError
from image_duplication.store.database import Store
from image_duplication.store.schema import LEASE_HOLDERS, LEASES


def now_in_utc() -> datetime:
    """The present moment as the store keeps it: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


class Leases:
    """Takes, keeps and gives back the right to work on categories.

    `owner` is the work, `run_id` the run that does a part of it: the sibling runs of one plan share
    their owner, and the category is free when the last of them has let go.
    """

    def __init__(
        self,
        store: Store,
        *,
        owner: str,
        run_id: str,
        lasting: timedelta,
        now: Callable[[], datetime] = now_in_utc,
    ) -> None:
        self._store = store
        self._owner = owner
        self._run_id = run_id
        self._lasting = lasting
        self._now = now

    def take(self, category_ids: Iterable[int]) -> None:
        """Own all of the categories, or none. Raises CategoryTakenError naming the other owner."""
        with self._store.transaction() as connection:
            # In one order always, so that two takers cannot wait for each other.
            for category_id in sorted(set(category_ids)):
                self._take(connection, category_id)

    def _take(self, connection: sa.Connection, category_id: int) -> None:
        now = self._now()
        this = LEASES.c.category_id == category_id
        # A row that is there can be locked; two takers of one that is not would block each other.
        connection.execute(_insert_free(connection, category_id, now))
        owner, expires_at = connection.execute(
            sa.select(LEASES.c.owner, LEASES.c.expires_at).where(this).with_for_update()
        ).one()
        if owner != self._owner:
            if expires_at > now:
                raise CategoryTakenError(
                    f"category {category_id} is being worked on by {owner!r}, at the latest until "
                    f"{expires_at:%Y-%m-%d %H:%M} UTC; wait for it, or end it and its lease"
                )
            holders = LEASE_HOLDERS.c.category_id == category_id
            connection.execute(LEASE_HOLDERS.delete().where(holders))
        connection.execute(
            LEASES.update().where(this).values(owner=self._owner, expires_at=now + self._lasting)
        )
        self._hold(connection, category_id)

    def _hold(self, connection: sa.Connection, category_id: int) -> None:
        held = sa.select(LEASE_HOLDERS.c.run_id).where(
            LEASE_HOLDERS.c.category_id == category_id, LEASE_HOLDERS.c.run_id == self._run_id
        )
        if connection.execute(held).one_or_none() is None:
            connection.execute(
                LEASE_HOLDERS.insert().values(category_id=category_id, run_id=self._run_id)
            )

    @contextlib.contextmanager
    def owning(self, category_id: int) -> Iterator[None]:
        """Own one category while the block runs, then let go of it. Raises as `take` does."""
        self.take([category_id])
        try:
            yield
        finally:
            self.give_back([category_id])

    def give_back(self, category_ids: Iterable[int]) -> None:
        """Let go; what this run does not hold stays as it is."""
        with self._store.transaction() as connection:
            for category_id in sorted(set(category_ids)):
                holders = LEASE_HOLDERS.c.category_id == category_id
                connection.execute(
                    LEASE_HOLDERS.delete().where(holders, LEASE_HOLDERS.c.run_id == self._run_id)
                )
                is_held = sa.exists().where(holders)
                connection.execute(
                    LEASES.delete().where(
                        LEASES.c.category_id == category_id,
                        LEASES.c.owner == self._owner,
                        ~is_held,
                    )
                )


def read_live_runs(store: Store, *, now: datetime) -> set[str]:
    """The runs, and the lead runs of siblings, that own a category at a moment."""
    query = (
        sa.select(LEASES.c.owner, LEASE_HOLDERS.c.run_id)
        .outerjoin(LEASE_HOLDERS, LEASE_HOLDERS.c.category_id == LEASES.c.category_id)
        .where(LEASES.c.expires_at > now)
    )
    with store.transaction() as connection:
        return {name for row in connection.execute(query) for name in row if name}


def _insert_free(connection: sa.Connection, category_id: int, now: datetime) -> sa.Insert:
    """A lease that nobody owns, unless there is one."""
    values = {"category_id": category_id, "owner": "", "expires_at": now}
    if connection.dialect.name == "sqlite":
        return sqlite.insert(LEASES).values(values).on_conflict_do_nothing()
    return mysql.insert(LEASES).values(values).on_duplicate_key_update(category_id=category_id)
