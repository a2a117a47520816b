"""What was done to a picture's shape, read from how the two lie over each other."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from image_duplication.detection.evidence import Alignment, PairEvidence

_WHOLE = 0.965
"""Share of a picture beyond which its edge is as good as the other's."""

_PERSPECTIVE = 0.03
TILTED_DEG = 1.0
"""A turn up to this is within what an alignment may be off."""
_HALF_TURN_DEG = 180.0


@dataclass(frozen=True, slots=True)
class Transform:
    """From the first picture to the second: mirrored if so, then turned, then scaled.

    `rotation_deg` is anticlockwise, above -180 and at most 180; `scale` compares the pixels of the
    files. `crop_box` is the part (left, top, right, bottom, in shares) of the more complete picture
    that the other shows, None when both show the same; `shown_share` is its area.
    """

    is_mirrored: bool
    rotation_deg: float
    scale: float
    crop_box: tuple[float, float, float, float] | None
    shown_share: float
    is_perspective: bool

    @property
    def is_tilted(self) -> bool:
        """Whether the edges of the two do not lie along each other."""
        quarter_deg = 90.0 * round(self.rotation_deg / 90.0)
        return self.is_perspective or abs(self.rotation_deg - quarter_deg) > TILTED_DEG


def describe_transform(pair: PairEvidence, alignment: Alignment) -> Transform:
    """The transformation of one alignment."""
    shares = np.array(alignment.homography).reshape(3, 3)
    homography = (
        np.diag((pair.width_second_px, pair.height_second_px, 1.0))
        @ shares
        @ np.diag((1 / pair.width_first_px, 1 / pair.height_first_px, 1.0))
    )
    jacobian = _jacobian(homography, _middle(shares, pair))
    determinant = float(np.linalg.det(jacobian))
    if determinant < 0:
        jacobian = jacobian @ np.diag((-1.0, 1.0))
    # The rotation nearest to it; the image's y axis points down.
    turn = np.arctan2(jacobian[1, 0] - jacobian[0, 1], jacobian[0, 0] + jacobian[1, 1])
    degrees = -float(np.degrees(turn))
    first_shows_more = alignment.overlap_first < alignment.overlap_second
    box = _outline(np.linalg.inv(shares) if first_shows_more else shares)
    shown = min(alignment.overlap_first, alignment.overlap_second)
    return Transform(
        is_mirrored=determinant < 0,
        rotation_deg=_HALF_TURN_DEG if degrees <= -_HALF_TURN_DEG else degrees,
        scale=float(np.sqrt(abs(determinant))),
        crop_box=box if shown < _WHOLE else None,
        shown_share=float(min(1.0, shown)),
        is_perspective=alignment.perspective > _PERSPECTIVE,
    )


def _middle(shares: npt.NDArray[np.float64], pair: PairEvidence) -> tuple[float, float]:
    """A point of the first picture, in pixels, that the second shows as well."""
    left, top, right, bottom = _outline(np.asarray(np.linalg.inv(shares), np.float64))
    return (left + right) / 2 * pair.width_first_px, (top + bottom) / 2 * pair.height_first_px


def _outline(shares: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The unit square mapped, as the box around it, within the unit square."""
    corners = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]])
    mapped = np.clip(cv2.perspectiveTransform(corners, shares)[0], 0.0, 1.0)
    (left, top), (right, bottom) = mapped.min(axis=0), mapped.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _jacobian(
    homography: npt.NDArray[np.float64], place: tuple[float, float]
) -> npt.NDArray[np.float64]:
    x, y = place
    near = np.array([[[x, y], [x + 1, y], [x, y + 1]]])
    mapped = cv2.perspectiveTransform(near, homography)[0]
    return np.column_stack([mapped[1] - mapped[0], mapped[2] - mapped[0]])
