"""What a run did, as Airflow's own metrics: by StatsD or OpenTelemetry, where Airflow has them on.

docs/metrics.md lists them. Plain StatsD drops tags, so the stage is part of the name. The category
is part of neither: ten thousand of them would make as many series of each metric.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk.observability.stats import incr, timing

if TYPE_CHECKING:
    from image_duplication.records import StageReport
    from image_duplication.summary import RunSummary

_PREFIX = "image_duplication"
_OF_RUN = (
    "categories",
    "units",
    "variants_judged",
    "findings_new",
    "findings_repeated",
    "findings_resolved",
)


def count_stage(report: StageReport) -> None:
    """Count what a finished stage did to one unit, and how long it took."""
    name = f"{_PREFIX}.{report.stage}"
    incr(f"{name}.units")
    incr(f"{name}.units_degraded", int(report.is_degraded))
    for counted, count in report.counts.items():
        incr(f"{name}.{counted}", count)
    timing(f"{name}.duration", timedelta(seconds=report.seconds))


def count_run(summary: RunSummary) -> None:
    """Count what a published run did, and what of it failed."""
    totals = summary.totals()
    name = f"{_PREFIX}.publish_run"
    for counted in _OF_RUN:
        incr(f"{name}.{counted}", totals[counted])
    incr(f"{name}.categories_failed", len(summary.categories_failed))
    for reason_code, count in totals["failed_by_reason"].items():
        incr(f"{name}.images_failed.{reason_code}", count)
    for failure in summary.units_failed:
        incr(f"{_PREFIX}.{failure.stage}.units_failed")
