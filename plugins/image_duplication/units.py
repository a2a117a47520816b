"""How far each work unit of a run has come, told by one small record per finished stage."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from image_duplication import layout
from image_duplication.records import StageReport
from image_duplication.storage import Storage

logger = logging.getLogger(__name__)

STAGES = (
    "extract_images",
    "correct_urls",
    "download_images",
    "detect_duplicates",
    "write_report",
    "archive_images",
)
"""The stages of a unit, in order; each is a task of the same name."""

REPORTED = STAGES.index("write_report") + 1
"""How many stages a unit must have finished for its findings to count."""


def run_stage(
    storage: Storage, run_id: str, unit_id: str, stage: str, work: Callable[[], StageReport]
) -> StageReport:
    """Run one stage of a unit and record that it finished; a failed stage leaves no record."""
    record = layout.stage_record(run_id, unit_id, stage)
    # A stage that is run again has not finished, whatever an earlier try left.
    storage.delete(record)
    logger.info("unit %s: %s starts", unit_id, stage)
    started = time.monotonic()
    report = work()
    storage.write_json(record, report.to_json())
    logger.info(
        "unit %s: %s done in %.1f s: %s", unit_id, stage, time.monotonic() - started, report.counts
    )
    return report


def read_stage_reports(storage: Storage, run_id: str, unit_id: str) -> list[StageReport]:
    """The records of a unit's stages, up to the first that did not finish."""
    reports = []
    for stage in STAGES:
        record = layout.stage_record(run_id, unit_id, stage)
        if not storage.exists(record):
            break
        reports.append(StageReport(**storage.read_json(record)))
    return reports
