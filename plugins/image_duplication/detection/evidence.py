"""What is known of one picture, and of two compared; every engine judges from this alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.uint8]
"""A picture reduced to pixel_size × pixel_size × 3, as difPy reduces it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture, reduced to what comparison needs. Sizes are after EXIF rotation."""

    content_sha256: str
    width_px: int
    height_px: int
    tensor: Tensor
    quality_notes: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        """Whether the picture counts towards a variant's different pictures."""
        return not self.quality_notes


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """Two pictures compared; `first` and `second` are their places in the variant's order.

    `difpy_mse` is difPy's own figure, None above its usable range;
    `mse` is the correct mean squared error, least over four rotations, and `rotation_deg` the
    anticlockwise rotation of the second picture that gives it.
    """

    first: int
    second: int
    is_same_content: bool
    is_same_dimensions: bool
    difpy_mse: float | None
    mse: float
    rotation_deg: int
