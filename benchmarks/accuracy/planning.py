"""What a run judges: how many views, pairs and modifications, and the tasks that make them up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.changes import Random
from benchmarks.accuracy.dataset import Dataset, View
from benchmarks.accuracy.hard_negatives import FULL, SAMPLE, Amounts, plan_hard_pairs
from benchmarks.accuracy.judging import CrossTask, HardTask, ProductTask, Task
from benchmarks.accuracy.modifications import MODIFICATIONS

_CROSS_BLOCK = 12
_HARD_CHUNK = 8


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a run does. `views` None: all, each with every modification."""

    views: int | None
    modifications_in: int
    """Each view gets one of so many equal parts of the modifications, in turn."""
    cross_blocks: int
    hard: Amounts
    timed_variants: int
    timed_pairs: int
    difpy_checks: int

    def describe(self, dataset: Dataset) -> str:
        """What is judged, in a sentence."""
        cross = self.cross_blocks * _CROSS_BLOCK * (_CROSS_BLOCK - 1) // 2
        if self.views is None:
            views = f"all {len(dataset.views):,} views with all {len(MODIFICATIONS)} modifications"
        else:
            views = (
                f"{min(self.views, len(dataset.views)):,} of {len(dataset.views):,} views, drawn "
                f"evenly over the sources, each with one of {self.modifications_in} equal parts of "
                f"the {len(MODIFICATIONS)} modifications in turn"
            )
        return f"{views}; every pair within a product; up to {cross:,} pairs of different products"


FULL_EXTENT = Extent(None, 1, 80, FULL, 60, 300, 60)
SAMPLE_EXTENT = Extent(120, 3, 24, SAMPLE, 30, 80, 12)


def plan_tasks(dataset: Dataset, extent: Extent, seed: int) -> list[Task]:
    """All tasks of a run, in an order that mixes long and short ones; equal for an equal seed."""
    random = np.random.default_rng([seed, 11])
    modified = _plan_modified(dataset, extent, random)
    tasks: list[Task] = [
        ProductTask(name, tuple(modified.get(name, {}).items())) for name in dataset.products
    ]
    tasks += _plan_cross(dataset, extent.cross_blocks, random)
    hard = plan_hard_pairs(dataset, extent.hard, seed)
    tasks += [
        HardTask(tuple(hard[start : start + _HARD_CHUNK]))
        for start in range(0, len(hard), _HARD_CHUNK)
    ]
    return [tasks[int(place)] for place in random.permutation(len(tasks))]


def _plan_modified(
    dataset: Dataset, extent: Extent, random: Random
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Names of modifications by product and view."""
    names = tuple(MODIFICATIONS)
    chosen = dataset.views
    if extent.views is not None:
        chosen = _draw_evenly(dataset, extent.views, random)
    planned: dict[str, dict[str, tuple[str, ...]]] = {}
    for turn, view in enumerate(chosen):
        part = names[turn % extent.modifications_in :: extent.modifications_in]
        planned.setdefault(view.product, {})[view.name] = part
    return planned


def _draw_evenly(dataset: Dataset, count: int, random: Random) -> list[View]:
    """So many views, source after source in turn, within a source at random."""
    by_source: dict[str, list[View]] = {}
    for place in random.permutation(len(dataset.views)):
        view = dataset.views[int(place)]
        source = dataset.products[view.product].source
        by_source.setdefault(source, []).append(view)
    drawn: list[View] = []
    while len(drawn) < count and any(by_source.values()):
        for views in by_source.values():
            if views and len(drawn) < count:
                drawn.append(views.pop())
    return drawn


def _plan_cross(dataset: Dataset, blocks: int, random: Random) -> Iterator[CrossTask]:
    """Blocks of views of different products: of one source and of all sources in turn."""
    products = list(dataset.products.values())
    by_source: dict[str, list[str]] = {}
    for product in products:
        by_source.setdefault(product.source, []).append(product.name)
    large = [names for names in by_source.values() if len(names) >= _CROSS_BLOCK]
    everything = [product.name for product in products]
    for block in range(blocks):
        names = everything
        if large and block % 2:
            names = large[int(random.integers(len(large)))]
        chosen = random.permutation(len(names))[:_CROSS_BLOCK]
        views = [dataset.products[names[int(place)]].views for place in chosen]
        yield CrossTask(tuple(seen[int(random.integers(len(seen)))] for seen in views))
