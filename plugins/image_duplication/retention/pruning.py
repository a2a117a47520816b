"""Deletes what a manifest lists and is still not needed; safe to repeat, and after a kill."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from image_duplication import layout
from image_duplication.records import RetentionKind
from image_duplication.retention.archive import Archive
from image_duplication.retention.keeping import IsActive, Keeping
from image_duplication.retention.known_files import is_plan_record
from image_duplication.retention.planning import (
    LEFT_ALONE,
    FileCount,
    Owning,
    describe_counts,
)
from image_duplication.settings import Settings
from image_duplication.storage import Storage, StoredFile
from image_duplication.store.database import Store
from image_duplication.tables import RETENTION_MANIFEST, Row, read_rows

logger = logging.getLogger(__name__)

_AT_ONCE = 16  # requests to object storage under way
_BATCH_FILES = 1_000


@dataclass(slots=True)
class RetentionOutcome:
    """What was deleted, by kind.

    `left` are files of the manifest that changed or are needed again; `gone` were not there, as
    after an earlier try.
    """

    run_id: str
    deleted: dict[str, FileCount]
    left: int = 0
    gone: int = 0
    categories_left_alone: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The outcome as plain JSON values."""
        return asdict(self)

    def describe(self) -> str:
        """The outcome in words, for a log."""
        return "\n".join(
            [
                *describe_counts("deleted", self.deleted),
                f"left, for they changed or are needed again: {self.left}",
                f"gone before: {self.gone}",
                *(f"category {c} left alone: {w}" for c, w in self.categories_left_alone.items()),
            ]
        )


def prune_files(
    storage: Storage,
    settings: Settings,
    store: Store,
    *,
    run_id: str,
    owning: Owning,
    is_active: IsActive,
    now: datetime,
) -> RetentionOutcome:
    """Delete the files of a run's manifest, each after it is judged anew; write the outcome.

    A file that changed since, or that something needs again, stays. Raises MissingArtefactError
    when there is no manifest.
    """
    keeping = Keeping(storage, settings.retention, store, is_active=is_active, now=now)
    archive = Archive(storage, settings, store, kept_runs=keeping.kept_runs, now=now)
    outcome = RetentionOutcome(run_id, {kind.value: FileCount() for kind in RetentionKind})
    rows = read_rows(storage, layout.retention_manifest(run_id), RETENTION_MANIFEST)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        deletion = _Deletion(storage, pool, outcome)
        # What is deleted at once has no order: the records of plans go when all else is gone.
        for (category_id, _), group in itertools.groupby(rows, key=_group_of):
            if category_id is None:
                old = (row for row in group if deletion.check(keeping, row))
                deletion.delete(old)
            else:
                deletion.delete_pictures(category_id, group, archive, owning)
    storage.write_json(layout.retention_record(run_id, "outcome"), outcome.to_json())
    logger.info("run %s\n%s", run_id, outcome.describe())
    return outcome


@dataclass(frozen=True, slots=True)
class _Deletion:
    """Deletes files in batches, many at once, and counts them."""

    storage: Storage
    pool: ThreadPoolExecutor
    outcome: RetentionOutcome

    def check(self, keeping: Keeping, row: Row) -> bool:
        """Whether a file that is no archived picture may still go; counts it when not."""
        may_go = keeping.may_go(RetentionKind(row["kind"]), _listed(row))
        self.outcome.left += not may_go
        return may_go

    def delete_pictures(
        self, category_id: int, rows: Iterable[Row], archive: Archive, owning: Owning
    ) -> None:
        """Delete a category's pictures while no run works on it."""
        listed = list(rows)
        try:
            with owning(category_id):
                keys = archive.find_still_unneeded(category_id, [row["key"] for row in listed])
                self.outcome.left += len(listed) - len(keys)
                still = frozenset(keys)
                self.delete(row for row in listed if row["key"] in still)
        except LEFT_ALONE as error:
            logger.warning("category %s is left alone: %s", category_id, error)
            self.outcome.categories_left_alone[str(category_id)] = str(error)

    def delete(self, rows: Iterable[Row]) -> None:
        """Delete those files that are still as they were listed."""
        for batch in _batches(rows):
            for row, found in zip(batch, self.pool.map(self._delete, batch), strict=True):
                if found is None:
                    self.outcome.gone += 1
                elif found:
                    self.outcome.deleted[row["kind"]].add(row["size_bytes"])
                else:
                    self.outcome.left += 1
            self._delete_empty_folders(row["key"] for row in batch)

    def _delete(self, row: Row) -> bool | None:
        """Whether the file was deleted; None when there was none."""
        found = self.storage.find_file(row["key"])
        if found is None:
            return None
        if not found.is_unchanged(_listed(row)):
            return False
        self.storage.delete(row["key"])
        return True

    def _delete_empty_folders(self, keys: Iterable[str]) -> None:
        folders = {key.rpartition("/")[0] for key in keys}
        while folders := {folder for folder in folders if "/" in folder}:
            for folder in folders:
                self.storage.delete_empty_folder(folder)
            folders = {folder.rpartition("/")[0] for folder in folders}


def _group_of(row: Row) -> tuple[int | None, bool]:
    return row["category_id"], is_plan_record(row["key"])


def _listed(row: Row) -> StoredFile:
    return StoredFile(row["key"], row["size_bytes"], row["modified_at"])


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while batch := list(itertools.islice(left, _BATCH_FILES)):
        yield batch
