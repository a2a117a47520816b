"""Compares the stages of this pipeline with the plain reference flow, on equal files.

    make benchmark ARGS="--variants 800 --images 5 --delay-ms 50"
    python -m benchmarks.pipeline --variants 200 --repeat 3

What is compared, in one invocation, each flow as a fresh process measured from outside:

- *pipeline*: plan, extract, urls, download, detect, report, archive and publish, unit after unit,
  by the functions that the DAG calls (Airflow itself is not part of it; see `benchmarks.units`);
- *reference*: one `requests.get` after another into a folder per variant, then one `difPy.build`
  and `difPy.search` with difPy's defaults per folder.

Both read the same SQLite source and fetch the same files from the same image server, which is a
process of its own, waits `--delay-ms` before each answer, and is counted for neither. The engine is
set to difPy's defaults (squared error 0, equal dimensions), and the sets of files found to be the
same must agree: exit status 1, with the difference, when they do not.

CPU seconds are those of a flow's process and all its children. With a delay, the download's rate is
also put against in-flight / delay and against the CPU bound: cores / (CPU seconds an image that the
download and the image server, which shares the machine, use together).

The catalogue is kept in build/benchmark by its sizes. `--skip-reference` runs the pipeline alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import BenchmarkCatalogue, Size, build_catalogue
from benchmarks.flows import Groups, Order
from benchmarks.measuring import FOLDER, Cost, measure
from demo.image_server import RunningImageServer, running_image_server
from image_duplication import layout
from image_duplication.records import Relation
from image_duplication.storage import Storage
from image_duplication.tables import FINDINGS, read_rows

_CORES = len(os.sched_getaffinity(0))
_TIMEOUT_S = 1_800.0

Sets = frozenset[tuple[str, frozenset[str]]]
"""Variant id, and image ids found to show the same picture."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One flow, run once. `stages`: name to wall and CPU seconds."""

    flow: str
    cost: Cost
    images: int
    fetched: int
    stages: dict[str, dict[str, float]]
    found: Sets
    server_cpu_s: float

    @property
    def images_per_s(self) -> float:
        """Images a second over the whole process."""
        return self.images / self.cost.wall_s


def run_flow(
    flow: str,
    catalogue: BenchmarkCatalogue,
    server: RunningImageServer,
    options: argparse.Namespace,
    folder: Path,
) -> Outcome:
    """Run one flow from an empty folder."""
    work = folder / flow
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    result = folder / f"{flow}.json"
    order = Order(
        database=str(catalogue.database),
        image_base=server.base_url,
        work_folder=str(work),
        result=str(result),
        slots=options.slots,
        # Whole variants, so many in each part that every slot has one part of each category.
        part_size_images=options.images
        * math.ceil(options.variants / options.categories / options.slots),
        in_flight=options.in_flight,
        processes=options.processes,
        engines=tuple(options.engine),
    )
    # What the one before left in the page cache's write queue must not slow this one down.
    os.sync()
    before = _cpu_of(server.pid)
    cost = measure(
        f"benchmarks.{flow}_flow",
        [order.to_json()],
        log=folder / f"{flow}.log",
        timeout_s=_TIMEOUT_S,
    )
    left = json.loads(result.read_text())
    groups = left["groups"]
    found = _pipeline_sets(str(work)) if groups is None else _as_sets(groups)
    server_cpu_s = _cpu_of(server.pid) - before
    shutil.rmtree(work, ignore_errors=True)
    return Outcome(flow, cost, left["images"], left["fetched"], left["stages"], found, server_cpu_s)


def _cpu_of(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _pipeline_sets(root: str) -> Sets:
    """The duplicate groups in the published findings of every category."""
    storage = Storage(root)
    groups: dict[tuple[str, str], set[str]] = {}
    for folder in storage.names("findings/current"):
        key = layout.current("findings", int(folder.partition("=")[2]))
        for row in read_rows(storage, key, FINDINGS):
            if row["relation"] == Relation.DUPLICATE:
                base = (row["variant_id"], row["base_image_id"])
                groups.setdefault(base, {row["base_image_id"]}).add(row["duplicate_image_id"])
    return frozenset((variant_id, frozenset(ids)) for (variant_id, _), ids in groups.items())


def _as_sets(groups: Groups) -> Sets:
    return frozenset(
        (variant_id, frozenset(ids)) for variant_id, found in groups.items() for ids in found
    )


def find_difference(one: Outcome, other: Outcome) -> list[str]:
    """Where two flows disagree: pictures fetched, and sets of equal pictures; empty: nowhere."""
    differences = []
    for outcome in (one, other):
        if outcome.fetched != outcome.images:
            differences.append(f"{outcome.flow} fetched {outcome.fetched} of {outcome.images}")
    for here, there in ((one, other), (other, one)):
        differences += [
            f"only {here.flow}: variant {variant_id}: {', '.join(sorted(ids))}"
            for variant_id, ids in sorted(here.found - there.found, key=str)
        ]
    return differences


# What is printed ----------------------------------------------------------------------------------


def _print_outcome(outcome: Outcome, console: Console) -> None:
    table = Table(box=box.ASCII2, title=outcome.flow, title_justify="left")
    for heading in ("stage", "seconds", "CPU s", "images/s", "CPU ms/image"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    timed = {"wall_s": 0.0, "cpu_s": 0.0}
    for stage, spent in outcome.stages.items():
        timed = {name: timed[name] + spent[name] for name in timed}
        table.add_row(stage, *_figures(spent["wall_s"], spent["cpu_s"], outcome.images))
    rest = (outcome.cost.wall_s - timed["wall_s"], outcome.cost.cpu_s - timed["cpu_s"])
    table.add_row("start, imports, end", *_figures(*rest, outcome.images), end_section=True)
    table.add_row(
        "whole process", *_figures(outcome.cost.wall_s, outcome.cost.cpu_s, outcome.images)
    )
    console.print(table)
    console.print(
        f"peak memory {outcome.cost.peak_tree_mib:.0f} MiB over all processes, "
        f"{outcome.cost.peak_process_mib:.0f} MiB in the largest; "
        f"{len(outcome.found)} sets of equal pictures; "
        f"image server {outcome.server_cpu_s:.1f} CPU s",
        highlight=False,
    )


def _figures(wall_s: float, cpu_s: float, images: int) -> tuple[str, str, str, str]:
    rate = f"{images / wall_s:.0f}" if wall_s > 0.005 else "-"
    return f"{wall_s:.2f}", f"{cpu_s:.2f}", rate, f"{1000 * cpu_s / images:.2f}"


def download_figures(outcome: Outcome, in_flight: int, delay_ms: float) -> dict[str, float]:
    """The download's rate, images/s, and the bounds that it is held against."""
    spent = outcome.stages["download_images"]
    cpu_s = spent["cpu_s"] + outcome.server_cpu_s
    latency_bound = in_flight / (delay_ms / 1000)
    cpu_bound = _CORES * outcome.images / cpu_s
    rate = outcome.images / spent["wall_s"]
    return {
        "rate": rate,
        "in_flight_by_delay": latency_bound,
        "cpu_bound": cpu_bound,
        "share": rate / min(latency_bound, cpu_bound),
    }


def compare(ours: Outcome, reference: Outcome) -> dict[str, float]:
    """Ours against the reference: speed as a multiple, CPU seconds and memory as shares."""
    return {
        "speed": reference.cost.wall_s / ours.cost.wall_s,
        "cpu": ours.cost.cpu_s / reference.cost.cpu_s,
        "peak_memory": ours.cost.peak_tree_mib / reference.cost.peak_tree_mib,
    }


def _print_spread(rounds: list[dict[str, Any]], console: Console) -> None:
    table = Table(box=box.ASCII2, title=f"{len(rounds)} round(s)", title_justify="left")
    for heading in ("figure", "lowest", "median", "highest"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for name in rounds[0]:
        values = sorted(float(one[name]) for one in rounds)
        figures = (values[0], statistics.median(values), values[-1])
        table.add_row(name, *(f"{value:.2f}" for value in figures))
    console.print(table)


def _run_round(
    catalogue: BenchmarkCatalogue,
    server: RunningImageServer,
    options: argparse.Namespace,
    console: Console,
) -> tuple[dict[str, float], list[str]]:
    """Both flows once; their figures by name, and where they disagree."""
    ours = run_flow("pipeline", catalogue, server, options, FOLDER)
    _print_outcome(ours, console)
    figures = {"pipeline images/s": ours.images_per_s, "pipeline CPU s": ours.cost.cpu_s}
    if options.delay_ms:
        download = download_figures(ours, options.in_flight, options.delay_ms)
        figures |= {f"download {name.replace('_', ' ')}": value for name, value in download.items()}
    if options.skip_reference:
        return figures, []
    reference = run_flow("reference", catalogue, server, options, FOLDER)
    _print_outcome(reference, console)
    ratios = compare(ours, reference)
    figures |= {
        "reference images/s": reference.images_per_s,
        "reference CPU s": reference.cost.cpu_s,
        "speed, times the reference": ratios["speed"],
        "CPU, share of the reference": ratios["cpu"],
        "peak memory, share of the reference": ratios["peak_memory"],
    }
    return figures, find_difference(ours, reference)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--variants", type=int, default=800)
    add("--images", type=int, default=5, help="of each variant")
    add("--side", type=int, default=420, help="of each picture, px")
    add("--categories", type=int, default=1, help="the variants are in; each has a unit per slot")
    add("--delay-ms", type=float, default=0, help="the server's wait before each answer")
    add("--in-flight", type=int, default=64, help="requests of the pipeline under way at once")
    add("--slots", type=int, default=_CORES, help="units that the pipeline works on at once")
    add("--processes", type=int, default=1, help="of a unit; 0: as many as it chooses")
    add("--engine", nargs="+", default=["difpy"], help="engines of the pipeline")
    add("--repeat", type=int, default=1, help="rounds; each runs both flows")
    add("--skip-reference", action="store_true", help="run the pipeline alone")
    return parser.parse_args()


def main() -> int:
    """Run the comparison; 1 when the flows disagree."""
    options = _options()
    console = Console(width=100, highlight=False)
    size = Size(options.variants, options.images, options.side, options.categories)
    catalogue = build_catalogue(size)
    console.print(
        f"{size.images} images of {size.side_px} px, {size.variants} variants, "
        f"{size.categories * options.slots} unit(s), {options.slots} at once, "
        f"delay {options.delay_ms:g} ms, in flight {options.in_flight}, "
        f"{_CORES} cores"
    )
    rounds = []
    differences: list[str] = []
    for _ in range(options.repeat):
        with running_image_server(catalogue.served_folder, delay_ms=options.delay_ms) as server:
            figures, found = _run_round(catalogue, server, options, console)
        rounds.append(figures)
        differences += found
    _print_spread(rounds, console)
    for difference in differences:
        console.print(f"DISAGREE {difference}")
    if not options.skip_reference and not differences:
        console.print("Findings agree: both flows found the same sets of files.")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
