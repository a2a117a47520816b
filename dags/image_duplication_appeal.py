"""
### Records the answer to a seller's appeal against a finding

A seller holds that two pictures, which a notice calls the same, are different. Whoever has looked
at them starts this DAG with the answer; Airflow's user is recorded as who decided.

**Tasks.** `record_appeal` adds the decision, of the origin `appeal`, to the SQL store. *Granted*,
the finding is in no later notice or removal, and the notice of the variant is withdrawn if the
variant shows enough pictures so: it is not proposed for removal, a removal that was approved skips
it, and no later notice counts it as a repetition. *Refused*, the finding is confirmed. Reports of
`image_duplication` state what was found, whatever was decided.

**The newest answer holds.** A wrong one is mended by another run. A task that is cleared gives its
answer again, as the newest.

**Parameters**

| name | unit | default | meaning |
|---|---|---|---|
| `category_id` | id | empty | the category |
| `variant_id` | id | empty | the product's number in the notice |
| `image_ids` | ids | empty | the two pictures, e.g. `["5007-1", "5007-4"]`, in either order |
| `granted` | | empty | yes: two different pictures; no: one is a copy of the other |
| `note` | | empty | why; kept with the decision |

**Where progress is kept.** In the SQL store: `decisions`, `notices`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

from image_duplication_airflow.alerting import tell_of_failed_run
from image_duplication_airflow.appeal_params import PARAMS
from image_duplication_airflow.retries import RETRIES, RETRY_DELAY, RETRY_POLICY

# Heavy imports stand inside the task: this file is parsed every few seconds.

with DAG(
    dag_id="image_duplication_appeal",
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
    def record_appeal() -> bool:
        """Record the decision; whether the variant's notice is withdrawn."""
        from image_duplication_airflow.notice_runs import record_appeal

        return record_appeal()

    record_appeal()
