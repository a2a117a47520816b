"""How one picture of a finding is laid over the other, told from the evidence of the pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from image_duplication.records import Engine

Overlay = tuple[float, ...]
"""Nine numbers, row by row: takes points of one picture to another, in shares of width and height,
the origin at the upper left."""

IDENTITY: Overlay = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

_QUARTER_TURN = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
"""Of a picture, anticlockwise."""
_QUARTER_DEG = 90


def find_overlay(
    evidence: Mapping[str, Any] | None, *, engine: str, below_sha256: str, above_sha256: str
) -> Overlay | None:
    """The overlay that takes the picture above to the one below, or None when it is not known.

    `evidence` is the pair's row of `evidence_rows.EVIDENCE`, None when there is none; `engine` is
    that of the finding.
    """
    if engine == Engine.IDENTICAL or below_sha256 == above_sha256:
        return IDENTITY
    if evidence is None:
        return None
    to_first = _second_to_first(evidence, engine)
    if to_first is None or {below_sha256, above_sha256} != {
        evidence["first_sha256"],
        evidence["second_sha256"],
    }:
        return None
    shares = to_first if below_sha256 == evidence["first_sha256"] else np.linalg.inv(to_first)
    return tuple(float(value) for value in (shares / shares[2, 2]).ravel())


def _second_to_first(evidence: Mapping[str, Any], engine: str) -> npt.NDArray[np.float64] | None:
    if engine == Engine.DIFPY:
        turns = evidence["rotation_deg"] // _QUARTER_DEG
        return np.linalg.matrix_power(_QUARTER_TURN, turns)
    if evidence["alignment"] is None:
        return None
    first_to_second = np.array(evidence["alignment"]["homography"]).reshape(3, 3)
    if not np.linalg.det(first_to_second):
        return None
    return np.asarray(np.linalg.inv(first_to_second), np.float64)
