"""Which archived pictures nothing refers to any more, and for how long.

A picture is told by its variant's folder and the beginning of its content hash, whatever image had
it: that keeps one too many rather than one too few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from image_duplication import layout
from image_duplication.errors import SchemaError
from image_duplication.evidence_rows import EVIDENCE
from image_duplication.records import RemovalKind, RemovalState, RetentionKind
from image_duplication.removal.manifest import read_proposal
from image_duplication.retention.keeping import RunFolder
from image_duplication.retention.known_files import find_kind
from image_duplication.settings import Settings
from image_duplication.storage import Storage, StoredFile
from image_duplication.store.database import Store
from image_duplication.store.decisions import read_current
from image_duplication.store.removals import Removal, read_removals
from image_duplication.tables import (
    DOWNLOADED,
    JUDGED,
    REMOVED_IMAGES,
    REMOVED_VARIANTS,
    UNREFERENCED,
    Row,
    read_rows,
    write_rows,
)

_ENDED = {RemovalState.REJECTED, RemovalState.TIMED_OUT, RemovalState.RESTORED}
_APPLIED = {RemovalState.APPLIED, RemovalState.PARTLY_APPLIED}


class Archive:
    """The archive at a moment, in UTC, with all that may refer to its pictures."""

    def __init__(
        self,
        storage: Storage,
        settings: Settings,
        store: Store,
        *,
        kept_runs: tuple[RunFolder, ...],
        now: datetime,
    ) -> None:
        self._storage = storage
        self._settings = settings.retention
        self._store = store
        self._kept_runs = kept_runs
        self._now = now
        moment = now.astimezone(UTC).replace(tzinfo=None)
        self._removals = tuple(r for r in read_removals(store) if _is_needed(r, settings, moment))

    def find_unneeded(self, category_id: int, report: Callable[[str], None]) -> list[StoredFile]:
        """The pictures and thumbnails of a category that may go; `report` takes unknown keys.

        Notes which pictures nothing refers to, for their days count from then on. Raises
        SchemaError or MissingArtefactError when not all that may refer to a picture can be read.
        """
        current = self._read_current(category_id)
        unreferenced = []
        for file in self._storage.files(f"archive/category={category_id}"):
            kind = find_kind(file.key)
            if kind is None:
                report(file.key)
            elif kind is RetentionKind.ARCHIVED and _reference_of(file.key) not in current:
                unreferenced.append(file)
        since = self._mark(category_id, unreferenced)
        oldest = self._now - timedelta(days=self._settings.archive_days)
        thumbnails = self._find_thumbnails(category_id, current, oldest)
        due = [file for file in unreferenced if since[file.key] <= oldest]
        if not due:
            return thumbnails
        held = frozenset(self._held(category_id))
        return [*(file for file in due if not _is_among(file.key, held)), *thumbnails]

    def _find_thumbnails(
        self, category_id: int, current: frozenset[str], oldest: datetime
    ) -> list[StoredFile]:
        """Old thumbnails of what the category does not show: they can be made again."""
        return [
            file
            for file in self._storage.files(f"thumbnails/category={category_id}")
            if find_kind(file.key) is RetentionKind.THUMBNAIL
            and file.modified_at <= oldest
            and _reference_of(file.key) not in current
        ]

    def find_still_unneeded(self, category_id: int, keys: list[str]) -> list[str]:
        """Of pictures that were found unneeded earlier, those that still are. Raises as above."""
        needed = self._read_current(category_id) | frozenset(self._held(category_id))
        return [key for key in keys if not _is_among(key, needed)]

    def _read_current(self, category_id: int) -> frozenset[str]:
        """What the category's present state refers to."""
        state = layout.category_state(category_id)
        if not self._storage.exists(state) or not self._storage.read_json(state).get("is_whole"):
            raise SchemaError(f"{state}: the category is not published to the end")
        return frozenset(
            reference
            for subject, schema, columns in (
                ("images", JUDGED, ("content_sha256",)),
                ("evidence", EVIDENCE, ("first_sha256", "second_sha256")),
            )
            for row in read_rows(
                self._storage,
                layout.current(subject, category_id),
                schema,
                ("category_id", "variant_id", *columns),
            )
            for reference in (*_references(row, *columns), *_thumbnails(row, *columns))
        )

    def _mark(self, category_id: int, unreferenced: list[StoredFile]) -> dict[str, datetime]:
        """Since when nothing refers to each picture; what is new counts from now on."""
        key = layout.unreferenced_pictures(category_id)
        marked: dict[str, datetime] = {}
        if self._storage.exists(key):
            rows = read_rows(self._storage, key, UNREFERENCED)
            marked = {row["key"]: row["unreferenced_since"] for row in rows}
        since = {file.key: marked.get(file.key, self._now) for file in unreferenced}
        if since != marked:
            rows = ({"key": k, "unreferenced_since": moment} for k, moment in since.items())
            write_rows(self._storage, key, UNREFERENCED, rows)
        return since

    def _held(self, category_id: int) -> Iterator[str]:
        """What else refers to pictures: runs whose tasks may be cleared, removals, decisions."""
        yield from self._held_by_runs(category_id)
        for removal in self._removals:
            yield from self._held_by_removal(removal, category_id)
        for pair in read_current(self._store, category_id):
            folder = layout.archive_folder(category_id, pair.variant_id)
            yield from (f"{folder}/{sha[:16]}" for sha in (pair.lower_sha256, pair.higher_sha256))

    def _held_by_runs(self, category_id: int) -> Iterator[str]:
        columns = ("category_id", "variant_id", "content_sha256")
        for run in self._kept_runs:
            for unit_id in run.unit_ids:
                key = layout.unit_file(run.run_id, unit_id, "downloads.parquet")
                if unit_id.startswith(f"{category_id}/") and self._storage.exists(key):
                    for row in read_rows(self._storage, key, DOWNLOADED, columns):
                        yield from _references(row, "content_sha256")

    def _held_by_removal(self, removal: Removal, category_id: int) -> Iterator[str]:
        proposal = read_proposal(self._storage, removal.removal_id)
        if category_id not in {category.category_id for category in proposal.categories}:
            return
        key = layout.removal_manifest(removal.removal_id)
        if removal.kind is RemovalKind.VARIANTS:
            for row in read_rows(self._storage, key, REMOVED_VARIANTS):
                yield layout.archive_folder(row["category_id"], row["variant_id"])
            return
        columns = ("content_sha256", "keeper_sha256")
        for row in read_rows(
            self._storage, key, REMOVED_IMAGES, ("category_id", "variant_id", *columns)
        ):
            yield from _references(row, *columns)


def _is_needed(removal: Removal, settings: Settings, now: datetime) -> bool:
    """Whether a removal may still be decided on, applied or undone."""
    since = now - timedelta(days=settings.retention.removal_days)
    if removal.state in _APPLIED:
        return removal.applied_at is None or removal.applied_at >= since
    if removal.state is RemovalState.PROPOSED:  # as a dry run stays for good
        decidable_since = now - timedelta(days=settings.removal.approval_days)
        return removal.proposed_at >= min(since, decidable_since)
    return removal.state not in _ENDED


def _references(row: Row, *hash_columns: str) -> Iterator[str]:
    for column in hash_columns:
        if row[column]:
            folder = layout.archive_folder(row["category_id"], row["variant_id"])
            yield f"{folder}/{row[column][:16]}"


def _thumbnails(row: Row, *hash_columns: str) -> Iterator[str]:
    for column in hash_columns:
        if row[column]:
            yield _reference_of(layout.thumbnail(row["category_id"], row[column]))


def _reference_of(key: str) -> str:
    folder, _, name = key.rpartition("/")
    return f"{folder}/{name.partition('.')[0].rpartition('-')[2]}"


def _is_among(key: str, references: frozenset[str]) -> bool:
    """Whether a picture, or its variant's whole folder, is referred to."""
    return _reference_of(key) in references or key.rpartition("/")[0] in references
