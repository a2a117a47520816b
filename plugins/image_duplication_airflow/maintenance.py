"""The maintenance as tasks: what it needs of Airflow's context, and of the store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from image_duplication.retention.keeping import IsActive
from image_duplication.retention.planning import Owning, plan_retention
from image_duplication.retention.pruning import prune_files
from image_duplication.settings import Settings, load_settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.leases import Leases, now_in_utc
from image_duplication.store.standings import forget_history
from image_duplication_airflow.connections import open_store

_PIPELINE = "image_duplication"
_UNFINISHED = ["queued", "running"]


class _Tools(TypedDict):
    run_id: str
    owning: Owning
    is_active: IsActive
    now: datetime


@dataclass(frozen=True, slots=True)
class _Maintenance:
    storage: Storage
    settings: Settings
    store: Store
    tools: _Tools


def plan_deletions() -> dict[str, Any]:
    """Write the manifest of what may be deleted; its counts."""
    with _opened() as at:
        plan = plan_retention(at.storage, at.settings, at.store, **at.tools)
    print(plan.describe())  # noqa: T201 - for the task's log
    return {kind: [count.files, count.size_bytes] for kind, count in plan.kinds.items()}


def delete_files() -> dict[str, Any]:
    """Delete what the manifest lists and nothing needs; a dry run skips it."""
    if get_current_context()["params"]["dry_run"]:
        raise AirflowSkipException("a dry run: nothing is deleted")
    with _opened() as at:
        outcome = prune_files(at.storage, at.settings, at.store, **at.tools)
        oldest = now_in_utc() - timedelta(days=at.settings.retention.history_days)
        forgotten = forget_history(at.store, before=oldest)
    print(outcome.describe())  # noqa: T201
    print(f"deleted from the store: {forgotten} rows of how runs left categories")  # noqa: T201
    return {kind: [count.files, count.size_bytes] for kind, count in outcome.deleted.items()}


@contextlib.contextmanager
def _opened() -> Iterator[_Maintenance]:
    context = get_current_context()
    task_instance = context["ti"]
    settings = load_settings()

    def is_active(run_id: str) -> bool:
        """Whether Airflow has the run as queued or running."""
        count: int = task_instance.get_dr_count(_PIPELINE, run_ids=[run_id], states=_UNFINISHED)
        return count > 0

    with open_store(settings) as store:
        leases = Leases(
            store,
            owner=f"maintenance {context['run_id']}",
            run_id=context["run_id"],
            lasting=timedelta(hours=settings.plan.lease_hours),
        )
        yield _Maintenance(
            Storage(settings.storage_root),
            settings,
            store,
            _Tools(
                run_id=context["run_id"],
                owning=leases.owning,
                is_active=is_active,
                now=datetime.now(UTC),
            ),
        )
