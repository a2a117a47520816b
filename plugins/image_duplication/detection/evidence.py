"""What is known of one picture, and of two compared; every engine judges from this alone."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from image_duplication.detection.looks import LEAST_DEVIATION, Look
from image_duplication.detection.quality import Quality

Tensor = npt.NDArray[np.uint8]
"""A picture reduced to pixel_size × pixel_size × 3, as difPy reduces it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture, reduced to what comparison needs. Sizes are after EXIF rotation.

    `look` is None when the engines chosen need none.
    """

    content_sha256: str
    width_px: int
    height_px: int
    tensor: Tensor
    quality: Quality
    look: Look | None

    @property
    def is_telling(self) -> bool:
        """Whether the picture shows anything to go by, apart from its bytes."""
        if self.look is not None:
            return self.look.is_telling
        return float(self.tensor.mean(axis=2).std()) >= LEAST_DEVIATION

    @property
    def is_usable(self) -> bool:
        """Whether the picture counts towards a variant's different pictures."""
        return self.quality.is_usable


@dataclass(frozen=True, slots=True)
class Alignment:
    """One picture laid over another, and how well they agree there.

    `homography` takes points of the first to the second, row by row, in shares of width and height.
    Shares are of 1. What is *compared* is where either picture has texture, inside the overlap.
    From `edges_added` on, the figures serve to name kinds, and are 0 where too little agrees for a
    match.
    """

    homography: tuple[float, ...]
    keypoints: int  # that agree with it; 0: found from the thumbnails
    overlap_first: float  # of the first picture's area
    overlap_second: float
    fine_agreement: float  # of the texture compared, in windows of a fourteenth of the overlap
    fine_agreement_first: float  # of the first's own texture: what the second adds does not count
    fine_agreement_second: float
    coarse_agreement: float  # in windows of a fifth
    cells: int  # of 8 × 8 over the overlap, that were compared
    cell_correlation_low: float  # lower quartile over the cells
    contradicted: float  # share of the cells compared
    contradicted_inside: float  # of those not at the edge
    contradicted_scattered: float  # without the largest connected contradiction
    unlike: float  # of the overlap: both have texture, with nothing in common; 0 if little differs
    letters_unlike: float  # of what is written on two pages; 0 of photos, or if one is overlaid
    remaining_correlation: float  # lower fifth over the cells apart from that largest one
    goods_agreement: float  # of the goods' texture alone, where their backdrop is plain in one
    goods_kept: float  # of one picture's own texture there
    goods_cells: int
    cutout_agreement: float  # of the goods' texture up to their outline, with nothing behind them
    cutout_correlation: float  # of all their greys
    cutout_contradicted_cells: int  # of the largest connected place that does not agree
    cutout_cells: int
    edges_kept: float  # lower quartile over the cells: of one picture's edges, those in the other
    edges_kept_least: float  # lowest tenth of the cells instead of the quartile
    edges_kept_by_both: float
    anisotropy: float  # of the transformation at the overlap's middle; 1: none
    perspective: float  # change of scale across the picture
    is_mirrored: bool
    tone_slope: float  # of the second's grey over the first's; negative: inverted
    tone_agreement: float  # share of the goods that this one slope explains
    edges_added: float  # share of the overlap with edges that one picture alone has
    edges_added_densest: float  # in any twenty-fifth of the overlap's side
    chroma_first: float  # mean distance from grey, of 255
    chroma_second: float
    chroma_difference: float  # mean, off what the change of tones explains
    recoloured: float  # share of the overlap whose colour changed as that of its like did
    recoloured_alike: float  # that share of all whose colour changed
    backdrop_difference: float  # of the plain surroundings' colour, once tones are allowed for
    outside_detail_first: float  # share of the first around the overlap: not plain, not blurred
    outside_detail_second: float
    seam_first: float  # share of the overlap's outline at which the first breaks off
    seam_second: float
    own_mirror_first: float  # correlation of the first's thumbnail with its own mirror image
    own_mirror_second: float
    crossing_first: float  # share of that outline at which the first's goods go on
    crossing_second: float

    @property
    def is_inverted(self) -> bool:
        """Whether light is dark in the other, and plainly so; the same in either order."""
        slope = self.tone_slope
        return slope < 0 and min(-slope, -_reciprocal(slope)) > _INVERTED_SLOPE

    def reversed(self) -> Alignment:
        """The same, with the pictures in the other order."""
        back = np.linalg.inv(np.array(self.homography).reshape(3, 3))
        names = [field.name for field in fields(self)]
        swapped = {
            name: getattr(self, _SIDES[side].join(name.rsplit(side, 1)))
            for name in names
            for side in _SIDES
            if name.endswith(side)
        }
        return replace(
            self,
            homography=tuple(float(value) for value in (back / back[2, 2]).ravel()),
            tone_slope=_reciprocal(self.tone_slope),
            **swapped,
        )


_SIDES = {"_first": "_second", "_second": "_first"}


def _reciprocal(slope: float) -> float:
    return 1.0 / slope if abs(slope) > _LEAST_SLOPE else slope


_LEAST_SLOPE = 1e-3
_INVERTED_SLOPE = 0.2


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """Two pictures compared; `first` and `second` are their places in the variant's order.

    `difpy_mse` is difPy's own figure, None above its usable range;
    `mse` is the correct mean squared error, least over four rotations, and `rotation_deg` the
    anticlockwise rotation of the second picture that gives it. `thumbnail_correlation` is signed,
    the strongest over eight orientations of the whole or trimmed pictures. A pair of which one
    shows nothing to go by is not `is_telling`, and matches by its bytes alone.
    """

    first: int
    second: int
    width_first_px: int
    height_first_px: int
    width_second_px: int
    height_second_px: int
    is_same_content: bool
    is_same_dimensions: bool
    difpy_mse: float | None
    mse: float
    rotation_deg: int
    is_telling: bool
    thumbnail_correlation: float | None
    alignment: Alignment | None

    def reversed(self) -> PairEvidence:
        """The same, with the pictures in the other order."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            width_first_px=self.width_second_px,
            height_first_px=self.height_second_px,
            width_second_px=self.width_first_px,
            height_second_px=self.height_first_px,
            rotation_deg=-self.rotation_deg % _FULL_TURN_DEG,
            alignment=self.alignment and self.alignment.reversed(),
        )


_FULL_TURN_DEG = 360
