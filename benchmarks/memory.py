"""Measures the peak memory of every stage at a small and at a large number of images in one unit.

    python -m benchmarks.memory --small 10000 --large 100000

For each size a catalogue of one category, and so of one work unit, runs through all stages twice:
first on empty storage, then, where a share of the variants has changed, on the state that the first
run left ("again": the stages that read a previous state are plan_work and publish_run). Each stage
runs in a fresh process, whose tree is watched from outside. The pictures are tiny (16 px) and come
from an image server on the loopback address, so that what is measured is the rows, not the pixels.

The table gives the peak of the process tree and of the largest process in MiB, and the ratio of
both at the two sizes; the goal is a ratio of at most 1.3 for the tree. With `--check` the exit
status is 1 when a stage is above it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import fill_source, image_row, variant_row
from benchmarks.measuring import FOLDER, Cost, measure
from benchmarks.memory_stage import MODULES, StageOrder
from benchmarks.pictures import write_tiny_pictures
from demo.image_server import running_image_server

GOAL = 1.3

_IMAGES_PER_VARIANT = 5
_CHANGED_EVERY = 10  # of the variants, before the second run
_TIMEOUT_S = 1_200.0


def _rows(
    images: int, paths: list[str]
) -> tuple[Iterator[dict[str, Any]], Iterator[dict[str, Any]]]:
    variants = range(1, images // _IMAGES_PER_VARIANT + 1)
    return (
        (variant_row(variant_id, category_id=1) for variant_id in variants),
        (
            image_row(
                variant_id,
                position,
                paths[(variant_id * _IMAGES_PER_VARIANT + position) % len(paths)],
            )
            for variant_id in variants
            for position in range(1, _IMAGES_PER_VARIANT + 1)
        ),
    )


def _change_some(database: Path) -> None:
    """Touch every tenth variant's images, so that it is due again."""
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(
            "UPDATE inb_images SET updated_at = '2024-05-01 00:00:00.000000' "
            "WHERE variant_id % ? = 0",
            (_CHANGED_EVERY,),
        )
    connection.close()


def measure_stages(images: int, folder: Path, console: Console) -> dict[str, Cost]:
    """Every stage at one size, by name; the second run's by name and "again"."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    database = folder / "source.db"
    served = folder / "served"
    fill_source(database, *_rows(images, write_tiny_pictures(served)))
    costs: dict[str, Cost] = {}
    with running_image_server(served) as server:
        for run_id, suffix in (("first", ""), ("second", ", again")):
            for stage in MODULES:
                order = StageOrder(
                    stage, run_id, str(database), server.base_url, str(folder / "data")
                )
                started = time.monotonic()
                cost = measure(
                    "benchmarks.memory_stage",
                    [json.dumps(asdict(order))],
                    log=folder / f"{run_id}-{stage}.log",
                    timeout_s=_TIMEOUT_S,
                )
                costs[stage + suffix] = cost
                console.print(
                    f"  {images} images, {stage}{suffix}: {time.monotonic() - started:.1f} s, "
                    f"{cost.peak_tree_mib:.0f} MiB"
                )
            _change_some(database)
    shutil.rmtree(folder, ignore_errors=True)
    return costs


def print_table(small: dict[str, Cost], large: dict[str, Cost], console: Console) -> float:
    """All stages at both sizes; the greatest ratio of the trees' peaks."""
    table = Table(box=box.ASCII2, title="Peak memory, MiB", title_justify="left")
    table.add_column("stage")
    for heading in ("tree, small", "tree, large", "ratio", "process, small", "process, large"):
        table.add_column(heading, justify="right")
    worst = 0.0
    for stage, cost in small.items():
        ratio = large[stage].peak_tree_mib / cost.peak_tree_mib
        worst = max(worst, ratio)
        table.add_row(
            stage,
            f"{cost.peak_tree_mib:.0f}",
            f"{large[stage].peak_tree_mib:.0f}",
            f"{ratio:.2f}",
            f"{cost.peak_process_mib:.0f}",
            f"{large[stage].peak_process_mib:.0f}",
        )
    console.print(table)
    return worst


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", type=int, default=10_000, help="images")
    parser.add_argument("--large", type=int, default=100_000, help="images")
    parser.add_argument("--check", action="store_true", help="fail above the goal")
    return parser.parse_args()


def main() -> int:
    """Measure both sizes; 1 when that is asked for and a stage is above the goal."""
    options = _options()
    console = Console(width=100, highlight=False)
    small = measure_stages(options.small, FOLDER / "memory-small", console)
    large = measure_stages(options.large, FOLDER / "memory-large", console)
    worst = print_table(small, large, console)
    console.print(
        f"greatest ratio {worst:.2f} at {options.small} and {options.large} images, goal {GOAL}"
    )
    return 1 if options.check and worst > GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
