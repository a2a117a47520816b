"""
### Writes notices to sellers whose products show too few different pictures

For chosen categories, or for those of a finished run of `image_duplication`: per seller a page and
a CSV file, in English and Hindi, with the products that are short, what was found, what to upload
and by when, and how often before. **A dry run is the default**: it writes drafts and records
nothing. Sending is not its work: whoever sends takes the files that `sellers.csv` names.

**Tasks.** `list_short_variants` reads the latest verdicts and lists the variants that are short,
without what people have rejected. `write_pages` writes each seller's notice, then `sellers.csv`.
`record_notices` records in the store who was told: from then on `removal.notice_days` are counted,
after which a variant that is still short may be proposed for removal. It settles the notices of
variants that show enough pictures, or are gone. It fails, after all is recorded, when a category
could not be read.

**By when.** `removal.notice_days` after the first notice of a variant that is not settled; a later
notice does not begin the days anew. A variant that was settled and is short again has its days
anew, and its notice says how often that was.

**Idempotent.** The list is written once per run: any task may be cleared at any time, gives equal
files, and tells nobody twice.

**Parameters**

| name | unit | default | meaning |
|---|---|---|---|
| `category_ids` | ids | empty | the categories; or give `run_id` |
| `run_id` | | empty | a finished run of `image_duplication`: the categories that it published |
| `dry_run` | | on | write drafts, record nothing |

**Where progress is kept.** Below the storage root, `notices/<run>/`; in the SQL store, `notices`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from image_duplication_airflow.alerting import tell_of_failed_run
from image_duplication_airflow.notice_params import PARAMS
from image_duplication_airflow.retries import RETRIES, RETRY_DELAY, RETRY_POLICY

# Heavy imports stand inside the tasks: this file is parsed every few seconds.

with DAG(
    dag_id="image_duplication_notices",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    # Two runs at once would both call a variant's notice the first one.
    max_active_runs=1,
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

    @task(execution_timeout=timedelta(hours=6))
    def list_short_variants() -> dict[str, Any]:
        """List the variants that are short, and the earlier notices that are done with."""
        from image_duplication_airflow.notice_runs import current_notice_run, list_short_variants

        return list_short_variants(current_notice_run())

    @task(execution_timeout=timedelta(hours=3))
    def write_pages() -> str:
        """Write each seller's notice, and the list of sellers."""
        from image_duplication_airflow.notice_runs import current_notice_run, write_pages

        return write_pages(current_notice_run())

    @task(execution_timeout=timedelta(hours=1))
    def record_notices() -> dict[str, int]:
        """Record who was told, and settle what is done with; a dry run records nothing."""
        from image_duplication_airflow.notice_runs import current_notice_run, record_notices

        return record_notices(current_notice_run())

    list_short_variants() >> write_pages() >> record_notices()
