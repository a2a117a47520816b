"""Shares with their 95% intervals: exact where nothing was found, resampled where pairs cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

_LEVEL = 0.95
_NORMAL_QUANTILE = 1.959963984540054  # two-sided 95%
_DRAWS = 4_000


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `total`, and the interval of the share; all NaN where there is nothing."""

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return self.count / self.total if self.total else math.nan

    def __str__(self) -> str:
        if not self.total:
            return "none"
        interval = f"{self.low:.2%} to {self.high:.2%}"
        return f"{self.count} of {self.total:,} = {self.value:.2%} ({interval})"


NO_SHARE = Share(0, 0, math.nan, math.nan)


def wilson(count: int, total: int) -> Share:
    """Wilson's score interval, for cases that do not depend on each other."""
    if not total:
        return NO_SHARE
    share, square = count / total, _NORMAL_QUANTILE**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    spread = share * (1 - share) / total + square / (4 * total**2)
    reach = _NORMAL_QUANTILE * math.sqrt(spread) / (1 + square / total)
    return Share(count, total, max(0.0, middle - reach), min(1.0, middle + reach))


def upper_bound_of_none(total: int) -> float:
    """Clopper and Pearson's upper limit of a share of which no case was seen in `total`."""
    return 1 - math.pow((1 - _LEVEL) / 2, 1 / total)


def resampled(flags: pd.Series, clusters: pd.Series, seed: int) -> Share:
    """The share of true flags, its interval from drawing whole clusters with replacement.

    With no true flag resampling says nothing, and the upper limit is Clopper and Pearson's.
    """
    total, count = len(flags), int(flags.sum())
    if not total:
        return NO_SHARE
    if not count:
        return Share(0, total, 0.0, upper_bound_of_none(total))
    grouped = flags.astype(int).groupby(clusters.to_numpy())
    hits = np.asarray(grouped.sum(), np.int64)
    sizes = np.asarray(grouped.size(), np.int64)
    low, high = _resample(hits, sizes, seed)
    return Share(count, total, low, high)


def _resample(
    hits: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], seed: int
) -> tuple[float, float]:
    random = np.random.default_rng([seed, 97])
    shares = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        drawn = random.integers(len(hits), size=len(hits))
        shares[draw] = hits[drawn].sum() / sizes[drawn].sum()
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(shares, [tail, 1 - tail])
    return float(low), float(high)
