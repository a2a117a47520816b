"""The other detectors, on the same pairs: difPy as it is, four hashes of `imagehash`, and PDQ.

Each is used as its own documentation shows, on the file as it is: EXIF rotation is not applied.
difPy's tensors and comparison are its own functions, called without the pool of processes that it
starts for every folder; `check_difpy` holds that against difPy's real build and search.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from difPy import dif
from PIL import Image

_DIFPY_PIXELS = 50
_HASH_LIMITS = {"aHash": 5, "pHash": 10, "dHash": 10, "wHash": 10}
_HASH_FUNCTIONS = {
    "aHash": "average_hash",
    "pHash": "phash",
    "dHash": "dhash",
    "wHash": "whash",
}
_WAVELET_MIN_PX, _WAVELET_MAX_PX = 8, 256
_PDQ_LIMIT = 31
_CHECK_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class DifpyRule:
    """One way to call difPy's search."""

    similarity: float
    same_dimensions: bool


DIFPY_RULES = {
    "difPy 0": DifpyRule(0, same_dimensions=True),
    "difPy 5": DifpyRule(5, same_dimensions=False),
}
"""difPy's defaults ("duplicates"), and its loosest: "similar", whatever the dimensions."""


@dataclass(frozen=True, slots=True)
class PeerFeatures:
    """What the peers keep of one file; a part is None where the peer cannot read the file."""

    tensor: Any
    shape: tuple[int, ...]
    hashes: Mapping[str, Any]
    pdq: Any


class Peers:
    """Every peer that is installed; `missing` names the others and says how to get them."""

    def __init__(self) -> None:
        self._imagehash = _import_optional("imagehash")
        self._pdqhash = _import_optional("pdqhash")
        self._build: Any = object.__new__(dif.build)
        self._build._build__px_size = _DIFPY_PIXELS

    @property
    def names(self) -> tuple[str, ...]:
        """The peers at hand, in the order of the tables."""
        names = list(DIFPY_RULES)
        if self._imagehash is not None:
            names += [f"{name} {limit}" for name, limit in _HASH_LIMITS.items()]
        if self._pdqhash is not None:
            names.append(f"PDQ {_PDQ_LIMIT}")
        return tuple(names)

    @property
    def missing(self) -> tuple[str, ...]:
        """A sentence for each peer that is not installed."""
        sentences = []
        if self._imagehash is None:
            sentences.append("aHash, pHash, dHash, wHash are missing: pip install imagehash")
        if self._pdqhash is None:
            sentences.append(
                "PDQ is missing: pip install pdqhash, which compiles it and needs g++ and the "
                "headers of Python (on Debian: apt-get install g++ python3-dev)"
            )
        return tuple(sentences)

    def describe(self, content: bytes) -> PeerFeatures:
        """What each peer keeps of a file's bytes."""
        tensor, shape = self._difpy_tensor(content)
        with Image.open(io.BytesIO(content)) as opened:
            picture = opened.convert("RGB")
        hashes = {}
        if self._imagehash is not None:
            grey = picture.convert("L")  # what each of them begins with
            for name, function in _HASH_FUNCTIONS.items():
                options = {"image_scale": _wavelet_scale(grey)} if name == "wHash" else {}
                hashes[name] = getattr(self._imagehash, function)(grey, **options)
        pdq = None
        if self._pdqhash is not None:
            pdq, _quality = self._pdqhash.compute(np.asarray(picture))
        return PeerFeatures(tensor, shape, hashes, pdq)

    def compare(self, first: PeerFeatures, second: PeerFeatures) -> dict[str, bool]:
        """Which peers call two files duplicates. difPy turns the second one."""
        found = {
            name: compare_like_difpy(first, second, rule) for name, rule in DIFPY_RULES.items()
        }
        for name, limit in _HASH_LIMITS.items():
            if self._imagehash is not None:
                distance = first.hashes[name] - second.hashes[name]
                found[f"{name} {limit}"] = bool(distance <= limit)
        if self._pdqhash is not None:
            distance = np.count_nonzero(first.pdq != second.pdq)
            found[f"PDQ {_PDQ_LIMIT}"] = bool(distance <= _PDQ_LIMIT)
        return found

    def _difpy_tensor(self, content: bytes) -> tuple[Any, tuple[int, ...]]:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            output = self._build._generate_tensor(0, io.BytesIO(content))
        return (None, ()) if isinstance(output, dict) else (output[1], output[2])


def _wavelet_scale(picture: Image.Image) -> int:
    """The side to which wHash reduces a picture: imagehash's own choice, but at most 256 px.

    Its own 512 px for large pictures cost over twice the time and judged 1 of 355 pairs otherwise.
    """
    natural = 1 << (min(picture.size).bit_length() - 1)
    return max(_WAVELET_MIN_PX, min(_WAVELET_MAX_PX, natural))


def _import_optional(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class _Tensors:
    """What difPy's comparison of two pictures reads of a build."""

    def __init__(self, first: PeerFeatures, second: PeerFeatures) -> None:
        self._tensor_dictionary = {0: first.tensor, 1: second.tensor}
        self._id_to_shape_dictionary = {0: first.shape, 1: second.shape}


def compare_like_difpy(first: PeerFeatures, second: PeerFeatures, rule: DifpyRule) -> bool:
    """Whether difPy's own comparison reports the pair."""
    if first.tensor is None or second.tensor is None:
        return False
    search: Any = object.__new__(dif.search)
    search._search__difpy_obj = _Tensors(first, second)
    search._search__similarity = rule.similarity
    search._search__rotate = True
    search._search__same_dim = rule.same_dimensions
    return bool(search._find_matches((0, 1)))


@dataclass(frozen=True, slots=True)
class DifpyCheck:
    """How often difPy's own build and search agreed with the comparison in process."""

    pairs: int
    disagreements: tuple[str, ...]


def check_difpy(pairs: Iterable[tuple[str, bytes, bytes]]) -> DifpyCheck:
    """Run difPy itself on named pairs of files, under each of its rules.

    In a fresh process: difPy forks, and a fork copies the locks of threads that the child lacks.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_check_difpy, list(pairs)).result(timeout=_CHECK_TIMEOUT_S)


def _check_difpy(pairs: Sequence[tuple[str, bytes, bytes]]) -> DifpyCheck:
    peers = Peers()
    count = 0
    disagreements = []
    for name, first, second in pairs:
        count += 1
        features = peers.describe(first), peers.describe(second)
        with tempfile.TemporaryDirectory() as folder:
            paths = Path(folder) / f"a{_suffix(first)}", Path(folder) / f"b{_suffix(second)}"
            for path, content in zip(paths, (first, second), strict=True):
                path.write_bytes(content)
            built = dif.build(*map(str, paths), show_progress=False, processes=1)
            for rule_name, rule in DIFPY_RULES.items():
                search = dif.search(
                    built,
                    similarity=rule.similarity,
                    same_dim=rule.same_dimensions,
                    show_progress=False,
                    processes=1,
                )
                if bool(search.result) != compare_like_difpy(*features, rule):
                    disagreements.append(f"{rule_name}: {name}")
    return DifpyCheck(count, tuple(disagreements))


def _suffix(content: bytes) -> str:
    with Image.open(io.BytesIO(content)) as opened:
        return f".{str(opened.format).lower()}"
