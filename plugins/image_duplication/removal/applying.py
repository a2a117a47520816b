"""Deactivates the rows of an approved removal, batch by batch, resumable after a kill.

How the source and the store stay in step is explained in docs/decisions/0023.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from image_duplication import layout
from image_duplication.errors import RemovalRefusedError
from image_duplication.records import (
    RemovalKind,
    RemovalRowState,
    RemovalState,
    SkipReason,
)
from image_duplication.removal.checks import (
    Check,
    ImageChecks,
    VariantChecks,
    kept_picture,
    redundant_picture,
)
from image_duplication.removal.contents import (
    FindChanged,
    ListedPicture,
    find_judged_otherwise,
    read_pictures,
)
from image_duplication.removal.manifest import SCHEMAS, check_manifest, read_proposal
from image_duplication.removal.outcome import RemovalOutcome, RowCounts, sum_up
from image_duplication.removal.proposing import is_above
from image_duplication.removal.source_records import (
    DEACTIVATE,
    read_images,
    read_variants,
    sign_images,
)
from image_duplication.removal.writer import Writer, WriterTransaction
from image_duplication.reviewed_verdicts import find_short_variants
from image_duplication.reviews import Reviews
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.decisions import read_current
from image_duplication.store.leases import now_in_utc
from image_duplication.store.notices import read_open_notices
from image_duplication.store.removal_rows import (
    RemovalRow,
    advance_rows,
    count_rows,
    read_holdings,
    read_progress,
    write_progress,
)
from image_duplication.store.removals import (
    Removal,
    begin_applying,
    finish_applying,
    read_removal,
)
from image_duplication.tables import Row, read_rows

logger = logging.getLogger(__name__)

Batch = dict[int, Row]
"""Rows of a manifest by their place in it."""

_FINISHED = {RemovalState.APPLIED, RemovalState.PARTLY_APPLIED}
_PROGRESS_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class _Work:
    """What applying one removal needs."""

    storage: Storage
    settings: Settings
    store: Store
    writer: Writer
    removal: Removal
    find_changed: FindChanged | None
    is_dry: bool
    now: Callable[[], datetime]


def apply_removal(
    storage: Storage,
    settings: Settings,
    store: Store,
    writer: Writer,
    *,
    removal_id: str,
    is_dry: bool = True,
    find_changed: FindChanged | None = None,
    now: Callable[[], datetime] = now_in_utc,
) -> RemovalOutcome:
    """Deactivate the rows of a removal that still are what its manifest says; safe to repeat.

    A dry run does the same checks, needs no approval and changes nothing.
    `find_changed` is asked before each batch is locked; without it, images are compared with their
    latest judgement. Raises RemovalRefusedError when the approval does not suffice or the manifest
    is not what was approved.
    """
    removal = read_removal(store, removal_id)
    check_manifest(storage, removal_id, removal.manifest_sha256)
    if not is_dry:
        if removal.state not in _FINISHED:
            _check_share(storage, settings, removal)
        removal = begin_applying(
            store,
            removal_id,
            began_at=now(),
            require_second_person=settings.removal.require_second_person,
        )
        if removal.state in _FINISHED:
            logger.info("removal %s: done before", removal_id)
            return sum_up(removal, count_rows(store, removal_id))
    work = _Work(storage, settings, store, writer, removal, find_changed, is_dry, now)
    counts = _apply_batches(work)
    if not is_dry:
        is_whole = all(state is RemovalRowState.APPLIED for _, state, _ in counts)
        removal = finish_applying(store, removal_id, is_whole=is_whole, finished_at=now())
    outcome = sum_up(removal, counts, is_dry=is_dry)
    logger.info(
        "removal %s%s: %d of %d rows deactivated, %d skipped",
        removal_id,
        " (dry run)" if is_dry else "",
        outcome.applied,
        outcome.rows,
        outcome.skipped,
    )
    return outcome


def _check_share(storage: Storage, settings: Settings, removal: Removal) -> None:
    """Raise RemovalRefusedError when the allowed share has become less than the proposal knew."""
    max_share = settings.removal.max_share
    for category in read_proposal(storage, removal.removal_id).categories:
        is_too_much = is_above(category.rows, category.active, max_share)
        if is_too_much and not category.needs_confirmation:
            raise RemovalRefusedError(
                f"removal {removal.removal_id} takes {category.rows} of {category.active} rows of "
                f"category {category.category_id}; removal.max_share now allows {max_share}: "
                "propose again"
            )


def _apply_batches(work: _Work) -> RowCounts:
    counts: RowCounts = Counter()
    done, said_at = 0, time.monotonic()
    for batch in _read_batches(work):
        for row in _apply_batch(work, batch):
            counts[row.category_id, row.state, row.reason_code] += 1
        done += len(batch)
        if time.monotonic() - said_at > _PROGRESS_EVERY_S:
            said_at = time.monotonic()
            share = done / work.removal.manifest_rows
            logger.info("removal %s: %d rows, %.0f%%", work.removal.removal_id, done, 100 * share)
    return counts


def _read_batches(work: _Work) -> Iterator[Batch]:
    key = layout.removal_manifest(work.removal.removal_id)
    numbered = enumerate(read_rows(work.storage, key, SCHEMAS[work.removal.kind]))
    while batch := dict(itertools.islice(numbered, work.settings.removal.batch_rows)):
        yield batch


# One batch --------------------------------------------------------------------------------------


def _apply_batch(work: _Work, batch: Batch) -> list[RemovalRow]:
    """Deactivate what can be of one batch; what became of each row."""
    if not _find_waiting(batch, _read_progress(work, batch)):
        return list(_read_progress(work, batch).values())
    # Asked before anything is locked: an answer may take a while.
    changed = _find_changed(work, _list_pictures(work, batch))
    withdrawn = _find_withdrawals(work, batch)
    with work.writer.transaction(is_dry=work.is_dry) as transaction:
        check = _prepare_checks(work, transaction, batch, changed)
        # Only now that the rows are locked can no other try of the same removal change it.
        progress = _read_progress(work, batch)
        judged = {
            place: _judge(
                place, row, check(row, _find_started(progress.get(place)), withdrawn.get(place))
            )
            for place, row in _find_waiting(batch, progress).items()
        }
        _leave_to_other_removals(work, judged)
        to_do = {p: row for p, row in judged.items() if row.state is RemovalRowState.STARTED}
        if not work.is_dry:
            # Known to the store before the source changes, so that a kill between the two commits
            # leaves no row of which nobody knows who deactivated it.
            _record(work, list(judged.values()))
            keys = [row.row_key for row in to_do.values() if row.row_key is not None]
            transaction.change_rows(DEACTIVATE[work.removal.kind], keys)
    if not work.is_dry:
        advance_rows(
            work.store,
            work.removal.removal_id,
            list(to_do),
            of=RemovalRowState.STARTED,
            to=RemovalRowState.APPLIED,
            changed_at=work.now(),
        )
    applied = {p: replace(row, state=RemovalRowState.APPLIED) for p, row in to_do.items()}
    return list((progress | judged | applied).values())


def _read_progress(work: _Work, batch: Batch) -> dict[int, RemovalRow]:
    return read_progress(work.store, work.removal.removal_id, min(batch), max(batch))


def _find_waiting(batch: Batch, progress: dict[int, RemovalRow]) -> Batch:
    """The rows of a batch that have no final state."""
    return {
        place: row
        for place, row in batch.items()
        if place not in progress or progress[place].state is RemovalRowState.STARTED
    }


def _find_started(row: RemovalRow | None) -> str | None:
    return None if row is None else row.row_key


def _list_pictures(work: _Work, batch: Batch) -> frozenset[ListedPicture]:
    """The pictures whose content the batch relies on."""
    if work.removal.kind is RemovalKind.IMAGES:
        rows = batch.values()
        return frozenset(p for row in rows for p in (redundant_picture(row), kept_picture(row)))
    if work.find_changed is None:  # the latest judgement says nothing new of itself
        return frozenset()
    variants = [(row["category_id"], row["variant_id"]) for row in batch.values()]
    return read_pictures(work.storage, variants)


def _find_changed(work: _Work, pictures: AbstractSet[ListedPicture]) -> AbstractSet[ListedPicture]:
    if work.find_changed is None:
        return find_judged_otherwise(work.storage, pictures)
    return work.find_changed(pictures)


def _find_withdrawals(work: _Work, batch: Batch) -> dict[int, SkipReason]:
    """The rows of a batch, by their place, that rest on nothing any more, and why.

    Read anew for each batch: people go on deciding while a removal is at work.
    """
    is_of_images = work.removal.kind is RemovalKind.IMAGES
    find = _find_withdrawn_images if is_of_images else _find_withdrawn_variants
    by_category: defaultdict[int, Batch] = defaultdict(dict)
    for place, row in batch.items():
        by_category[row["category_id"]][place] = row
    return {
        place: reason
        for category_id, rows in by_category.items()
        for place, reason in find(work, category_id, rows)
    }


def _find_withdrawn_images(
    work: _Work, category_id: int, rows: Batch
) -> Iterator[tuple[int, SkipReason]]:
    reviews = _read_reviews(work, category_id)
    for place, row in rows.items():
        if not reviews.still_accepts(row):
            yield place, SkipReason.DECISION_CHANGED


def _find_withdrawn_variants(
    work: _Work, category_id: int, rows: Batch
) -> Iterator[tuple[int, SkipReason]]:
    open_notices = {n.notice_id for n in read_open_notices(work.store, category_id).values()}
    required = {row["variant_id"]: row["required"] for row in rows.values()}
    reviews = _read_reviews(work, category_id)
    short = find_short_variants(work.storage, category_id, required, reviews)
    for place, row in rows.items():
        if row["notice_id"] not in open_notices:
            yield place, SkipReason.NOTICE_SETTLED
        elif row["variant_id"] not in short:
            yield place, SkipReason.NOT_SHORT


def _read_reviews(work: _Work, category_id: int) -> Reviews:
    return Reviews.of(read_current(work.store, category_id), allows_unreviewed_identical=True)


def _prepare_checks(
    work: _Work, transaction: WriterTransaction, batch: Batch, changed: AbstractSet[ListedPicture]
) -> Callable[[Row, str | None, SkipReason | None], Check]:
    """Lock the source's rows of a batch; how each row of the batch is checked against them."""
    variant_ids = {row["variant_id"] for row in batch.values()}
    if work.removal.kind is RemovalKind.IMAGES:
        zone = ZoneInfo(work.settings.source.timezone)
        return ImageChecks(read_images(transaction, variant_ids, zone), changed).check
    # In the order of a removal of images, so that none waits for another.
    signatures = sign_images(transaction, variant_ids)
    return VariantChecks(read_variants(transaction, variant_ids), signatures, changed).check


def _judge(place: int, row: Row, check: Check) -> RemovalRow:
    if check.is_done:
        state = RemovalRowState.APPLIED
    else:
        state = RemovalRowState.SKIPPED if check.reason else RemovalRowState.STARTED
    return RemovalRow(
        manifest_row=place,
        category_id=row["category_id"],
        variant_id=row["variant_id"],
        image_id=row.get("image_id"),
        state=state,
        row_key=check.row_key,
        reason_code=check.reason,
    )


def _leave_to_other_removals(work: _Work, judged: dict[int, RemovalRow]) -> None:
    """Skip the rows that another removal was broken off at: it may yet take them."""
    keys = [row.row_key for row in judged.values() if row.row_key is not None]
    holdings = read_holdings(work.store, work.removal.kind, work.removal.removal_id, keys)
    taken = {h.row_key for h in holdings if h.state is RemovalRowState.STARTED}
    for place, row in judged.items():
        if row.row_key in taken and row.state is RemovalRowState.STARTED:
            judged[place] = replace(
                row,
                state=RemovalRowState.SKIPPED,
                row_key=None,
                reason_code=SkipReason.IN_ANOTHER_REMOVAL,
            )


def _record(work: _Work, rows: Sequence[RemovalRow]) -> None:
    write_progress(
        work.store,
        work.removal.removal_id,
        rows,
        during=RemovalState.APPLYING,
        changed_at=work.now(),
    )
