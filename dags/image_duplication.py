"""
### Finds duplicate product pictures, category by category

Reads the active variants and images of the catalogue (connection `gem_staging`), corrects the image
URLs, downloads the pictures, judges which of a variant's pictures are the same, writes a report per
category and archives every picture.

**Tasks.** `plan_work` decides what is due and cuts it into work units, `<category>/<part>`. Each
unit runs through `extract_images → correct_urls → download_images → detect_duplicates →
write_report → archive_images`. `publish_run` assembles each category's files from its parts and its
previous state, and writes the summary of the run; it fails, after all is written, when a unit
failed. `announce_reports` records an event of the asset `category_report` for each category whose
files the run wrote; the partition is the category's id. `list_sibling_runs` and
`start_sibling_runs` start further runs, whose plan is written already, when there are more units
than one run maps.

**Schedule.** Weekly, Saturday 20:30 UTC; `IMAGE_DUPLICATION_SCHEDULE` holds another cron
expression, or nothing for none. A scheduled run, or one started by hand, judges what is due. A
backfill's run judges the variants with a row whose `updated_at` lies in its interval, on the
catalogue as it is now.

**Alerts.** A run that is not finished 36 hours after its start (`IMAGE_DUPLICATION_DEADLINE_HOURS`;
empty: no deadline; backfills have none), a run, unit or category that failed, a unit that went on
with too few pictures, a jump in duplicates: each goes through every connection that is defined of
`image_duplication_alerts_email`, `…_slack` and `…_webhook`.

**One run at a time owns a category.** A second one that comes to it is tried again, then fails by
name; its other categories go on.

**Idempotent.** Plan and extract are written once per run; any task may be cleared at any time and
gives equal files. One failing category does not stop another.

**Parameters** (empty: the value of `include/config/settings.yaml`)

| name | unit | default | meaning |
|---|---|---|---|
| `category_ids` | ids | empty | categories of this run; empty: the categories file, else all |
| `scope` | | `changed` | `changed`: variants that are due; `full`: every active variant |
| `engines` | names | empty | engines that judge: `identical`, `difpy`, `perceptual`, `aligned` |
| `pixel_size` | px | empty | side to which difPy reduces each picture |
| `similarity_mse` | squared grey levels | empty | largest mean squared error of a difPy match |
| `part_size_images` | images | empty | larger categories are split |
| `max_units_per_run` | units | empty | more units go to sibling runs |
| `plan_only` | | off | print what the run would cost, and stop |
| `take_new_snapshot` | | off | set at the start: a cleared or retried task reads the source again |

**Where progress is kept.** Below the storage root, `runs/<run>/`; nothing in Airflow variables.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, TriggerRule, task, task_group
from airflow.sdk.definitions.deadline import DeadlineAlert

from image_duplication_airflow.alerting import tell_of_failed_run
from image_duplication_airflow.category_reports import CATEGORY_REPORT
from image_duplication_airflow.deadlines import read_deadline
from image_duplication_airflow.params import PARAMS
from image_duplication_airflow.retries import RETRIES, RETRY_DELAY, RETRY_POLICY

# Heavy imports stand inside the tasks: this file is parsed every few seconds.

LABEL = "{{ label | default(task.op_kwargs['unit_id']) }}"
DOWNLOAD_POOL = "image_downloads"
SCHEDULE_VARIABLE = "IMAGE_DUPLICATION_SCHEDULE"
WEEKLY = "30 20 * * 6"
"""Saturday 20:30 UTC: Sunday 02:00 in India, when few people shop."""

FIRST_WEEK = datetime(2024, 1, 1, tzinfo=UTC)
MAX_ACTIVE_RUNS = 4
"""A chosen category need not wait for the weekly run; leases keep two runs off one category."""


def build_dag(cron: str, deadline: DeadlineAlert | None) -> DAG:
    """The DAG `image_duplication`, run at the times of a cron expression; empty: only by hand.

    `airflow dags test` and `dag.test()` fail with a deadline after all has succeeded: Airflow 3.3
    takes the deadline itself for its id in the database.
    """
    with DAG(
        dag_id="image_duplication",
        doc_md=__doc__,
        # A data interval, which a backfill asks for; a scheduled run judges whatever is due.
        schedule=CronDataIntervalTimetable(cron, timezone="UTC") if cron else None,
        start_date=FIRST_WEEK,
        catchup=False,
        max_active_runs=MAX_ACTIVE_RUNS,
        deadline=deadline,
        on_failure_callback=tell_of_failed_run,
        params=PARAMS,
        tags=["catalogue-quality", "images"],
        default_args={
            "owner": "catalogue-quality",
            "retries": RETRIES,
            "retry_delay": RETRY_DELAY,
            "retry_policy": RETRY_POLICY,
        },
    ) as dag:

        @task(execution_timeout=timedelta(hours=3))
        def plan_work() -> list[str]:
            """Write the run's plan; return the bare ids of its units."""
            from image_duplication.stages.plan import describe_plan, plan_work
            from image_duplication_airflow.connections import open_source
            from image_duplication_airflow.runtime import current_run

            run = current_run()
            settings = run.choices.settings
            with open_source(settings) as source:
                plan = plan_work(
                    run.storage,
                    settings,
                    source,
                    run_id=run.run_id,
                    selection=run.selection,
                    plan_only=run.choices.plan_only,
                    take_new_snapshot=run.choices.take_new_snapshot,
                )
            print(describe_plan(plan, settings, run.storage))  # noqa: T201 - for the task's log
            return [] if plan.is_dry else plan.unit_ids

        @task(execution_timeout=timedelta(minutes=5))
        def list_sibling_runs() -> list[dict[str, Any]]:
            """Which sibling runs to start: each has its plan already."""
            from airflow.sdk import get_current_context

            from image_duplication_airflow.runtime import current_run

            run = current_run()
            conf = dict(get_current_context()["params"]) | {"take_new_snapshot": False}
            ids = [] if run.plan.is_dry else run.plan.sibling_run_ids
            return [{"trigger_run_id": run_id, "conf": conf} for run_id in ids]

        @task(execution_timeout=timedelta(hours=2), map_index_template=LABEL)
        def extract_images(unit_id: str) -> dict[str, Any]:
            """Read the unit's active image rows from the source."""
            from image_duplication.stages.extract import extract_images
            from image_duplication_airflow.connections import open_source
            from image_duplication_airflow.runtime import Run, run_unit_stage

            def work(run: Run) -> Any:
                with open_source(run.choices.settings) as source:
                    return extract_images(
                        run.storage,
                        run.choices.settings,
                        source,
                        run_id=run.run_id,
                        unit_id=unit_id,
                        take_new_snapshot=run.choices.take_new_snapshot,
                    )

            return run_unit_stage(unit_id, "extract_images", work)

        @task(execution_timeout=timedelta(hours=1), map_index_template=LABEL)
        def correct_urls(unit_id: str) -> dict[str, Any]:
            """Bring every image URL into standard form."""
            from image_duplication.stages.urls import correct_urls
            from image_duplication_airflow.runtime import run_unit_stage

            return run_unit_stage(
                unit_id,
                "correct_urls",
                lambda run: correct_urls(
                    run.storage, run.choices.settings, run_id=run.run_id, unit_id=unit_id
                ),
            )

        @task(execution_timeout=timedelta(hours=12), map_index_template=LABEL, pool=DOWNLOAD_POOL)
        def download_images(unit_id: str) -> dict[str, Any]:
            """Fetch the unit's pictures into their staging folders."""
            from image_duplication.stages.download import download_images
            from image_duplication_airflow.runtime import run_unit_stage

            return run_unit_stage(
                unit_id,
                "download_images",
                lambda run: download_images(
                    run.storage,
                    run.choices.settings,
                    run_id=run.run_id,
                    unit_id=unit_id,
                    is_last_attempt=run.is_last_attempt,
                ),
            )

        @task(execution_timeout=timedelta(hours=6), map_index_template=LABEL)
        def detect_duplicates(unit_id: str) -> dict[str, Any]:
            """Judge which of each variant's pictures are the same."""
            from image_duplication.stages.detect import detect_duplicates
            from image_duplication_airflow.runtime import run_unit_stage

            return run_unit_stage(
                unit_id,
                "detect_duplicates",
                lambda run: detect_duplicates(
                    run.storage,
                    run.choices.settings,
                    run_id=run.run_id,
                    unit_id=unit_id,
                    judged_at=run.plan.planned_at,
                ),
            )

        @task(execution_timeout=timedelta(hours=1), map_index_template=LABEL)
        def write_report(unit_id: str) -> dict[str, Any]:
            """Write the unit's findings and verdicts."""
            from image_duplication.stages.report import write_report
            from image_duplication_airflow.runtime import run_unit_stage

            return run_unit_stage(
                unit_id,
                "write_report",
                lambda run: write_report(
                    run.storage, run.choices.settings, run_id=run.run_id, unit_id=unit_id
                ),
            )

        @task(execution_timeout=timedelta(hours=3), map_index_template=LABEL)
        def archive_images(unit_id: str) -> dict[str, Any]:
            """Move every downloaded picture to its category's folder."""
            from image_duplication.stages.archive import archive_images
            from image_duplication_airflow.runtime import run_unit_stage

            return run_unit_stage(
                unit_id,
                "archive_images",
                lambda run: archive_images(run.storage, run_id=run.run_id, unit_id=unit_id),
            )

        @task(execution_timeout=timedelta(hours=3), trigger_rule=TriggerRule.ALL_DONE, retries=1)
        def publish_run() -> dict[str, Any]:
            """Assemble the category files and the run's summary; fail when a unit failed."""
            from image_duplication.stages.publish import publish_run
            from image_duplication_airflow.connections import open_store
            from image_duplication_airflow.publication import following_up, people_of
            from image_duplication_airflow.runtime import current_run, leases_of

            run = current_run()
            with (
                open_store(run.choices.settings) as store,
                following_up(run, store) as telling,
            ):
                leases = leases_of(run, store)
                summary = publish_run(
                    run.storage,
                    run.choices.settings,
                    run_id=run.run_id,
                    owning=leases.owning,
                    people=people_of(store),
                    telling=telling,
                )
            return summary.totals()

        @task(outlets=[CATEGORY_REPORT], execution_timeout=timedelta(minutes=10))
        def announce_reports() -> list[int]:
            """Record an asset event for each category whose files the run wrote."""
            from image_duplication_airflow.category_reports import announce_reports

            return announce_reports()

        @task_group
        def process_unit(unit_id: str) -> None:
            """One work unit, from its source rows to its archived pictures."""
            (
                extract_images(unit_id=unit_id)
                >> correct_urls(unit_id=unit_id)
                >> download_images(unit_id=unit_id)
                >> detect_duplicates(unit_id=unit_id)
                >> write_report(unit_id=unit_id)
                >> archive_images(unit_id=unit_id)
            )

        unit_ids = plan_work()
        sibling_runs = list_sibling_runs()
        start_sibling_runs = TriggerDagRunOperator.partial(
            task_id="start_sibling_runs",
            trigger_dag_id="image_duplication",
            skip_when_already_exists=True,
            execution_timeout=timedelta(minutes=5),
        ).expand_kwargs(sibling_runs)

        # A teardown: it runs when publish_run failed, and the run's state is still publish_run's.
        announced = announce_reports().as_teardown()

        unit_ids >> process_unit.expand(unit_id=unit_ids) >> publish_run() >> announced
        unit_ids >> sibling_runs >> start_sibling_runs
    return dag


dag = build_dag(os.environ.get(SCHEDULE_VARIABLE, WEEKLY), read_deadline(os.environ))
