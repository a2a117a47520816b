"""Where detection spends its CPU time: a stopwatch, and what it is put around.

Outer steps are booked by the caller; functions inside the detector are found by name and timed
while a measurement lasts. Each second counts once, for the innermost step that it was spent in.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

INNER_STEPS: Mapping[str, Sequence[str]] = {
    "difPy": ("matching.reduce_picture", "matching.correct_errors", "matching.search_pairs"),
    "quality": ("matching.assess_quality",),
    "looks": ("matching.look_at",),
    "keypoints": ("looks._find_keypoints", "looks._describe_turned"),
    "thumbnails": ("search.correlate_thumbnails", "search.propose_by_thumbnails"),
    "matching of keypoints": ("search.propose_by_keypoints",),
    "overlaps": ("search.overlap_of", "search.correlate", "search.edges_kept"),
    "refinement": ("search._refine",),
    "verification": ("search.describe_alignment",),
}
"""Functions of `image_duplication.detection`, by the name in the module that calls them."""

_PACKAGE = "image_duplication.detection"


@dataclass(slots=True)
class Steps:
    """CPU seconds by step; `pictures` and `pairs` say how many they were spent on."""

    seconds: dict[str, float] = field(default_factory=dict)
    pictures: int = 0
    pairs: int = 0
    _inner_s: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Book what is spent inside, but for the steps within it."""
        started_s = time.process_time()
        self._inner_s.append(0.0)
        try:
            yield
        finally:
            spent_s = time.process_time() - started_s
            inner_s = self._inner_s.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + spent_s - inner_s
            if self._inner_s:
                self._inner_s[-1] += spent_s


@contextlib.contextmanager
def timed_inside(steps: Steps) -> Iterator[list[str]]:
    """Book the inner steps too while this lasts; gives the names of functions that are not there.

    The detector is put back as it was at the end.
    """
    missing: list[str] = []
    with contextlib.ExitStack() as undo:
        for step, names in INNER_STEPS.items():
            for name in names:
                module_name, _, attribute = name.rpartition(".")
                try:
                    module = importlib.import_module(f"{_PACKAGE}.{module_name}")
                    original = getattr(module, attribute)
                except (ImportError, AttributeError):
                    missing.append(name)
                    continue
                setattr(module, attribute, _timed(original, steps, step))
                undo.callback(setattr, module, attribute, original)
        yield missing


def _timed(function: Callable[..., Any], steps: Steps, step: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*given: Any, **named: Any) -> Any:
        with steps.step(step):
            result = function(*given, **named)
        return _timed_items(result, steps, step) if isinstance(result, Generator) else result

    return timed


def _timed_items(
    generator: Generator[Any, None, None], steps: Steps, step: str
) -> Generator[Any, None, None]:
    """A generator does its work as its items are taken."""
    while True:
        with steps.step(step):
            try:
                made = next(generator)
            except StopIteration:
                return
        yield made
