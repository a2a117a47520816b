"""Honest pairs that look like copies: planned as small records, made where they are judged."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from benchmarks.accuracy.changes import Random
from benchmarks.accuracy.dataset import Dataset, PairLabel, View
from benchmarks.accuracy.frames import FRAMES
from benchmarks.accuracy.modifications import Coding
from benchmarks.accuracy.pages import PAGES
from benchmarks.accuracy.twins import (
    PLAIN,
    PRINTS,
    SYMMETRIC,
    MakeTwins,
    draw_crest,
    print_on_photo,
)

_CODING = Coding(quality=88)


class Category(StrEnum):
    """Kinds of hard honest pairs, scored apart."""

    FRAMED_GOODS = "different goods, one frame"
    FRAMED_VIEWS = "different views, one frame"
    SYMMETRIC = "left and right of symmetric goods"
    PLAIN = "front and back of plain goods"
    PRINT = "one print on different goods"
    PAGE = "different figures, one layout"


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many pairs are made of each design."""

    per_frame: int
    per_drawn: int
    photographed_prints: int


FULL = Amounts(per_frame=40, per_drawn=15, photographed_prints=90)
SAMPLE = Amounts(per_frame=6, per_drawn=3, photographed_prints=15)


@dataclass(frozen=True, slots=True)
class HardPair:
    """One pair to make. `views` is empty where the goods or pages are drawn."""

    category: Category
    design: str
    number: int
    views: tuple[View, ...] = ()

    @property
    def name(self) -> str:
        """What identifies the pair in a list."""
        shown = " | ".join(f"{view.product}/{view.name}" for view in self.views)
        return f"{self.design} {self.number} {shown}".strip()


def plan_hard_pairs(dataset: Dataset, amounts: Amounts, seed: int) -> list[HardPair]:
    """Every pair of a run; the same seed gives the same pairs."""
    random = np.random.default_rng([seed, 31])
    planned: list[HardPair] = []
    for design in FRAMES:
        goods = itertools.islice(_different_goods(dataset, random), amounts.per_frame)
        planned += _number(Category.FRAMED_GOODS, design, goods)
        views = itertools.islice(_different_views(dataset, random), amounts.per_frame)
        planned += _number(Category.FRAMED_VIEWS, design, views)
    for category, designs in _DRAWN.items():
        for design in designs:
            planned += _number(category, design, [()] * amounts.per_drawn)
    goods = itertools.islice(_different_goods(dataset, random), amounts.photographed_prints)
    return planned + list(_number(Category.PRINT, _ON_PHOTOS, goods))


_DRAWN: dict[Category, dict[str, MakeTwins]] = {
    Category.SYMMETRIC: SYMMETRIC,
    Category.PLAIN: PLAIN,
    Category.PRINT: PRINTS,
    Category.PAGE: PAGES,
}
_ON_PHOTOS = "photos"


def _number(
    category: Category, design: str, views: Iterator[tuple[View, ...]] | Sequence[tuple[View, ...]]
) -> Iterator[HardPair]:
    for number, shown in enumerate(views, start=1):
        yield HardPair(category, design, number, tuple(shown))


def _different_goods(dataset: Dataset, random: Random) -> Iterator[tuple[View, View]]:
    """Views of two products of one source, endlessly; of any two where a source has only one."""
    by_source: dict[str, list[str]] = {}
    for product in dataset.products.values():
        by_source.setdefault(product.source, []).append(product.name)
    names = list(dataset.products)
    while len(names) > 1:
        first = names[int(random.integers(len(names)))]
        rivals = by_source[dataset.products[first].source]
        rivals = [name for name in (rivals if len(rivals) > 1 else names) if name != first]
        second = rivals[int(random.integers(len(rivals)))]
        yield _pick_view(dataset, first, random), _pick_view(dataset, second, random)


def _pick_view(dataset: Dataset, product: str, random: Random) -> View:
    views = dataset.products[product].views
    return views[int(random.integers(len(views)))]


def _different_views(dataset: Dataset, random: Random) -> Iterator[tuple[View, View]]:
    """Honest pairs of views of one product, endlessly."""
    pairs = [
        pair
        for product in dataset.products.values()
        for pair in itertools.combinations(product.views, 2)
        if dataset.label(product.name, pair[0].name, pair[1].name) is PairLabel.HONEST
    ]
    while pairs:
        yield pairs[int(random.integers(len(pairs)))]


def make_hard_pair(pair: HardPair, seed: int) -> tuple[bytes, bytes]:
    """The two files of a planned pair; the same seed gives the same bytes."""
    state = [seed, zlib.crc32(f"{pair.category} {pair.design}".encode()), pair.number]
    random = np.random.default_rng(state)
    if pair.category in (Category.FRAMED_GOODS, Category.FRAMED_VIEWS):
        frame = FRAMES[pair.design]
        # A generator of its own for each picture, in equal states: one frame for both.
        made = [frame(view.read(), np.random.default_rng(state)) for view in pair.views]
    elif pair.design == _ON_PHOTOS:
        crest = draw_crest(random)
        made = [print_on_photo(view.read(), crest, random) for view in pair.views]
    else:
        made = list(_DRAWN[pair.category][pair.design](random))
    first, second = made
    return _CODING.encode(first), _CODING.encode(second)
