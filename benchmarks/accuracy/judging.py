"""The work of a run, in tasks that any process can do: pairs made, judged, and let go of."""

from __future__ import annotations

import io
import itertools
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.accuracy.changes import NotApplicableError
from benchmarks.accuracy.dataset import Dataset, View, read_dataset
from benchmarks.accuracy.engines import NOTHING_FOUND, Finding, ProjectDetector
from benchmarks.accuracy.hard_negatives import HardPair, make_hard_pair
from benchmarks.accuracy.modifications import MODIFICATIONS, Family, Modification, modify
from benchmarks.accuracy.outcomes import PairGroup, PairRow, PositiveRow, Row
from benchmarks.accuracy.peers import PeerFeatures, Peers
from image_duplication.detection import PairEvidence, Picture

_VISIBLE_LEVELS = 6.0
"""A recolouring shows when a twentieth of the picture differs by so many levels, of 255."""

_VISIBLE_PERCENTILE = 95
_THUMBNAIL_PX = 96


@dataclass(frozen=True, slots=True)
class ProductTask:
    """All views of one product against each other, and some of them against modifications."""

    product: str
    modified: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Names of views, each with the names of its modifications."""


@dataclass(frozen=True, slots=True)
class CrossTask:
    """Views of as many different products, each against each."""

    views: tuple[View, ...]


@dataclass(frozen=True, slots=True)
class HardTask:
    """Hard honest pairs."""

    pairs: tuple[HardPair, ...]


Task = ProductTask | CrossTask | HardTask


@dataclass(frozen=True, slots=True)
class _Described:
    """One file as the project and the peers keep it; None where a peer is not asked."""

    own: Picture | None
    peers: PeerFeatures | None


class Judge:
    """Does tasks on one dataset. Evidence is kept in the rows only where it is asked for."""

    def __init__(
        self, dataset: Dataset, seed: int, *, with_peers: bool, with_evidence: bool = False
    ) -> None:
        cv2.setNumThreads(1)
        self._dataset = dataset
        self._seed = seed
        self._detector = ProjectDetector()
        self._peers = Peers() if with_peers else None
        self._with_evidence = with_evidence

    def do(self, task: Task) -> list[Row]:
        """What was found in every pair of a task."""
        match task:
            case ProductTask():
                return list(self._judge_product(task))
            case CrossTask():
                return list(self._judge_cross(task))
            case HardTask():
                return [self._judge_hard(pair) for pair in task.pairs]

    def _describe(self, content: bytes) -> _Described:
        own = self._detector.describe(content)
        return _Described(own, None if self._peers is None else self._peers.describe(content))

    def _ask_peers(self, first: _Described, second: _Described) -> tuple[str, ...]:
        if self._peers is None or first.peers is None or second.peers is None:
            return ()
        found = self._peers.compare(first.peers, second.peers)
        return tuple(name for name, is_duplicate in found.items() if is_duplicate)

    def _judge_product(self, task: ProductTask) -> Iterator[Row]:
        product = self._dataset.products[task.product]
        described = [self._describe(view.read_file()) for view in product.views]
        evidence = self._compare([known.own for known in described])
        for first, second in itertools.combinations(range(len(described)), 2):
            names = product.views[first].name, product.views[second].name
            yield PairRow(
                group=PairGroup.WITHIN,
                category=self._dataset.label(product.name, *names).value,
                design="",
                product=product.name,
                first=names[0],
                second=names[1],
                finding=self._find(evidence.get((first, second))),
                peers=self._ask_peers(described[first], described[second]),
                evidence=self._keep(evidence.get((first, second))),
            )
        by_name = {view.name: place for place, view in enumerate(product.views)}
        for name, modifications in task.modified:
            place = by_name[name]
            view = product.views[place]
            yield from self._judge_modified(view, described[place], modifications)

    def _compare(self, pictures: Sequence[Picture | None]) -> dict[tuple[int, int], PairEvidence]:
        """Evidence of one variant's pictures, by (lower, higher); an unreadable one has none."""
        places = [place for place, picture in enumerate(pictures) if picture is not None]
        known = [picture for picture in pictures if picture is not None]
        return {
            (places[min(pair.first, pair.second)], places[max(pair.first, pair.second)]): pair
            for pair in self._detector.compare(known)
        }

    def _find(self, evidence: PairEvidence | None) -> Finding:
        return NOTHING_FOUND if evidence is None else self._detector.judge(evidence)

    def _keep(self, evidence: PairEvidence | None) -> PairEvidence | None:
        return evidence if self._with_evidence else None

    def _judge_modified(
        self, view: View, base: _Described, names: Sequence[str]
    ) -> Iterator[PositiveRow]:
        picture = view.read()
        seed = zlib.crc32(f"{self._seed} {view.product}/{view.name}".encode())
        companion = self._pick_companion(view, seed)
        for name in names:
            modification = MODIFICATIONS[name]
            try:
                content = modify(picture, modification, seed, companion)
            except NotApplicableError:
                yield PositiveRow(view.product, view.name, name, is_applicable=False)
                continue
            changed = self._describe(content)
            evidence = self._compare([base.own, changed.own]).get((0, 1))
            yield PositiveRow(
                view.product,
                view.name,
                name,
                is_visible=_is_visible(modification, picture, content),
                finding=self._find(evidence),
                peers=self._ask_peers(base, changed),
                evidence=self._keep(evidence),
            )

    def _pick_companion(self, view: View, seed: int) -> Image.Image | None:
        """Some other product's picture, for collages and the like."""
        others = [name for name in self._dataset.products if name != view.product]
        if not others:
            return None
        random = np.random.default_rng([seed, 5])
        views = self._dataset.products[others[int(random.integers(len(others)))]].views
        return views[int(random.integers(len(views)))].read()

    def _judge_cross(self, task: CrossTask) -> Iterator[PairRow]:
        described = [self._describe(view.read_file()) for view in task.views]
        for first, second in itertools.combinations(range(len(described)), 2):
            one, other = task.views[first], task.views[second]
            evidence = self._compare([described[first].own, described[second].own]).get((0, 1))
            sources = {view.product.partition("__")[0] for view in (one, other)}
            yield PairRow(
                group=PairGroup.CROSS,
                category="one source" if len(sources) == 1 else "two sources",
                design="",
                product=f"{one.product}",
                first=f"{one.product}/{one.name}",
                second=f"{other.product}/{other.name}",
                finding=self._find(evidence),
                peers=self._ask_peers(described[first], described[second]),
                evidence=self._keep(evidence),
            )

    def _judge_hard(self, pair: HardPair) -> PairRow:
        first, second = (self._describe(content) for content in make_hard_pair(pair, self._seed))
        shown = [f"{view.product}/{view.name}" for view in pair.views]
        evidence = self._compare([first.own, second.own]).get((0, 1))
        return PairRow(
            group=PairGroup.HARD,
            category=pair.category.value,
            design=pair.design,
            product=pair.name,
            first=shown[0] if shown else f"drawn {pair.number}",
            second=shown[1] if shown else f"drawn {pair.number}",
            finding=self._find(evidence),
            peers=self._ask_peers(first, second),
            evidence=self._keep(evidence),
        )


def _is_visible(modification: Modification, picture: Image.Image, content: bytes) -> bool:
    """Whether a recolouring shows; every other modification is taken to."""
    if modification.family is not Family.COLOUR:
        return True
    size = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    with Image.open(io.BytesIO(content)) as opened:
        changed = np.asarray(opened.convert("RGB").resize(size), np.float32)
    before = np.asarray(picture.resize(size), np.float32)
    apart = np.abs(changed - before).max(axis=2)
    return float(np.percentile(apart, _VISIBLE_PERCENTILE)) >= _VISIBLE_LEVELS


# --- processes ---------------------------------------------------------------------------------

_judge: Judge | None = None


def _start_worker(folder: Path, seed: int, with_peers: bool, with_evidence: bool) -> None:
    global _judge  # noqa: PLW0603 - what a worker process is given once
    _judge = Judge(read_dataset(folder), seed, with_peers=with_peers, with_evidence=with_evidence)


def _do_in_worker(task: Task) -> list[Row]:
    if _judge is None:
        raise RuntimeError("This process was not started as a worker of the benchmark")
    return _judge.do(task)


def judge_tasks(
    dataset: Dataset,
    tasks: Sequence[Task],
    seed: int,
    *,
    with_peers: bool,
    workers: int,
    with_evidence: bool = False,
) -> Iterator[list[Row]]:
    """The rows of each task as it gets done; one worker means this process.

    With several, tasks end in any order.
    """
    if workers == 1:
        judge = Judge(dataset, seed, with_peers=with_peers, with_evidence=with_evidence)
        yield from map(judge.do, tasks)
        return
    with ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(dataset.folder, seed, with_peers, with_evidence),
    ) as pool:
        running: list[Future[list[Row]]] = [pool.submit(_do_in_worker, task) for task in tasks]
        for done in as_completed(running):
            yield done.result()
