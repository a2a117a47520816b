"""One stage of one run, as the work of one process, for `benchmarks.memory`.

python -m benchmarks.memory_stage '{"stage": …}'
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.flows import Order, pipeline_settings
from image_duplication.plans import read_plan
from image_duplication.settings import load_settings
from image_duplication.storage import Storage
from image_duplication.units import run_stage

MODULES = {
    "plan_work": "plan",
    "extract_images": "extract",
    "correct_urls": "urls",
    "download_images": "download",
    "detect_duplicates": "detect",
    "write_report": "report",
    "archive_images": "archive",
    "publish_run": "publish",
}
"""Every stage in order, and the module of image_duplication.stages that has it."""


@dataclass(frozen=True, slots=True)
class StageOrder:
    """One stage of one run, as a process of its own does it."""

    stage: str
    run_id: str
    database: str
    image_base: str
    work_folder: str


def run_stage_alone(order: StageOrder) -> None:
    """Do one stage in this process, which imports no other, so that only its memory counts."""
    module = importlib.import_module(f"image_duplication.stages.{MODULES[order.stage]}")
    function = getattr(module, order.stage)
    wanted = inspect.signature(function).parameters
    settings = load_settings(
        {
            **pipeline_settings(Order(order.database, order.image_base, order.work_folder, "")),
            "plan": {"part_size_images": 1_000_000_000},
        }
    )
    storage = Storage(settings.storage_root)
    given: dict[str, Any] = {"storage": storage, "settings": settings, "run_id": order.run_id}
    with contextlib.ExitStack() as stack:
        if "source" in wanted:
            queries = importlib.import_module("image_duplication.queries")
            address = f"sqlite:///{order.database}"
            source = queries.Source(
                "gem_staging", address, settings.include / "sql", fetch_rows=2_000
            )
            given["source"] = stack.enter_context(source)
        if "unit_id" not in wanted:
            function(**_taken(wanted, given))
            return
        plan = read_plan(storage, order.run_id)
        (given["unit_id"],) = plan.unit_ids
        given |= {"judged_at": plan.planned_at, "is_last_attempt": True}
        work = functools.partial(function, **_taken(wanted, given))
        report = run_stage(storage, order.run_id, given["unit_id"], order.stage, work)
        print(report.counts)


def _taken(wanted: Iterable[str], given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in wanted if name in given}


if __name__ == "__main__":
    run_stage_alone(StageOrder(**json.loads(sys.argv[1])))
