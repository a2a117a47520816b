"""The flow `pipeline`: the stages of this project, as the work of one process.

python -m benchmarks.pipeline_flow '{"database": …}'
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from benchmarks.flows import Order, StageTimes, leave_result, pipeline_settings
from image_duplication.plans import read_plan
from image_duplication.queries import Source
from image_duplication.records import Selection, StageReport
from image_duplication.settings import Settings, load_settings
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
    """Plan, every unit's stages, and publish, as the DAG runs them, `slots` units at once."""
    # Forked before anything has run, so before there are threads, as Airflow forks its workers.
    with ProcessPoolExecutor(order.slots, mp_context=get_context("fork")) as pool:
        list(pool.map(_begin, range(order.slots)))
        times = StageTimes()
        settings = load_settings(pipeline_settings(order))
        storage = Storage(settings.storage_root)
        with _open_source(order, settings) as source:
            plan = times.time(
                "plan_work",
                partial(
                    plan_work, storage, settings, source, run_id=_RUN_ID, selection=Selection()
                ),
            )
        for of_unit in pool.map(partial(_run_unit, order), plan.unit_ids):
            times.add(of_unit, order.slots)
    summary = times.time("publish_run", partial(publish_run, storage, settings, run_id=_RUN_ID))
    totals = summary.totals()
    leave_result(order, times, images=totals["images"], fetched=totals["downloaded"])


def _begin(_slot: int) -> None:
    """Nothing; but it makes the pool start its processes."""


def _open_source(order: Order, settings: Settings) -> Source:
    return Source(
        "gem_staging",
        f"sqlite:///{order.database}",
        settings.include / "sql",
        fetch_rows=settings.source.fetch_rows,
    )


def _run_unit(order: Order, unit_id: str) -> StageTimes:
    """The stages of one unit, in one slot."""
    times = StageTimes()
    settings = load_settings(pipeline_settings(order))
    storage = Storage(settings.storage_root)
    judged_at = read_plan(storage, _RUN_ID).planned_at
    with _open_source(order, settings) as source:
        works: dict[str, Callable[..., StageReport]] = {
            "extract_images": partial(extract_images, storage, settings, source),
            "correct_urls": partial(correct_urls, storage, settings),
            "download_images": partial(download_images, storage, settings, is_last_attempt=True),
            "detect_duplicates": partial(detect_duplicates, storage, settings, judged_at=judged_at),
            "write_report": partial(write_report, storage, settings),
            "archive_images": partial(archive_images, storage),
        }
        for stage, work in works.items():
            of_unit = partial(work, run_id=_RUN_ID, unit_id=unit_id)
            times.time(stage, partial(run_stage, storage, _RUN_ID, unit_id, stage, of_unit))
    return times


if __name__ == "__main__":
    run_pipeline(Order.from_json(sys.argv[1]))
