"""Overlays: where points of one picture lie in the other, from whatever evidence there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from image_duplication.overlays import IDENTITY, Overlay, find_overlay
from image_duplication.records import Engine

LOW, HIGH = "0" * 64, "f" * 64
TO_RIGHT_HALF = (0.5, 0.0, 0.5, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def evidence(**fields: Any) -> dict[str, Any]:
    return {
        "first_sha256": LOW,
        "second_sha256": HIGH,
        "rotation_deg": 0,
        "alignment": {"homography": TO_RIGHT_HALF},
    } | fields


def find(pair: dict[str, Any] | None, engine: Engine, below: str, above: str) -> Overlay | None:
    return find_overlay(pair, engine=engine, below_sha256=below, above_sha256=above)


def move(overlay: Overlay | None, x: float, y: float) -> tuple[float, float]:
    assert overlay is not None
    moved = np.array(overlay).reshape(3, 3) @ (x, y, 1.0)
    return pytest.approx(moved[0] / moved[2]), pytest.approx(moved[1] / moved[2])  # type: ignore[return-value]


def test_overlay_follows_the_alignment_in_either_order() -> None:
    assert move(find(evidence(), Engine.ALIGNED, HIGH, LOW), 0.0, 0.5) == (0.5, 0.5)
    assert move(find(evidence(), Engine.ALIGNED, LOW, HIGH), 0.5, 0.5) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("turn_deg", "place"), [(0, (0.1, 0.2)), (90, (0.2, 0.9)), (180, (0.9, 0.8)), (270, (0.8, 0.1))]
)
def test_overlay_of_difpy_turns_the_second_picture_anticlockwise(
    turn_deg: int, place: tuple[float, float]
) -> None:
    pair = evidence(rotation_deg=turn_deg)

    assert move(find(pair, Engine.DIFPY, LOW, HIGH), 0.1, 0.2) == place
    # Back again: the first picture laid over the second.
    assert move(find(pair, Engine.DIFPY, HIGH, LOW), *place) == (0.1, 0.2)


def test_overlay_of_turned_pixels_agrees_with_them() -> None:
    picture = np.arange(12).reshape(3, 4)
    turned = np.rot90(picture)  # anticlockwise
    overlay = find(evidence(rotation_deg=90), Engine.DIFPY, LOW, HIGH)
    for row, column in np.ndindex(picture.shape):
        x, y = move(overlay, (column + 0.5) / 4, (row + 0.5) / 3)
        at = (int(y.expected * 4), int(x.expected * 3))  # type: ignore[attr-defined]
        assert turned[at] == picture[row, column]


def test_overlay_of_equal_bytes_needs_no_evidence() -> None:
    assert find(None, Engine.IDENTICAL, LOW, LOW) == IDENTITY


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(None, id="no evidence"),
        pytest.param(evidence(alignment=None), id="no alignment"),
        pytest.param(evidence(first_sha256="a" * 64), id="of another pair"),
        pytest.param(evidence(alignment={"homography": (0.0,) * 9}), id="not invertible"),
    ],
)
def test_overlay_is_unknown_without_fitting_evidence(pair: dict[str, Any] | None) -> None:
    assert find(pair, Engine.ALIGNED, LOW, HIGH) is None
