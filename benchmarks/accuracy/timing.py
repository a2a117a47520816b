"""CPU milliseconds of the project's detection: an image from bytes to matches, and a pair.

`time.process_time` in one process, OpenCV on one thread. A variant is five honest pictures of one
source, reduced to 420 px: those of one product first, filled up from the next products.
"""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.changes import NotApplicableError
from benchmarks.accuracy.dataset import Dataset, PairLabel, Product, View, read_dataset
from benchmarks.accuracy.engines import ProjectDetector
from benchmarks.accuracy.modifications import MODIFICATIONS, Coding, modify, reduce
from benchmarks.accuracy.steps import Steps, timed_inside

PICTURES_PER_VARIANT = 5

_SIDE_PX = 420
_CODING = Coding(quality=88)
_WARM_UP_VARIANTS = 2
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU ms over honest variants, all in, by step and in all; and over modified pairs alone.

    The variants' figures are those of the median of three rounds; what pairs cost is spread over
    the images. `step_ms_per_image` is of a round of its own in which functions inside the detector
    are timed too, which costs a little itself; `not_timed` names those that it does not have. A
    modified pair shows candidate evidence; its figures are compare and judge, without decoding.
    """

    variants: int
    step_ms_per_image: dict[str, float]
    not_timed: tuple[str, ...]
    ms_per_image: float
    ms_per_pair: float
    modified_pairs: int
    ms_per_modified_pair: float
    p95_ms_per_modified_pair: float


def measure_cpu(folder: Path, variants: int, modified_pairs: int, seed: int) -> Timing:
    """Measure in a fresh process, before others use the cores."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(time_detection, folder, variants, modified_pairs, seed).result()


def time_detection(folder: Path, variants: int, modified_pairs: int, seed: int) -> Timing:
    """Measure in this process."""
    cv2.setNumThreads(1)
    dataset = read_dataset(folder)
    detector = ProjectDetector()
    chosen = _choose_variants(dataset, variants, seed)
    contents = [[_small_file(view) for view in views] for views in chosen]
    for variant in contents[:_WARM_UP_VARIANTS]:
        detector.time_variant(variant, Steps())
    rounds = [Steps() for _ in range(_ROUNDS)]
    for steps in rounds:
        _time_round(detector, contents, steps)
    median = sorted(rounds, key=lambda steps: sum(steps.seconds.values()))[_ROUNDS // 2]
    by_step = Steps()
    with timed_inside(by_step) as missing:
        _time_round(detector, contents, by_step)
    for_pairs = median.seconds["compare"] + median.seconds["judge"]
    pair_ms = _time_modified_pairs(detector, dataset, modified_pairs, seed)
    return Timing(
        variants=len(contents),
        step_ms_per_image={
            step: spent_s * 1_000 / by_step.pictures for step, spent_s in by_step.seconds.items()
        },
        not_timed=tuple(missing),
        ms_per_image=sum(median.seconds.values()) * 1_000 / median.pictures,
        ms_per_pair=for_pairs * 1_000 / max(median.pairs, 1),
        modified_pairs=len(pair_ms),
        ms_per_modified_pair=statistics.fmean(pair_ms),
        p95_ms_per_modified_pair=float(np.percentile(pair_ms, 95)),
    )


def _time_round(
    detector: ProjectDetector, contents: Sequence[Sequence[bytes]], steps: Steps
) -> None:
    for variant in contents:
        detector.time_variant(variant, steps)


def _small_file(view: View) -> bytes:
    return _CODING.encode(reduce(view.read(), _SIDE_PX))


def _choose_variants(dataset: Dataset, count: int, seed: int) -> list[list[View]]:
    """So many sets of five views, spread over the products at random."""
    sets = list(_honest_fives(dataset))
    random = np.random.default_rng([seed, 17])
    chosen = random.permutation(len(sets))[:count]
    return [sets[int(place)] for place in chosen]


def _honest_fives(dataset: Dataset) -> Iterator[list[View]]:
    """Five views at a time of products that stand side by side; no labelled pair among them."""
    waiting: list[View] = []
    products = list(dataset.products.values())
    for place, product in enumerate(products):
        if place and products[place - 1].source != product.source:
            waiting = []
        waiting += _unlabelled(dataset, product)[:PICTURES_PER_VARIANT]
        if len(waiting) >= PICTURES_PER_VARIANT:
            yield waiting[:PICTURES_PER_VARIANT]
            waiting = []


def _unlabelled(dataset: Dataset, product: Product) -> list[View]:
    """The views of a product, without the later one of each labelled pair."""
    kept: list[View] = []
    for view in product.views:
        labels = {dataset.label(product.name, view.name, other.name) for other in kept}
        if labels <= {PairLabel.HONEST}:
            kept.append(view)
    return kept


def _time_modified_pairs(
    detector: ProjectDetector, dataset: Dataset, count: int, seed: int
) -> list[float]:
    """CPU ms of comparing a view with a modification of it, for so many random ones."""
    random = np.random.default_rng([seed, 23])
    views = dataset.views
    modifications = list(MODIFICATIONS.values())
    spent_ms: list[float] = []
    for turn in range(count):
        view = views[int(random.integers(len(views)))]
        modification = modifications[int(random.integers(len(modifications)))]
        picture = reduce(view.read(), _SIDE_PX)
        try:
            content = modify(picture, modification, zlib.crc32(f"{seed} {turn}".encode()))
        except NotApplicableError:
            continue
        described = detector.describe(_CODING.encode(picture)), detector.describe(content)
        pair = [one for one in described if one]
        started_s = time.process_time()
        for evidence in detector.compare(pair):
            detector.judge(evidence)
        spent_ms.append((time.process_time() - started_s) * 1_000)
    return spent_ms
