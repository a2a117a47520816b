"""The two flows that `benchmarks.pipeline` compares, each the whole work of one process.

python -m benchmarks.flows pipeline '{"…": …}'
python -m benchmarks.flows reference '{"…": …}'
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

IMAGE_BASE = "https://assets-bg.gem.gov.in"
RUN_ID = "benchmark"

Made = TypeVar("Made")
Groups = dict[str, list[list[str]]]


@dataclass(frozen=True, slots=True)
class Order:
    """What a flow works on. `result` is the JSON file that it leaves: its stages, its groups."""

    database: str
    image_base: str
    work_folder: str
    result: str
    in_flight: int = 64
    processes: int = 0
    engines: tuple[str, ...] = ("difpy",)


class _Stages:
    """Wall and CPU seconds of each stage, its finished children included."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}

    def time(self, name: str, work: Callable[[], Made]) -> Made:
        """Run a stage; times of equal names add up."""
        started, cpu_before = time.monotonic(), _cpu_s()
        made = work()
        entry = self.seconds.setdefault(name, {"wall_s": 0.0, "cpu_s": 0.0})
        entry["wall_s"] += time.monotonic() - started
        entry["cpu_s"] += _cpu_s() - cpu_before
        return made


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def run_pipeline(order: Order) -> None:
    """The stages of this project, unit after unit, as the DAG runs them."""
    from image_duplication.queries import Source
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

    stages = _Stages()
    settings = load_settings(pipeline_settings(order))
    storage = Storage(settings.storage_root)
    source = Source(
        "gem_staging",
        f"sqlite:///{order.database}",
        settings.include / "sql",
        fetch_rows=settings.source.fetch_rows,
    )
    with source:
        plan = stages.time("plan_work", lambda: plan_work(storage, settings, source, run_id=RUN_ID))
        for unit_id in plan.unit_ids:
            unit = {"run_id": RUN_ID, "unit_id": unit_id}
            works: dict[str, Callable[[], Any]] = {
                "extract_images": lambda u=unit: extract_images(storage, settings, source, **u),
                "correct_urls": lambda u=unit: correct_urls(storage, settings, **u),
                "download_images": lambda u=unit: download_images(
                    storage, settings, is_last_attempt=True, **u
                ),
                "detect_duplicates": lambda u=unit: detect_duplicates(
                    storage, settings, judged_at=plan.planned_at, **u
                ),
                "write_report": lambda u=unit: write_report(storage, settings, **u),
                "archive_images": lambda u=unit: archive_images(storage, **u),
            }
            for stage, work in works.items():
                stages.time(stage, lambda: run_stage(storage, RUN_ID, unit_id, stage, work))
    summary = stages.time("publish_run", lambda: publish_run(storage, settings, run_id=RUN_ID))
    totals = summary.totals()
    _leave(order, stages, images=totals["images"], fetched=totals["downloaded"])


def pipeline_settings(order: Order) -> dict[str, Any]:
    """The settings of a pipeline that fetches from the image server as fast as it may."""
    host = order.image_base.removeprefix("http://").partition(":")[0]
    return {
        "storage": {"root": order.work_folder},
        "urls": {"image_base": order.image_base, "allowed_hosts": [host]},
        "download": {
            "in_flight": order.in_flight,
            "connections_per_host": order.in_flight,
            "rate_per_host_per_s": None,
            "processes": order.processes,
            "private_hosts": [host],
        },
        # difPy's own defaults: `duplicates`, rotations, equal dimensions.
        "detection": {
            "engines": list(order.engines),
            "processes": order.processes,
            "difpy": {"similarity_mse": 0.0, "same_dimensions": True},
        },
    }


def run_reference(order: Order) -> None:
    """The plain flow: one request after another, then difPy on one folder after another."""
    import requests
    from difPy import dif

    stages = _Stages()
    folder = Path(order.work_folder)
    rows = stages.time("read", lambda: _read_rows(order.database))
    folders = {variant_id: folder / variant_id for variant_id, _, _ in rows}

    def download() -> int:
        fetched = 0
        for variant_id, image_id, url in rows:
            folders[variant_id].mkdir(parents=True, exist_ok=True)
            answer = requests.get(url.replace(IMAGE_BASE, order.image_base), timeout=30)
            answer.raise_for_status()
            suffix = url.rpartition(".")[2]
            (folders[variant_id] / f"{image_id}.{suffix}").write_bytes(answer.content)
            fetched += 1
        return fetched

    def detect() -> Groups:
        groups = {}
        for variant_id, variant_folder in folders.items():
            built = dif.build(str(variant_folder), show_progress=False)
            found = dif.search(built, show_progress=False).result
            if found:
                groups[variant_id] = [
                    [Path(name).stem for name in (base, *(match[0] for match in matches))]
                    for base, matches in found.items()
                ]
        return groups

    fetched = stages.time("download_images", download)
    groups = stages.time("detect_duplicates", detect)
    _leave(order, stages, images=len(rows), fetched=fetched, groups=groups)


def _read_rows(database: str) -> list[tuple[str, str, str]]:
    """Variant id, image id and URL of every active image, in the catalogue's order."""
    connection = sqlite3.connect(database)
    try:
        found = connection.execute(
            "SELECT v.variant_id, i.image_id, i.image_url FROM inb_variants v "
            "JOIN inb_images i ON i.variant_id = v.variant_id "
            "WHERE v.is_active = 1 AND i.is_active = 1 "
            "ORDER BY v.category_id, v.variant_id, i.position"
        )
        return [(str(variant_id), image_id, url) for variant_id, image_id, url in found]
    finally:
        connection.close()


def _leave(
    order: Order, stages: _Stages, *, images: int, fetched: int, groups: Groups | None = None
) -> None:
    left = {"stages": stages.seconds, "images": images, "fetched": fetched, "groups": groups}
    Path(order.result).write_text(json.dumps(left))


def main() -> None:
    """Run the flow that the first argument names on the order in the second."""
    flows = {"pipeline": run_pipeline, "reference": run_reference}
    flow = flows[sys.argv[1]]
    order = Order(**json.loads(sys.argv[2]))
    if os.environ.get("BENCHMARK_LOG"):
        logging.basicConfig(level=logging.INFO)
    flow(order)


def arguments(flow: str, order: Order) -> list[str]:
    """The command-line arguments with which `main` runs a flow."""
    return [flow, json.dumps(asdict(order))]


if __name__ == "__main__":
    main()
