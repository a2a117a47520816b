"""
### Deletes what nothing needs any more, after saying what that is

Run folders whose tasks will not be cleared any more, staged pictures that never came to the
archive, archived pictures that nothing refers to, the history of old runs, and what killed writers
left. Each has its days in the settings, section `retention`.

**Tasks.** `plan_deletions` goes through the storage root and writes a manifest of what may go, with
counts and bytes by kind; unknown files are reported there. `delete_files` deletes what the manifest
lists, each file only if it is unchanged and still not needed; in a dry run it is skipped.

**Never deleted:** the folder of a run that is queued or running or owns a category, of the newest
published run, and of those that a category's reports come from; pictures that a category's state, a
kept run, a decision, or a removal that is pending or may be undone refers to; removals, reports,
current state, the store; anything whose place is not known. A category on which a run works, or of
which a file cannot be read, is left alone this time.

**Idempotent.** The manifest is written once per run. Clear `delete_files` at any time: it goes on
where it stopped. Nothing that was deleted comes back.

**Schedule.** None, unless `IMAGE_DUPLICATION_MAINTENANCE_SCHEDULE` holds a cron expression. A
scheduled run is a dry run: it notes since when pictures are not referred to, and says what a person
could delete.

**Parameters**

| name | unit | default | meaning |
|---|---|---|---|
| `dry_run` | | on | write the manifest, print counts and bytes, delete nothing |

**Where progress is kept.** Below the storage root, `retention/`; nothing in Airflow variables.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from image_duplication_airflow.alerting import tell_of_failed_run
from image_duplication_airflow.retries import RETRIES, RETRY_DELAY, RETRY_POLICY

SCHEDULE_VARIABLE = "IMAGE_DUPLICATION_MAINTENANCE_SCHEDULE"

with DAG(
    dag_id="image_duplication_maintenance",
    doc_md=__doc__,
    schedule=os.environ.get(SCHEDULE_VARIABLE) or None,
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    on_failure_callback=tell_of_failed_run,
    params={
        "dry_run": Param(
            True,
            type="boolean",
            title="Dry run",
            description="Write down and print what may be deleted, and delete nothing.",
        )
    },
    tags=["catalogue-quality", "images"],
    default_args={
        "owner": "catalogue-quality",
        "retries": RETRIES,
        "retry_delay": RETRY_DELAY,
        "retry_policy": RETRY_POLICY,
    },
) as dag:

    @task(execution_timeout=timedelta(hours=12))
    def plan_deletions() -> dict[str, Any]:
        """Write the manifest of what may be deleted."""
        from image_duplication_airflow.maintenance import plan_deletions

        return plan_deletions()

    @task(execution_timeout=timedelta(hours=12))
    def delete_files() -> dict[str, Any]:
        """Delete what the manifest lists and nothing needs."""
        from image_duplication_airflow.maintenance import delete_files

        return delete_files()

    plan_deletions() >> delete_files()
