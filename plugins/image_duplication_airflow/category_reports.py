"""The asset by which other DAGs wait for a category's report: one partition per category."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.sdk import Asset, get_current_context
from airflow.sdk.exceptions import AirflowSkipException

if TYPE_CHECKING:
    from image_duplication.summary import RunSummary

logger = logging.getLogger(__name__)

CATEGORY_REPORT = Asset(name="category_report", uri="x-image-duplication://reports/category")
"""Its partition keys are category ids."""

_RENEWED = "renewed_categories"  # XCom of publish_run; gone when that task is tried again
_PUBLISH_TASK = "publish_run"


def note_renewed(summary: RunSummary) -> None:
    """Keep, for the task that announces them, the categories whose files the run wrote."""
    renewed = [category.category_id for category in summary.categories if category.is_renewed]
    get_current_context()["ti"].xcom_push(key=_RENEWED, value=renewed)


def announce_reports() -> list[int]:
    """Record an event of the asset for each category that was noted; their ids.

    Skips the task when there is none: without a partition, an event would be of no category.
    """
    context = get_current_context()
    renewed: list[int] = context["ti"].xcom_pull(task_ids=_PUBLISH_TASK, key=_RENEWED) or []
    if not renewed:
        raise AirflowSkipException("the run wrote no category's files")
    context["outlet_events"][CATEGORY_REPORT].add_partitions([f"{c}" for c in renewed])
    logger.info("%d category report(s) announced", len(renewed))
    return renewed
