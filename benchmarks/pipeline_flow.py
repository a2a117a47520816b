"""The flow `pipeline`: the stages of this project, as the work of one process.

python -m benchmarks.pipeline_flow '{"database": …}'
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from benchmarks.flows import Order, StageTimes, leave_result, pipeline_settings
from image_duplication.queries import Source
from image_duplication.records import StageReport
from image_duplication.settings import load_settings
from image_duplication.stages.archive import archive_images
from image_duplication.stages.detect import detect_duplicates
from image_duplication.stages.download import download_images
from image_duplication.stages.extract import extract_images
from image_duplication.stages.plan import plan_work
from image_duplication.stages.publish import publish_run
from image_duplication.stages.report import write_report
from image_duplication.stages.urls import correct_urls
from image_duplication.storage import Storage
from image_duplication.units import run_stage

_RUN_ID = "benchmark"


def run_pipeline(order: Order) -> None:
    """Plan, every unit's stages, and publish, as the DAG runs them; one unit after another."""
    times = StageTimes()
    settings = load_settings(pipeline_settings(order))
    storage = Storage(settings.storage_root)
    source = Source(
        "gem_staging",
        f"sqlite:///{order.database}",
        settings.include / "sql",
        fetch_rows=settings.source.fetch_rows,
    )
    with source:
        plan = times.time(
            "plan_work", partial(plan_work, storage, settings, source, run_id=_RUN_ID)
        )
        works: dict[str, Callable[..., StageReport]] = {
            "extract_images": partial(extract_images, storage, settings, source),
            "correct_urls": partial(correct_urls, storage, settings),
            "download_images": partial(download_images, storage, settings, is_last_attempt=True),
            "detect_duplicates": partial(
                detect_duplicates, storage, settings, judged_at=plan.planned_at
            ),
            "write_report": partial(write_report, storage, settings),
            "archive_images": partial(archive_images, storage),
        }
        for unit_id in plan.unit_ids:
            for stage, work in works.items():
                of_unit = partial(work, run_id=_RUN_ID, unit_id=unit_id)
                times.time(stage, partial(run_stage, storage, _RUN_ID, unit_id, stage, of_unit))
    summary = times.time("publish_run", partial(publish_run, storage, settings, run_id=_RUN_ID))
    totals = summary.totals()
    leave_result(order, times, images=totals["images"], fetched=totals["downloaded"])


if __name__ == "__main__":
    run_pipeline(Order.from_json(sys.argv[1]))
