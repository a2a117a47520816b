"""What a running task needs of Airflow's context: its run, its settings, its unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import get_current_context

from image_duplication.errors import ConfigurationError
from image_duplication.plans import Plan, lead_run_id, read_plan, read_unit
from image_duplication.records import Interval, Selection, StageReport
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.leases import Leases
from image_duplication.units import run_stage
from image_duplication_airflow.connections import open_store
from image_duplication_airflow.metrics import count_stage
from image_duplication_airflow.params import RunChoices, read_choices

_BACKFILL = "backfill"  # Airflow's word for the type of such runs


@dataclass(frozen=True, slots=True)
class Run:
    """The run that the current task belongs to."""

    run_id: str
    choices: RunChoices
    storage: Storage
    is_last_attempt: bool
    backfilled: Interval | None

    @property
    def selection(self) -> Selection:
        """Which variants it is asked to judge."""
        return replace(self.choices.selection, updated_within=self.backfilled)

    @property
    def plan(self) -> Plan:
        """The run's plan, from its file."""
        return read_plan(self.storage, self.run_id)


def current_run() -> Run:
    """The run of the task that is being executed."""
    context = get_current_context()
    choices = read_choices(context["params"])
    task_instance = context["ti"]
    return Run(
        run_id=context["run_id"],
        choices=choices,
        storage=Storage(choices.settings.storage_root),
        is_last_attempt=task_instance.try_number > task_instance.max_tries,
        backfilled=find_backfilled(context["dag_run"]),
    )


def find_backfilled(dag_run: Any) -> Interval | None:
    """The interval of a backfill's run; a scheduled run's own narrows nothing.

    Raises ConfigurationError when a backfill carries no parameters. Airflow 3.3's form sends them
    only with a box ticked whose label speaks of existing runs: without it, whoever filled in a few
    categories would get all of them.
    """
    start: datetime | None = dag_run.data_interval_start
    end: datetime | None = dag_run.data_interval_end
    if dag_run.run_type != _BACKFILL or start is None or end is None:
        return None
    if not dag_run.conf:
        raise ConfigurationError(
            "this backfill carries no run parameters; expected at least one, e.g. "
            '{"category_ids": [1234]}, or {"category_ids": null} for all categories. In the form '
            "of Airflow's interface, tick 'Override parameters on existing runs': without it the "
            "form does not send them"
        )
    return start, end


def leases_of(run: Run, store: Store) -> Leases:
    """The leases of a run: sibling runs of one plan share theirs."""
    return Leases(
        store,
        owner=lead_run_id(run.run_id),
        run_id=run.run_id,
        lasting=timedelta(hours=run.choices.settings.plan.lease_hours),
    )


def run_unit_stage(unit_id: str, stage: str, work: Callable[[Run], StageReport]) -> dict[str, Any]:
    """Run one stage of one unit under its label; the stage's record, for XCom.

    Raises CategoryTakenError while another run works on the unit's category.
    """
    run = current_run()
    unit = read_unit(run.storage, run.run_id, unit_id)
    # The label is set before the work, so that a unit that fails is named too.
    context: dict[str, Any] = get_current_context()  # type: ignore[assignment]
    context["label"] = unit["label"]
    # Each stage renews the lease: one that was cleared after the run's end has to take it again.
    with open_store(run.choices.settings) as store:
        leases_of(run, store).take([unit["category_id"]])
    report = run_stage(run.storage, run.run_id, unit_id, stage, lambda: work(run))
    count_stage(report)
    return report.to_json()
