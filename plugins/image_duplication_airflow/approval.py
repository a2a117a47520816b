"""A person's word on a removal, asked for on a page of Airflow's."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from image_duplication.alerts import RunPage, alert_of_waiting_removal
from image_duplication.errors import ConfigurationError, RemovalRefusedError
from image_duplication_airflow.alerting import page_of, send_alert

if TYPE_CHECKING:
    from image_duplication_airflow.removal_runs import RemovalRun

logger = logging.getLogger(__name__)

APPROVE = "Approve"
REJECT = "Reject"
ANSWER_PARAMS: Mapping[str, Param] = {
    "note": Param(
        None,
        type=["null", "string"],
        title="Note",
        description="Why; it is recorded with your name.",
    ),
    "confirmation": Param(
        None,
        type=["null", "string"],
        title="Confirmation",
        description="The words that the page asks for, if it asks for any.",
    ),
}

_TIMED_OUT = "timeout"  # Airflow's word for it


class RemovalApproval(HITLOperator):
    """Asks whether the run's removal may be applied, until an answer suffices or time is over.

    An answer that does not suffice is logged, told as an alert, and asked for again: Airflow takes
    whatever is sent, checks no field of it and takes no second one. The task's value is the
    removal's state; while it waits, it holds no worker.
    """

    def __init__(self, **of_task: Any) -> None:
        super().__init__(
            subject="May the removal be applied?",
            options=[APPROVE, REJECT],
            **of_task,
        )

    @property
    def serialized_params(self) -> dict[str, dict[str, Any]]:
        """The fields of the page. As the task's params they would mix with those of the run."""
        return {name: param.serialize() for name, param in ANSWER_PARAMS.items()}

    def execute(self, context: Any) -> str:
        """Ask, unless the removal is decided already."""
        from image_duplication_airflow.removal_runs import current_removal_run  # noqa: PLC0415

        run = current_removal_run()
        if run.choices.is_dry:
            raise AirflowSkipException("a dry run waits for nobody")
        return self._ask(context, run)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> str:
        """Record the answer, or that there was none in time."""
        # A DAG file is parsed without what these import.
        from image_duplication_airflow import removal_answers  # noqa: PLC0415
        from image_duplication_airflow.removal_runs import current_removal_run  # noqa: PLC0415

        run = current_removal_run()
        if event.get("error_type") == _TIMED_OUT:
            return str(removal_answers.record_time_out(run))
        if "error" in event:
            self.process_trigger_event_error(event)
        try:
            return str(removal_answers.record_answer(run, removal_answers.read_answer(event)))
        except (RemovalRefusedError, ConfigurationError) as refusal:
            logger.warning("the answer is not accepted: %s", refusal)
            return self._ask(context, run, refusal=str(refusal))

    def _ask(self, context: Any, run: RemovalRun, *, refusal: str = "") -> str:
        from image_duplication_airflow import removal_answers  # noqa: PLC0415

        question = removal_answers.find_question(run)
        if not isinstance(question, removal_answers.Question):
            return str(question)
        self.subject, self.body = question.subject, question.page
        # Whoever clears the task, or answers amiss, does not buy more time.
        self.response_timeout = question.time_left()
        page = page_of(self.dag_id, context["run_id"])
        link = f"{page.link}/tasks/{self.task_id}/required_actions"
        send_alert(
            alert_of_waiting_removal(
                run.choices.settings.alerts,
                RunPage(page.dag_id, page.run_id, link),
                subject=question.subject,
                refusal=refusal,
            )
        )
        # Takes back an answer that there was, and raises what makes the task wait.
        return str(super().execute(context))
