"""
### Records what reviewers have decided about duplicates

Reads a CSV file from the folder `decisions/` below the storage root and records its decisions in
the SQL store, under the name of whoever starts the run. A confirmed finding may be proposed for
removal by `image_duplicate_removal`; a rejected one never is, and the next run of its category
leaves it out of the reports. What a seller appealed against is answered by
`image_duplication_appeal` instead, which takes the notice back too.

**The file** is a category's `<category_id>_duplicates.csv`, or some of its lines, or of several
categories, with the further column `decision`: `confirmed`, `rejected`, `withdrawn` (an earlier
decision no longer holds), or nothing (not decided). A column `note` may say why. Of the report's
own columns `category_id`, `variant_id`, `base_sha256`, `duplicate_sha256` and `kinds` are read, in
any order. UTF-8, separated by comma, semicolon or tab.

A line that is wrong is named with what is expected, and nothing of the file is recorded.

**Idempotent.** A decision is recorded as of the run's time. Cleared and repeated, the run records
nothing twice, and overrules nothing that was decided since.

**Parameters**

| name | unit | default | meaning |
|---|---|---|---|
| `file_name` | | | the file's name in `decisions/` |
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

from image_duplication_airflow.alerting import tell_of_failed_run
from image_duplication_airflow.decision_params import PARAMS
from image_duplication_airflow.retries import RETRIES, RETRY_DELAY, RETRY_POLICY

# Heavy imports stand inside the task: this file is parsed every few seconds.

with DAG(
    dag_id="image_duplicate_decisions",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    on_failure_callback=tell_of_failed_run,
    params=PARAMS,
    tags=["catalogue-quality", "images"],
    default_args={
        "owner": "catalogue-quality",
        "retries": RETRIES,
        "retry_delay": RETRY_DELAY,
        "retry_policy": RETRY_POLICY,
    },
):

    @task(execution_timeout=timedelta(hours=1))
    def record_decisions() -> dict[str, int]:
        """Record the decisions of the run's file."""
        from image_duplication_airflow.decision_runs import record_decisions

        return record_decisions()

    record_decisions()
