"""
### Deactivates duplicate images, and variants that stay short, after a person's approval

Proposes what is to go from the catalogue for chosen categories, or for those of a finished run of
`image_duplication`; waits for a person's approval; then sets the approved rows of `inb_images` (or
`inb_variants`) to not active, through the connection `gem_staging_writer`. Nothing is deleted, and
the mode `restore` activates again what a removal deactivated. **A dry run is the default.**

**Tasks.** `propose_removal` writes the manifest, the exact rows, below `removals/<removal id>/`.
`approve_removal` asks on its page *Required Actions*, with the counts per category and what is
left out and why; it holds no worker while it waits. `apply_removal` goes through the manifest in
batches, a transaction each. `restore_removal` undoes a removal by its id. Tasks that the chosen
mode does not need are skipped.

**What is proposed.** Of images: those that are redundant by a finding which a person has confirmed;
by choice also unreviewed ones with equal bytes. Never a keeper, never a variant's last picture. Of
variants: those that are still short `removal.notice_days` after the notice to their seller.

**Who approves.** Somebody else than who started the run (`removal.require_second_person`), within
`removal.approval_days`; who takes more than `removal.max_share` of a category types the words that
the page asks for. An answer that does not suffice changes nothing: the alert and the log say why,
and the page asks again. Rejected, or nobody in time: the run ends, nothing is applied.

**What is checked.** A batch at a time, the hosts are asked whether both pictures of a row changed,
and the store whether the decision still holds; of a variant, whether it is still short. Then, under
a lock, in the transaction that changes the row: it and its keeper are active and as they were
judged. A row that differs is skipped with a reason, the others go on.

**Alerts.** A removal that waits for approval, an answer that was not accepted and a run that failed
go through the connections `image_duplication_alerts_email`, `…_slack` and `…_webhook`.

**Idempotent.** The removal's id follows from the run's: any task may be cleared at any time, also
after a kill. Proposed once, decided once, each row applied once.

**Parameters**

| name | unit | default | meaning |
|---|---|---|---|
| `mode` | | `images` | `images`, `variants`, or `restore` to undo a removal |
| `category_ids` | ids | empty | the categories; or give `run_id` |
| `run_id` | | empty | a finished run of `image_duplication`: the categories that it published |
| `dry_run` | | on | write and show what would be done, wait for nobody, change nothing |
| `allow_unreviewed_identical` | | setting | images with equal bytes need no review |
| `removal_id` | | empty | for `restore`: which removal to undo |
| `note` | | empty | why; whoever approves reads it; `restore` asks for one and records it |

**Where progress is kept.** In the SQL store (`removals`, `removal_rows`): who proposed, approved
and restored, when and why, and what became of each row.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, TriggerRule, task

from image_duplication_airflow.alerting import tell_of_failed_run
from image_duplication_airflow.approval import RemovalApproval
from image_duplication_airflow.removal_params import PARAMS
from image_duplication_airflow.retries import RETRIES, RETRY_DELAY, RETRY_POLICY

# Heavy imports stand inside the tasks: this file is parsed every few seconds.

DOWNLOAD_POOL = "image_downloads"
"""Whoever asks hosts for pictures shares the rate that they are asked at."""

MAX_ACTIVE_RUNS = 100
"""A run that waits for a person is active for days; a restore must not wait behind such."""

with DAG(
    dag_id="image_duplicate_removal",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=MAX_ACTIVE_RUNS,
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

    @task(execution_timeout=timedelta(hours=2))
    def propose_removal() -> dict[str, Any]:
        """Write the manifest of what is to go, and propose it."""
        from image_duplication_airflow.removal_runs import current_removal_run, propose_removal

        return propose_removal(current_removal_run())

    @task(
        execution_timeout=timedelta(hours=6),
        trigger_rule=TriggerRule.NONE_FAILED,
        pool=DOWNLOAD_POOL,
    )
    def apply_removal() -> dict[str, Any]:
        """Deactivate the approved rows, or say what a dry run would deactivate."""
        from image_duplication_airflow.removal_runs import apply_removal, current_removal_run

        return apply_removal(current_removal_run())

    @task(execution_timeout=timedelta(hours=6))
    def restore_removal() -> dict[str, Any]:
        """Activate again what a removal deactivated."""
        from image_duplication_airflow.removal_runs import current_removal_run, restore_removal

        return restore_removal(current_removal_run())

    approve_removal = RemovalApproval(task_id="approve_removal")

    propose_removal() >> approve_removal >> apply_removal()
    restore_removal()
