"""Undoes a removal: activates again exactly the rows that it deactivated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from image_duplication.records import (
    RemovalRowState,
    RemovalState,
    SkipReason,
)
from image_duplication.removal.outcome import RemovalOutcome, sum_up
from image_duplication.removal.source_records import REACTIVATE, SourceRecord, read_records
from image_duplication.removal.writer import Writer
from image_duplication.settings import Settings
from image_duplication.store.database import Store
from image_duplication.store.leases import now_in_utc
from image_duplication.store.removal_rows import (
    RemovalRow,
    advance_rows,
    count_rows,
    read_batch_to_restore,
    read_holdings,
    write_progress,
)
from image_duplication.store.removals import (
    Removal,
    begin_restoring,
    check_restorable,
    finish_restoring,
    read_removal,
)

logger = logging.getLogger(__name__)


def restore_removal(
    settings: Settings,
    store: Store,
    writer: Writer,
    *,
    removal_id: str,
    restored_by: str,
    note: str = "",
    is_dry: bool = False,
    now: Callable[[], datetime] = now_in_utc,
) -> RemovalOutcome:
    """Activate what a removal deactivated and is still inactive; safe to repeat.

    A row that a later removal deactivated again stays inactive. A dry run looks at the same rows
    and changes nothing. Raises RemovalRefusedError when nothing of the removal can have been
    applied.
    """
    if is_dry:
        removal = read_removal(store, removal_id)
        check_restorable(removal)
    else:
        removal = begin_restoring(store, removal_id, restored_by=restored_by, note=note)
    after = -1
    limit = settings.removal.batch_rows
    zone = ZoneInfo(settings.source.timezone)
    counts = count_rows(store, removal_id)
    while rows := read_batch_to_restore(store, removal_id, after=after, limit=limit):
        counts.subtract((row.category_id, row.state, row.reason_code) for row in rows)
        judged = _restore_batch(store, writer, removal, rows, zone, now, is_dry=is_dry)
        counts.update((row.category_id, row.state, row.reason_code) for row in judged)
        after = rows[-1].manifest_row
    if not is_dry:
        removal = finish_restoring(store, removal_id, finished_at=now())
        counts = count_rows(store, removal_id)
    outcome = sum_up(removal, +counts, is_dry=is_dry)
    logger.info(
        "removal %s%s: %d rows active again, %d left as they are",
        removal_id,
        " (dry run)" if is_dry else "",
        outcome.restored,
        outcome.left,
    )
    return outcome


def _restore_batch(
    store: Store,
    writer: Writer,
    removal: Removal,
    rows: Sequence[RemovalRow],
    zone: ZoneInfo,
    now: Callable[[], datetime],
    *,
    is_dry: bool,
) -> list[RemovalRow]:
    """Activate what can be of one batch; what becomes of each row."""
    removal_id = removal.removal_id
    with writer.transaction(is_dry=is_dry) as transaction:
        variant_ids = {row.variant_id for row in rows}
        records = {
            record.row_key: record
            for record in read_records(transaction, removal.kind, variant_ids, zone)
        }
        again = _find_removed_again(store, removal, rows)
        judged = [_judge(row, records.get(row.row_key or ""), again) for row in rows]
        to_do = [row for row in judged if row.state is RemovalRowState.RESTORING]
        if not is_dry:
            write_progress(
                store, removal_id, judged, during=RemovalState.RESTORING, changed_at=now()
            )
            keys = [row.row_key for row in to_do if row.row_key is not None]
            transaction.change_rows(REACTIVATE[removal.kind], keys)
    if not is_dry:
        advance_rows(
            store,
            removal_id,
            [row.manifest_row for row in to_do],
            of=RemovalRowState.RESTORING,
            to=RemovalRowState.RESTORED,
            changed_at=now(),
        )
    return [
        replace(row, state=RemovalRowState.RESTORED)
        if row.state is RemovalRowState.RESTORING
        else row
        for row in judged
    ]


def _find_removed_again(
    store: Store, removal: Removal, rows: Sequence[RemovalRow]
) -> frozenset[str]:
    """The source's rows that another removal deactivated after this one."""
    since = {row.row_key: row.changed_at for row in rows}
    keys = [row.row_key for row in rows if row.row_key is not None]
    return frozenset(
        holding.row_key
        for holding in read_holdings(store, removal.kind, removal.removal_id, keys)
        if (changed_at := since[holding.row_key]) is None or holding.changed_at > changed_at
    )


def _judge(row: RemovalRow, record: SourceRecord | None, again: frozenset[str]) -> RemovalRow:
    if record is None or (record.variant_id, record.image_id) != (row.variant_id, row.image_id):
        return _leave(row, SkipReason.ROW_MISSING)
    if record.is_active:
        if row.state is RemovalRowState.RESTORING:  # by this restore, before it was broken off
            return replace(row, state=RemovalRowState.RESTORED)
        was_started = row.state is RemovalRowState.STARTED
        return _leave(row, SkipReason.NOT_REMOVED if was_started else SkipReason.ALREADY_ACTIVE)
    if record.is_active is None:
        return _leave(row, SkipReason.ROW_CHANGED)
    if record.row_key in again:
        return _leave(row, SkipReason.REMOVED_AGAIN)
    return replace(row, state=RemovalRowState.RESTORING)


def _leave(row: RemovalRow, reason: SkipReason) -> RemovalRow:
    return replace(row, state=RemovalRowState.LEFT, reason_code=reason)
