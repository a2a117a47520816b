"""The one place that knows difPy: its own search, run in process, and its result set right.

difPy 4.2.1 squares differences in 8 bits, which wraps and makes different pictures look equal; it
tries three rotations in one direction, so a quarter turn depends on the order of the files; and it
drops pairs when it groups. Here its search runs on every pair, in the other order too where that
turn is missing, and proposes; the correct error decides. A wrapped square is never greater than the
true one, so a true match is always among its proposals.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from difPy import dif
from PIL import Image

from image_duplication.detection.evidence import Tensor

LOOSEST_MSE = 200.0
"""Above this difPy accepts every pair: the largest wrapped mean seen on photos is 179."""

MAX_SEARCH_IMAGES = 5_000
"""Above this difPy changes to a search that takes equal pixel sums for duplicates."""

Pair = tuple[int, int]

_ERROR_BLOCK_IMAGES = 512  # bounds the memory of the errors: four square tables of floats

_ROTATIONS = (0, 90, 180, 270)
_QUARTER_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180}


def reduce_picture(picture: Image.Image, pixel_size: int) -> Tensor:
    """An RGB picture as difPy reduces it: bicubic, squeezed to a square."""
    return np.asarray(picture.resize((pixel_size, pixel_size), resample=Image.Resampling.BICUBIC))


def search_pairs(tensors: Sequence[Tensor], pairs: Iterable[Pair]) -> dict[Pair, float]:
    """The figure of difPy itself for each of the pairs that its search reports, by (lower, higher).

    difPy turns the second picture of a pair by 0, 90 and 180 degrees. A pair may stand in `pairs`
    in both orders, and then gets the smaller figure.
    """
    found: dict[Pair, float] = {}
    waiting = iter(pairs)
    while chunk := list(itertools.islice(waiting, MAX_SEARCH_IMAGES // 2)):
        for first, second, mse in _search(tensors, chunk):
            pair = (min(first, second), max(first, second))
            found[pair] = min(float(mse), found.get(pair, float(mse)))
    return found


def find_near_pairs(tensors: Sequence[Tensor]) -> dict[Pair, tuple[float, int]]:
    """The pairs that some allowed threshold accepts: correct error and rotation, by index pair."""
    near = {}
    for indices in _blocks(len(tensors), _ERROR_BLOCK_IMAGES):
        errors, rotations = correct_errors([tensors[index] for index in indices])
        for first, second in np.argwhere(np.triu(errors <= LOOSEST_MSE, k=1)):
            pair = (indices[first], indices[second])
            near[pair] = (float(errors[first, second]), int(rotations[first, second]))
    return near


def _blocks(count: int, size: int) -> Iterable[Sequence[int]]:
    """Index sets in rising order that together hold every pair, none larger than `size`."""
    if count <= size:
        return [range(count)]
    half = size // 2
    halves = [range(start, min(start + half, count)) for start in range(0, count, half)]
    return ([*one, *other] for one, other in itertools.combinations(halves, 2))


def _search(tensors: Sequence[Tensor], pairs: list[Pair]) -> list[tuple[int, int, float]]:
    search = _Search(
        _Pictures({place: tensors[place] for pair in pairs for place in pair}, pairs),
        similarity=LOOSEST_MSE,
        rotate=True,
        same_dim=False,
        show_progress=False,
        processes=1,
    )
    return search.found


class _Pictures:
    """What difPy's search reads of a difPy build; ours is made without a process pool."""

    def __init__(self, tensors: dict[int, Tensor], pairs: list[Pair]) -> None:
        self.pairs = pairs
        self._tensor_dictionary = tensors
        self._id_to_shape_dictionary = {index: tensor.shape for index, tensor in tensors.items()}
        self._filename_dictionary = {index: str(index) for index in tensors}
        self.stats: dict[str, Any] = {
            "directory": (),
            "total_files": len(tensors),
            "invalid_files": {"count": 0, "logs": {}},
            "process": {"build": {"parameters": {"in_folder": False}}},
        }


class _Search(dif.search):  # type: ignore[misc]
    """difPy's search without its pool of processes per call, and without its lossy grouping."""

    found: list[tuple[int, int, float]]

    def _search_union(self) -> dict[int, list[Any]]:
        pairs = self._search__difpy_obj.pairs
        self.found = [match for pair in pairs if (match := self._find_matches(pair))]
        return {}


def correct_errors(
    tensors: Sequence[Tensor],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Mean squared error of each pair, least over four rotations of the second, and that rotation.

    Both results have shape (n, n): rows the first picture, columns the second; degrees are
    anticlockwise. |a-b|² = |a|² + |b|² - 2ab makes it one matrix product per rotation.
    """
    flat = np.stack(tensors).reshape(len(tensors), -1).astype(np.float64)
    errors = np.empty((len(_ROTATIONS), len(tensors), len(tensors)))
    for turns in (0, 1, 2):
        turned = np.stack([_turn(tensor, turns) for tensor in tensors]).reshape(flat.shape)
        errors[turns] = flat @ turned.astype(np.float64).T
    # Turning the second picture by three quarters is turning the first by one.
    errors[3] = errors[1].T
    squares = np.einsum("ij,ij->i", flat, flat)
    errors *= -2.0
    errors += squares[:, None] + squares
    best = errors.argmin(axis=0)
    least = np.take_along_axis(errors, best[None], axis=0)[0] / flat.shape[1]
    return np.maximum(least, 0.0), np.asarray(_ROTATIONS)[best]


def _turn(tensor: Tensor, turns: int) -> Tensor:
    """By so many quarter turns anticlockwise, in a tenth of numpy's time."""
    return np.asarray(cv2.rotate(tensor, _QUARTER_TURNS[turns]), np.uint8) if turns else tensor
