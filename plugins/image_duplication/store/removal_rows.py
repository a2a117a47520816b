"""What became of each row of a removal's manifest, written batch by batch while it is at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from image_duplication.errors import RemovalRefusedError
from image_duplication.records import RemovalKind, RemovalRowState, RemovalState, SkipReason
from image_duplication.store.database import Store
from image_duplication.store.schema import REMOVAL_ROWS, REMOVALS

_HOLDING = (RemovalRowState.STARTED, RemovalRowState.APPLIED)


@dataclass(frozen=True, slots=True)
class RemovalRow:
    """One row of a manifest: its place there, whose it is, and what became of it.

    `row_key` names the source's row that is deactivated; `image_id` is None for a variant;
    `changed_at` is when it took its state, and None while it is not recorded.
    """

    manifest_row: int
    category_id: int
    variant_id: str
    image_id: str | None
    state: RemovalRowState
    row_key: str | None = None
    reason_code: SkipReason | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A source's row that another removal has deactivated, or was about to."""

    removal_id: str
    row_key: str
    state: RemovalRowState
    changed_at: datetime


def read_progress(store: Store, removal_id: str, first: int, last: int) -> dict[int, RemovalRow]:
    """The rows from place `first` to `last` that have a state, by place."""
    query = sa.select(REMOVAL_ROWS).where(
        REMOVAL_ROWS.c.removal_id == removal_id,
        REMOVAL_ROWS.c.manifest_row.between(first, last),
    )
    with store.transaction() as connection:
        rows = connection.execute(query).mappings().all()
    return {row["manifest_row"]: _of_row(row) for row in rows}


def read_batch_to_restore(
    store: Store, removal_id: str, *, after: int, limit: int
) -> list[RemovalRow]:
    """The next rows, by place, that a restore has to look at."""
    to_do = (RemovalRowState.STARTED, RemovalRowState.APPLIED, RemovalRowState.RESTORING)
    query = (
        sa.select(REMOVAL_ROWS)
        .where(
            REMOVAL_ROWS.c.removal_id == removal_id,
            REMOVAL_ROWS.c.manifest_row > after,
            REMOVAL_ROWS.c.state.in_([str(state) for state in to_do]),
        )
        .order_by(REMOVAL_ROWS.c.manifest_row)
        .limit(limit)
    )
    with store.transaction() as connection:
        return [_of_row(row) for row in connection.execute(query).mappings()]


def read_holdings(
    store: Store, kind: RemovalKind, removal_id: str, row_keys: Sequence[str]
) -> list[Holding]:
    """Which of the source's rows other removals of a kind have started on, or deactivated."""
    if not row_keys:
        return []
    query = (
        sa.select(
            REMOVAL_ROWS.c.removal_id,
            REMOVAL_ROWS.c.row_key,
            REMOVAL_ROWS.c.state,
            REMOVAL_ROWS.c.changed_at,
        )
        .join(REMOVALS, REMOVALS.c.removal_id == REMOVAL_ROWS.c.removal_id)
        .where(
            REMOVAL_ROWS.c.row_key.in_(row_keys),
            REMOVAL_ROWS.c.removal_id != removal_id,
            REMOVAL_ROWS.c.state.in_([str(state) for state in _HOLDING]),
            REMOVALS.c.kind == str(kind),
        )
    )
    with store.transaction() as connection:
        return [
            Holding(found, row_key, RemovalRowState(state), changed_at)
            for found, row_key, state, changed_at in connection.execute(query)
        ]


def write_progress(
    store: Store,
    removal_id: str,
    rows: Iterable[RemovalRow],
    *,
    during: RemovalState,
    changed_at: datetime,
) -> None:
    """Give rows their state, all or none, whatever state they had.

    Raises RemovalRefusedError when the removal is not, or no longer, in the state `during`.
    """
    recorded = list(rows)
    values = [
        {
            "removal_id": removal_id,
            "manifest_row": row.manifest_row,
            "category_id": row.category_id,
            "variant_id": row.variant_id,
            "image_id": row.image_id,
            "row_key": row.row_key,
            "state": str(row.state),
            "reason_code": None if row.reason_code is None else str(row.reason_code),
            "changed_at": changed_at,
        }
        for row in recorded
    ]
    with store.transaction() as connection:
        # Locked: a restore begins before these rows are written, and stops them, or sees them all.
        state = connection.scalar(
            sa.select(REMOVALS.c.state).where(REMOVALS.c.removal_id == removal_id).with_for_update()
        )
        if state != during:
            raise RemovalRefusedError(
                f"removal {removal_id} has become {state!r} meanwhile; expected {during.value!r}"
            )
        if values:
            places = [row.manifest_row for row in recorded]
            connection.execute(REMOVAL_ROWS.delete().where(_at(removal_id, places)))
            connection.execute(REMOVAL_ROWS.insert(), values)


def advance_rows(
    store: Store,
    removal_id: str,
    places: Sequence[int],
    *,
    of: RemovalRowState,
    to: RemovalRowState,
    changed_at: datetime,
) -> None:
    """Take rows from one state to the next; those that are in another by now stay in it."""
    if not places:
        return
    with store.transaction() as connection:
        connection.execute(
            REMOVAL_ROWS.update()
            .where(_at(removal_id, places), REMOVAL_ROWS.c.state == str(of))
            .values(state=str(to), changed_at=changed_at)
        )


def count_rows(
    store: Store, removal_id: str
) -> Counter[tuple[int, RemovalRowState, SkipReason | None]]:
    """How many rows of a removal are in a state, by category, state and reason."""
    columns = (REMOVAL_ROWS.c.category_id, REMOVAL_ROWS.c.state, REMOVAL_ROWS.c.reason_code)
    query = (
        sa.select(*columns, sa.func.count())
        .where(REMOVAL_ROWS.c.removal_id == removal_id)
        .group_by(*columns)
    )
    with store.transaction() as connection:
        return Counter(
            {
                (category_id, RemovalRowState(state), reason and SkipReason(reason)): count
                for category_id, state, reason, count in connection.execute(query)
            }
        )


def _at(removal_id: str, places: Sequence[int]) -> sa.ColumnElement[bool]:
    return sa.and_(REMOVAL_ROWS.c.removal_id == removal_id, REMOVAL_ROWS.c.manifest_row.in_(places))


def _of_row(row: sa.RowMapping) -> RemovalRow:
    return RemovalRow(
        manifest_row=row["manifest_row"],
        category_id=row["category_id"],
        variant_id=row["variant_id"],
        image_id=row["image_id"],
        state=RemovalRowState(row["state"]),
        row_key=row["row_key"],
        reason_code=row["reason_code"] and SkipReason(row["reason_code"]),
        changed_at=row["changed_at"],
    )
