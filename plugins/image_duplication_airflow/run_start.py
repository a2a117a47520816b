"""From when a run's deadline is counted. Every Airflow process loads this: it imports little."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk.definitions.deadline import BaseDeadlineReference

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class RunStart(BaseDeadlineReference):
    """When a run may start, or now if that is past; none for the runs of a backfill.

    Registered by the plugin, for the scheduler and the API server evaluate it, when they create a
    run. A logical date would not do: one of the past is late at once, a manual run may have none.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})
    """What Airflow is to hand over."""

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> datetime | None:
        """The start of the run that is being created; Airflow adds the interval."""
        # Airflow's models are for the processes that reach its database; a DAG file's do not.
        from airflow.models import DagRun  # noqa: PLC0415
        from airflow.utils.types import DagRunType  # noqa: PLC0415
        from sqlalchemy import select  # noqa: PLC0415

        run_type, run_after = session.execute(
            select(DagRun.run_type, DagRun.run_after).where(
                DagRun.dag_id == dag_id, DagRun.run_id == run_id
            )
        ).one()
        if run_type == DagRunType.BACKFILL_JOB:
            return None
        starts_at: datetime = max(run_after, datetime.now(UTC))
        return starts_at
