"""Quantiles of values beside numpy's own."""

from __future__ import annotations

import numpy as np
import pytest

from image_duplication.detection.quantiles import median, quantile


@pytest.mark.parametrize("count", [1, 2, 3, 10, 255, 4_000, 4_001])
def test_median_is_that_of_numpy_to_the_last_bit(count: int) -> None:
    values = np.random.default_rng(count).gamma(2.0, 20.0, count).astype(np.float32)
    before = values.copy()
    assert median(values) == float(np.median(values))
    assert np.array_equal(values, before)


def test_median_takes_values_of_any_shape() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert median(grey) == float(np.median(grey))
    wide = np.array([200, 255], np.uint8)
    assert median(wide) == pytest.approx(227.5)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.25, 0.5, 0.98, 1.0])
def test_quantile_is_that_of_numpy(share: float) -> None:
    ordered = np.sort(np.random.default_rng(5).normal(0.0, 30.0, 101))
    assert quantile(ordered, share) == pytest.approx(float(np.quantile(ordered, share)))


def test_quantile_of_nothing_is_zero() -> None:
    assert quantile(np.empty(0), 0.5) == 0.0
