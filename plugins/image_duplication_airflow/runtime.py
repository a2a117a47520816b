"""What a running task needs of Airflow's context: its run, its settings, its unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow.sdk import get_current_context

from image_duplication.plans import Plan, read_plan, read_unit
from image_duplication.records import StageReport
from image_duplication.storage import Storage
from image_duplication.units import run_stage
from image_duplication_airflow.params import RunChoices, read_choices


@dataclass(frozen=True, slots=True)
class Run:
    """The run that the current task belongs to."""

    run_id: str
    choices: RunChoices
    storage: Storage
    is_last_attempt: bool

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
    )


def run_unit_stage(unit_id: str, stage: str, work: Callable[[Run], StageReport]) -> dict[str, Any]:
    """Run one stage of one unit under its label; the stage's record, for XCom."""
    run = current_run()
    # The label is set before the work, so that a unit that fails is named too.
    context: dict[str, Any] = get_current_context()  # type: ignore[assignment]
    context["label"] = read_unit(run.storage, run.run_id, unit_id)["label"]
    report = run_stage(run.storage, run.run_id, unit_id, stage, lambda: work(run))
    return report.to_json()
