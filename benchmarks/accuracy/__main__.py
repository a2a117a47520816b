"""Measures what detection finds and whom it accuses, beside the usual libraries.

    make accuracy DATASET=photos/dev               every view, every modification
    make accuracy DATASET=photos/dev ARGS=--sample the same in under five minutes
    make accuracy                                  on the demo's drawn goods

The dataset is `<folder>/<source>__<product>/<view>.jpg` with an optional `labels.csv` beside the
folder (product, view_a, view_b, label `dup` or `near`, why). Compared are each view with its
modifications; all views of one product with each other; pictures of different products; and hard
honest pairs that the benchmark makes. Every detector judges the same files.

Written to `--out`: pairs.csv (each false accusation and each miss), families.csv,
modifications.csv, peers.csv, kinds.csv and recall.png; with --cross-validate also
cross_validation.csv. The exit status is 0 also where goals are missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.accuracy import tables
from benchmarks.accuracy.changes import NotApplicableError
from benchmarks.accuracy.cross_validation import cross_validate
from benchmarks.accuracy.dataset import (
    Dataset,
    DatasetError,
    PairLabel,
    draw_dataset,
    read_dataset,
)
from benchmarks.accuracy.engines import NAME
from benchmarks.accuracy.judging import judge_tasks
from benchmarks.accuracy.modifications import MODIFICATIONS, modify
from benchmarks.accuracy.outcomes import (
    PairRow,
    PositiveRow,
    Row,
    pairs_table,
    positives_table,
)
from benchmarks.accuracy.peers import Peers, check_difpy
from benchmarks.accuracy.planning import FULL_EXTENT, SAMPLE_EXTENT, Extent, plan_tasks
from benchmarks.accuracy.plot import plot_recall
from benchmarks.accuracy.scoring import (
    accusation_goals,
    by_source,
    count_accusations,
    kinds_goal,
    recall_by_family,
    recall_by_modification,
    recall_goals,
    score_kinds,
)
from benchmarks.accuracy.timing import Timing, measure_cpu, time_detection
from image_duplication.settings import load_settings

_OUT = Path("build/accuracy")
_SEED = 7
_PROGRESS_EVERY_S = 20.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    dataset: Path | None
    out: Path
    seed: int
    workers: int
    with_peers: bool
    is_cross_validated: bool
    extent: Extent


@dataclass(frozen=True, slots=True)
class Result:
    """The tables of a run."""

    positives: pd.DataFrame
    pairs: pd.DataFrame
    modifications: pd.DataFrame
    families: pd.DataFrame
    timing: Timing


# --- running -----------------------------------------------------------------------------------


def _judge_all(console: Console, dataset: Dataset, options: Options) -> list[Row]:
    tasks = plan_tasks(dataset, options.extent, options.seed)
    rows: list[Row] = []
    started_s = told_s = time.monotonic()
    judged = judge_tasks(
        dataset,
        tasks,
        options.seed,
        with_peers=options.with_peers,
        workers=options.workers,
        with_evidence=options.is_cross_validated,
    )
    for done, found in enumerate(judged, start=1):
        rows += found
        now_s = time.monotonic()
        if now_s - told_s >= _PROGRESS_EVERY_S:
            told_s = now_s
            left_s = (now_s - started_s) / done * (len(tasks) - done)
            console.print(
                f"{done:,} of {len(tasks):,} tasks ({done / len(tasks):.0%}), {len(rows):,} pairs, "
                f"{len(rows) / (now_s - started_s):.0f} pairs/s, about {left_s:.0f} s left"
            )
    return rows


def _check_difpy(console: Console, dataset: Dataset, options: Options) -> None:
    """Say whether difPy's own build and search agree with the comparison in process."""
    random = np.random.default_rng([options.seed, 41])
    views, names = dataset.views, list(MODIFICATIONS)
    pairs = []
    for turn in range(options.extent.difpy_checks):
        view = views[int(random.integers(len(views)))]
        name = names[int(random.integers(len(names)))]
        try:
            content = modify(view.read(), MODIFICATIONS[name], zlib.crc32(f"{turn}".encode()))
        except NotApplicableError:
            continue
        pairs.append((f"{view.product}/{view.name} {name}", view.read_file(), content))
    check = check_difpy(pairs)
    agreed = "agree on all of them"
    if check.disagreements:
        agreed = f"[bold red]disagree[/]: {'; '.join(check.disagreements)}"
    console.print(
        f"difPy's own build and search, run on {check.pairs} of the pairs, and its comparison in "
        f"process {agreed}."
    )


def _print_heading(console: Console, dataset: Dataset, options: Options) -> None:
    sources = sorted({product.source for product in dataset.products.values()})
    counts = dataset.count_pairs()
    console.print(
        f"{len(dataset.products):,} products of {len(sources)} sources ({', '.join(sources)}), "
        f"{len(dataset.views):,} views; pairs within a product: {counts[PairLabel.HONEST]:,} "
        f"honest, {counts[PairLabel.DUP]} dup, {counts[PairLabel.NEAR]} near."
    )
    console.print(
        f"Judged: {options.extent.describe(dataset)}. Seed {options.seed}, "
        f"{options.workers} processes."
    )


def run(options: Options, console: Console) -> Result:
    """Measure, print, and write the files."""
    started_s = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.dataset is None:
        dataset = draw_dataset(options.out / "drawn")
    else:
        dataset = read_dataset(options.dataset)
    _print_heading(console, dataset, options)
    peers = Peers() if options.with_peers else None
    for sentence in peers.missing if peers is not None else ():
        console.print(f"[bold yellow]{sentence}[/]")
    measure = time_detection if options.workers == 1 else measure_cpu
    timing = measure(
        dataset.folder, options.extent.timed_variants, options.extent.timed_pairs, options.seed
    )
    if peers is not None:
        _check_difpy(console, dataset, options)
    rows = _judge_all(console, dataset, options)
    result = _score(rows, peers.names if peers is not None else (), timing)
    _report(console, result, options)
    if options.is_cross_validated:
        _cross_validate(console, rows, options)
    console.print(f"{len(rows):,} pairs in {time.monotonic() - started_s:.0f} s; {options.out}/")
    return result


def _cross_validate(console: Console, rows: Sequence[Row], options: Options) -> None:
    started_s = time.process_time()
    validation = cross_validate(rows, load_settings().detection)
    if validation is None:
        console.print(
            "[yellow]Not cross-validated: all pictures come from one source, so there is none to "
            "choose limits on while another is held out. It takes products of two sources or "
            "more.[/]"
        )
        return
    spent_s = time.process_time() - started_s
    tables.print_cross_validation(console, validation)
    tables.write_cross_validation(options.out, validation)
    console.print(f"Cross-validation took {spent_s:.0f} s of CPU.")


def _score(rows: Sequence[Row], peers: Sequence[str], timing: Timing) -> Result:
    positives = positives_table([row for row in rows if isinstance(row, PositiveRow)], peers)
    # Tasks end in any order; the files of two runs shall not differ by it.
    order = {name: place for place, name in enumerate(MODIFICATIONS)}
    positives = positives.sort_values(
        ["modification", "product", "view"],
        key=lambda column: column.map(order) if column.name == "modification" else column,
        ignore_index=True,
    )
    pairs = pairs_table([row for row in rows if isinstance(row, PairRow)], peers)
    pairs = pairs.sort_values(
        ["group", "category", "design", "product", "first", "second"], ignore_index=True
    )
    detectors = [NAME, *peers]
    modifications = recall_by_modification(positives, detectors)
    families = recall_by_family(modifications, detectors)
    return Result(positives, pairs, modifications, families, timing)


def _report(console: Console, result: Result, options: Options) -> None:
    detectors = [name for name in result.modifications.columns if name in result.pairs.columns]
    accusations = {name: count_accusations(result.pairs, name, options.seed) for name in detectors}
    kinds = score_kinds(result.positives)
    tables.print_families(console, result.families, detectors)
    tables.print_worst(console, result.modifications)
    tables.print_detectors(console, result.modifications, accusations)
    tables.print_sources(console, by_source(result.positives, result.pairs))
    tables.print_hard(console, result.pairs)
    tables.print_accusations(console, result.pairs)
    tables.print_kinds(console, kinds)
    tables.print_timing(console, result.timing)
    tables.print_goals(
        console,
        [
            *recall_goals(result.modifications),
            *accusation_goals(accusations[NAME]),
            kinds_goal(kinds),
            *tables.timing_goals(result.timing),
        ],
    )
    tables.write_csvs(
        options.out,
        result.positives,
        result.pairs,
        result.modifications,
        result.families,
        accusations,
        kinds,
    )
    plot_recall(options.out / "recall.png", result.families, accusations, detectors)


# --- command line ------------------------------------------------------------------------------


def _read_arguments(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--dataset", type=Path, help="folder of products; default: the demo's goods, drawn")
    add("--sample", action="store_true", help="fewer views and pairs, under five minutes")
    cores = len(os.sched_getaffinity(0))
    add("--workers", type=int, default=cores, help="processes, default %(default)s")
    add("--seed", type=int, default=_SEED, help="of everything random, default %(default)s")
    add("--peers", action=argparse.BooleanOptionalAction, default=True, help="judge them too")
    add("--cross-validate", action="store_true", help="choose limits without each source in turn")
    add("--out", type=Path, default=_OUT, help="folder for files, default %(default)s")
    parsed = parser.parse_args(arguments)
    if parsed.workers < 1:
        parser.error(f"--workers is {parsed.workers}, expected 1 or more")
    return Options(
        dataset=parsed.dataset,
        out=parsed.out,
        seed=parsed.seed,
        workers=parsed.workers,
        with_peers=parsed.peers,
        is_cross_validated=parsed.cross_validate,
        extent=SAMPLE_EXTENT if parsed.sample else FULL_EXTENT,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 only where nothing could be measured."""
    options = _read_arguments(sys.argv[1:] if arguments is None else arguments)
    # Linear algebra on one thread in every process that is started from here.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    try:
        run(options, console)
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
