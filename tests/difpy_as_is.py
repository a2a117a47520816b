"""difPy as its users call it, and what it should have answered."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from difPy import dif


class SameProcessPool:
    """What difPy uses of a process pool, without the processes: only the speed differs."""

    def __init__(self, processes: int | None = None) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def map(self, function: Callable[..., Any], given: Iterable[Any]) -> list[Any]:
        return [function(one) for one in given]

    def starmap(self, function: Callable[..., Any], given: Iterable[Any]) -> list[Any]:
        return [function(*one) for one in given]


class AsIs:
    """difPy's own build and search of files. `figures` are of each pair before it groups them."""

    def __init__(
        self, *paths: Path, similarity: str | float = "duplicates", same_dim: bool = False
    ) -> None:
        raw: list[tuple[int, int, float]] = []
        group = dif.search._group_result_union

        def keep_raw(search: Any, found: list[tuple[int, int, float]]) -> Any:
            raw.extend(found)
            return group(search, found)

        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            patch.setattr(dif, "Pool", SameProcessPool)
            patch.setattr(dif.search, "_group_result_union", keep_raw)
            built = dif.build(*map(str, paths), show_progress=False)
            found = dif.search(built, similarity=similarity, same_dim=same_dim, show_progress=False)
        names = {number: Path(path).name for number, path in built._filename_dictionary.items()}
        self.tensors = {names[number]: t for number, t in built._tensor_dictionary.items()}
        self.result: dict[str, list[list[Any]]] = found.result
        self.figures = {
            frozenset((names[one], names[other])): float(mse) for one, other, mse in raw
        }
        self.raw_pairs = set(self.figures)
        self.pairs = {
            frozenset((Path(first).name, Path(second).name))
            for first, matches in found.result.items()
            for second, _ in matches
        }
        self.invalid = {Path(path).name for path in built._invalid_files}
        self.lower_quality = {Path(path).name for path in found.lower_quality}


def correct_figures(tensors: dict[str, np.ndarray], limit: float) -> dict[frozenset[str], float]:
    """The pairs within the limit by plain arithmetic: wide integers, all four rotations."""
    figures = {}
    for (name, tensor), (other_name, other) in itertools.combinations(tensors.items(), 2):
        errors = [
            float(np.mean((tensor.astype(np.int64) - np.rot90(other, turns)) ** 2))
            for turns in range(4)
        ]
        if min(errors) <= limit:
            figures[frozenset((name, other_name))] = min(errors)
    return figures
