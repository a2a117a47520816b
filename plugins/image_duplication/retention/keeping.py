"""Which files may go at one moment, the archive's aside: by age, and by the runs they belong to."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from image_duplication import layout
from image_duplication.errors import MissingArtefactError, SchemaError
from image_duplication.plans import Plan, lead_run_id
from image_duplication.records import RetentionKind
from image_duplication.retention.known_files import category_of, run_folder_of
from image_duplication.settings import RetentionSettings
from image_duplication.storage import Storage, StoredFile
from image_duplication.store.database import Store
from image_duplication.store.leases import read_live_runs

logger = logging.getLogger(__name__)

IsActive = Callable[[str], bool]
"""Whether a run, given by its id, is queued or running."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run as its folder tells of it."""

    folder: str
    run_id: str
    planned_at: datetime
    unit_ids: tuple[str, ...]
    is_published: bool


class Keeping:
    """What is kept at a moment, in UTC: the folders of some runs, and whatever is young."""

    def __init__(
        self,
        storage: Storage,
        settings: RetentionSettings,
        store: Store,
        *,
        is_active: IsActive,
        now: datetime,
    ) -> None:
        runs = list(_read_run_folders(storage))
        live = read_live_runs(store, now=now.astimezone(UTC).replace(tzinfo=None))
        at_work = {
            run.folder
            for run in runs
            if {run.run_id, lead_run_id(run.run_id)} & live or is_active(run.run_id)
        }
        published = [run for run in runs if run.is_published]
        newest = max(published, key=lambda run: run.planned_at, default=None)
        reasons = (
            ("at_work", at_work),
            ("newest_published", {newest.folder} if newest else set()),
            ("behind_a_category", _folders_behind_categories(storage)),
            ("young", _younger(runs, now - timedelta(days=settings.run_days))),
        )
        reason_of = {folder: reason for reason, folders in reversed(reasons) for folder in folders}
        self.kept_runs = tuple(run for run in runs if run.folder in reason_of)
        self.kept_run_counts = Counter(reason_of[run.folder] for run in self.kept_runs)
        self._kept_folders = frozenset(reason_of)
        self._planned_folders = frozenset(run.folder for run in runs)
        # All that a run at work has staged is younger than its plan.
        begun = [run.planned_at for run in runs if run.folder in at_work]
        self._cutoffs = {
            RetentionKind.RUN_FILE: now - timedelta(days=settings.run_days),
            RetentionKind.STAGED: min([now - timedelta(days=settings.staging_days), *begun]),
            RetentionKind.HISTORY: now - timedelta(days=settings.history_days),
            RetentionKind.PART: now - timedelta(days=settings.part_days),
        }

    def may_go(self, kind: RetentionKind, file: StoredFile) -> bool:
        """Whether a file of the kind, which is not an archived picture, may be deleted."""
        is_old = file.modified_at < self._cutoffs[kind]
        if kind is RetentionKind.RUN_FILE:
            folder = run_folder_of(file.key)
            # A run counts as old by its plan; without one, each of its files by itself.
            return folder not in self._kept_folders and (is_old or folder in self._planned_folders)
        return is_old


def _read_run_folders(storage: Storage) -> Iterator[RunFolder]:
    for name in storage.names("runs"):
        folder = f"runs/{name}"
        try:
            plan = Plan.from_json(storage.read_json(layout.plan_record_of_folder(folder)))
        except (MissingArtefactError, SchemaError, KeyError, TypeError, ValueError):
            logger.info("%s has no plan", folder)
            continue
        if layout.run_folder(plan.run_id) == folder:
            is_published = storage.exists(layout.run_summary(plan.run_id, "json"))
            yield RunFolder(
                folder, plan.run_id, plan.planned_at, tuple(plan.unit_ids), is_published
            )


def _folders_behind_categories(storage: Storage) -> set[str]:
    """Of the runs that a category's state names: publishing an older run reads their plans."""
    folders = set()
    for name in storage.names("verdicts/current"):
        category_id = category_of(name)
        if category_id is not None and storage.exists(layout.category_state(category_id)):
            key = layout.category_state(category_id)
            try:
                folders.add(layout.run_folder(storage.read_json(key)["run_id"]))
            except (KeyError, TypeError, AttributeError) as error:
                raise SchemaError(f"{key}: it names no run") from error
    return folders


def _younger(runs: list[RunFolder], cutoff: datetime) -> set[str]:
    return {run.folder for run in runs if run.planned_at >= cutoff}
