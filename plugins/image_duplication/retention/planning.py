"""Writes down which files may be deleted; deletes nothing."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from image_duplication import layout
from image_duplication.errors import CategoryTakenError, MissingArtefactError, SchemaError
from image_duplication.records import RetentionKind
from image_duplication.retention.archive import Archive
from image_duplication.retention.keeping import IsActive, Keeping
from image_duplication.retention.known_files import (
    ROOTS,
    category_of,
    find_kind,
    is_kept,
    is_plan_record,
)
from image_duplication.settings import Settings
from image_duplication.storage import Storage, StoredFile
from image_duplication.store.database import Store
from image_duplication.tables import RETENTION_MANIFEST, TableWriter

logger = logging.getLogger(__name__)

Owning = Callable[[int], contextlib.AbstractContextManager[object]]
"""Keeps runs off a category for a while; may raise CategoryTakenError."""

LEFT_ALONE = (CategoryTakenError, MissingArtefactError, SchemaError)
"""Why a category's pictures are left alone: a run works on it, or not all of it can be read."""

_UNKNOWN_NAMED = 100
_BY_CATEGORY = ("thumbnails", "archive")
"""Folders whose files go with what their category shows."""


@dataclass(slots=True)
class FileCount:
    """How many files, and their size."""

    files: int = 0
    size_bytes: int = 0

    def add(self, size_bytes: int) -> None:
        self.files += 1
        self.size_bytes += size_bytes


@dataclass(slots=True)
class RetentionPlan:
    """What may be deleted, in counts; the files are in the manifest.

    `kept_runs` says why run folders are kept; `categories_left_alone` why those categories'
    pictures are; `unknown` names the first of the `unknown_files`, which nothing ever deletes.
    """

    run_id: str
    planned_at: str
    kinds: dict[str, FileCount]
    kept_runs: dict[str, int] = field(default_factory=dict)
    categories_left_alone: dict[str, str] = field(default_factory=dict)
    unknown_files: int = 0
    unknown: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> RetentionPlan:
        """The plan that `to_json` gave."""
        kinds = {kind: FileCount(**count) for kind, count in record["kinds"].items()}
        return cls(**{**record, "kinds": kinds})

    def describe(self) -> str:
        """The plan in words, for a log."""
        lines = [
            *describe_counts("may be deleted", self.kinds),
            "run folders kept: "
            + (
                ", ".join(f"{reason} {count}" for reason, count in self.kept_runs.items()) or "none"
            ),
            *(f"category {c} left alone: {why}" for c, why in self.categories_left_alone.items()),
            f"unknown files, never deleted: {self.unknown_files}",
            *(f"  {key}" for key in self.unknown),
        ]
        return "\n".join(lines)


def describe_counts(deed: str, kinds: Mapping[str, FileCount]) -> list[str]:
    """Counts by kind in words, a line each."""
    return [
        f"{deed}: {kind} {count.files} files, {count.size_bytes:,} bytes"
        for kind, count in kinds.items()
    ]


def plan_retention(
    storage: Storage,
    settings: Settings,
    store: Store,
    *,
    run_id: str,
    owning: Owning,
    is_active: IsActive,
    now: datetime,
) -> RetentionPlan:
    """Write the manifest of what may be deleted, and its record; those that are there are kept.

    `now` is in UTC.
    """
    record = layout.retention_record(run_id, "plan")
    if storage.exists(record):
        logger.info("run %s: keeping its manifest", run_id)
        return RetentionPlan.from_json(storage.read_json(record))
    keeping = Keeping(storage, settings.retention, store, is_active=is_active, now=now)
    archive = Archive(storage, settings, store, kept_runs=keeping.kept_runs, now=now)
    plan = RetentionPlan(
        run_id,
        now.isoformat(),
        {kind.value: FileCount() for kind in RetentionKind},
        kept_runs=dict(sorted(keeping.kept_run_counts.items())),
    )
    with TableWriter(storage, layout.retention_manifest(run_id), RETENTION_MANIFEST) as manifest:
        survey = _Survey(storage, manifest, plan)
        for root in storage.names(""):
            if root not in ROOTS:
                survey.report(root)
        for root in ROOTS:
            if root != "archive":
                survey.add_old(root, keeping)
        survey.add_unneeded(archive, owning)
    storage.write_json(record, plan.to_json())
    logger.info("run %s\n%s", run_id, plan.describe())
    return plan


@dataclass(frozen=True, slots=True)
class _Survey:
    """Goes through the storage root, writes what may go and counts the rest."""

    storage: Storage
    manifest: TableWriter
    plan: RetentionPlan

    def report(self, key: str) -> None:
        """Note something unknown."""
        self.plan.unknown_files += 1
        if len(self.plan.unknown) < _UNKNOWN_NAMED:
            self.plan.unknown.append(key)

    def add_old(self, root: str, keeping: Keeping) -> None:
        """The old files below a folder that is not the archive."""
        plans = []
        for file in self.storage.files(root):
            kind = find_kind(file.key)
            if file.key.startswith(layout.retention_manifest(self.plan.run_id)):
                continue  # it is being written
            if kind is RetentionKind.THUMBNAIL:
                continue  # it goes with its category's pictures
            if kind is None:
                if not is_kept(file.key):
                    self.report(file.key)
            elif keeping.may_go(kind, file):
                if is_plan_record(file.key):
                    plans.append(file)
                else:
                    self._add(kind, file)
        # Last, for by its plan a run is known to be old: after a kill its other files are still.
        for file in plans:
            self._add(RetentionKind.RUN_FILE, file)

    def add_unneeded(self, archive: Archive, owning: Owning) -> None:
        """The archived pictures that nothing needs, and thumbnails."""
        roots = {name: root for root in _BY_CATEGORY for name in self.storage.names(root)}
        for name, root in sorted(roots.items()):
            category_id = category_of(name)
            if category_id is None:
                self.report(f"{root}/{name}")
                continue
            try:
                with owning(category_id):
                    unneeded = archive.find_unneeded(category_id, self.report)
            except LEFT_ALONE as error:
                logger.warning("category %s is left alone: %s", category_id, error)
                self.plan.categories_left_alone[str(category_id)] = str(error)
                continue
            for file in unneeded:
                self._add(find_kind(file.key) or RetentionKind.ARCHIVED, file, category_id)

    def _add(self, kind: RetentionKind, file: StoredFile, category_id: int | None = None) -> None:
        self.plan.kinds[kind].add(file.size_bytes)
        self.manifest.write(
            [
                {
                    "kind": kind,
                    "key": file.key,
                    "category_id": category_id,
                    "size_bytes": file.size_bytes,
                    "modified_at": file.modified_at,
                }
            ]
        )
