"""What was done to a picture, in the words of the design page, from the evidence alone."""

from __future__ import annotations

from dataclasses import dataclass

from image_duplication.detection.evidence import Alignment, PairEvidence
from image_duplication.detection.transforms import TILTED_DEG, Transform
from image_duplication.records import Kind

_WHOLE = 0.955  # share of a picture's area beyond which all of it is seen
_WHOLE_TILTED = 0.985
_OWN_MIRROR = 0.97
_HALF = 0.08  # of the area, off one half
_SAME_EXTENT = 0.03  # by which both shares may differ when nothing was cropped or added

_PLAIN_DETAIL = 0.03  # of plain or blurred surroundings
_SEAM = 0.2  # of the outline, between a picture and what stands around it
_PLAIN_SEAM = 0.08  # the same where the surroundings are plain: goods may reach the edge in places
_CROSSING = 0.03  # of the outline, of goods that were cut
_LEAST_BORDERED = 0.5  # of the canvas that a picture with a border takes up
_MARGIN = 0.015  # of a side, that a border adds there

_ADDED = 0.0006  # of the overlap, of the edges of a small line of text
_ADDED_DENSEST = 0.22
_ADDED_TO_COLOURS = 0.012  # other colours change the edges between them, and a backdrop's outline
_ADDED_TO_COLOURS_DENSEST = 0.8

_RECOLOURED = 0.07
_RECOLOURED_ALIKE = 0.4
_RECOLOURED_LITTLE = 0.03  # of the overlap, where nothing was added
_RECOLOURED_LITTLE_ALIKE = 0.75
_RECOLOURED_BELOW = 0.35  # the overlay: more than a banner covers


def name_kinds(pair: PairEvidence, transform: Transform | None) -> frozenset[Kind]:
    """All that was done; `same_picture` alone when nothing else shows."""
    if pair.is_same_content:
        return frozenset({Kind.IDENTICAL})
    if pair.alignment is None or transform is None:
        return frozenset({Kind.TRANSFORMED if pair.rotation_deg else Kind.SAME_PICTURE})
    alignment = pair.alignment
    named = _name_additions(alignment)
    if _is_transformed(transform):
        named |= {Kind.TRANSFORMED}
    extent = _name_extent(alignment, transform)
    if extent is not None:
        named |= {extent}
    return named or frozenset({Kind.SAME_PICTURE})


def _is_transformed(transform: Transform) -> bool:
    return (
        transform.is_mirrored
        or abs(transform.rotation_deg) > TILTED_DEG
        or transform.is_perspective
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """What the more complete picture shows around the other."""

    detail: float
    seam: float
    crossing: float

    @property
    def is_plain(self) -> bool:
        return self.detail < _PLAIN_DETAIL

    @property
    def is_cut(self) -> bool:
        """Whether the other's outline goes through goods that continue."""
        return self.crossing > max(_CROSSING, self.seam)


def _name_extent(alignment: Alignment, transform: Transform) -> Kind | None:
    """Whether one picture shows more than the other, and of what sort that is."""
    fewer, more = sorted((alignment.overlap_first, alignment.overlap_second))
    if alignment.overlap_first < alignment.overlap_second:
        around = _Around(
            alignment.outside_detail_first, alignment.seam_first, alignment.crossing_first
        )
    else:
        around = _Around(
            alignment.outside_detail_second, alignment.seam_second, alignment.crossing_second
        )
    if transform.is_tilted:
        # A tilted picture loses corners and gains others, of plain colour; cropping gains none.
        is_within = more > _WHOLE_TILTED and fewer < _WHOLE
        is_cropped = is_within and not around.is_plain and around.seam < _SEAM
        return Kind.CROPPED if is_cropped else None
    if fewer > _WHOLE or more - fewer < _SAME_EXTENT:
        return None
    own_mirror = (
        alignment.own_mirror_first
        if alignment.overlap_first < alignment.overlap_second
        else alignment.own_mirror_second
    )
    if own_mirror > _OWN_MIRROR and abs(fewer - 1 / 2) < _HALF:
        return Kind.COMPOSED  # the picture beside its mirror image, which breaks off nowhere
    if around.is_plain:
        return _name_plain_extent(around, fewer, transform)
    # Where the outline goes through nothing but a plain ground, yet most is outside, another
    # picture stands beside this one.
    is_apart = around.crossing < _CROSSING and fewer < _LEAST_BORDERED
    is_broken = around.seam > _SEAM and not around.is_cut
    return Kind.COMPOSED if is_broken or is_apart else Kind.CROPPED


def _name_plain_extent(around: _Around, share: float, transform: Transform) -> Kind:
    if around.is_cut:
        return Kind.CROPPED
    if around.seam < _PLAIN_SEAM and not _is_set_within(transform):
        return Kind.CROPPED
    return Kind.BORDERED if share > _LEAST_BORDERED else Kind.COMPOSED


def _is_set_within(transform: Transform) -> bool:
    """Whether plain margins lie around all sides, or on two opposite ones as in a letterbox.

    A border in the backdrop's own colour and a crop of that backdrop are one and the same; a
    margin on one side, or at a corner, is what a crop leaves.
    """
    if transform.crop_box is None:
        return False
    left, top, right, bottom = transform.crop_box
    across = (left > _MARGIN) + (1.0 - right > _MARGIN)
    down = (top > _MARGIN) + (1.0 - bottom > _MARGIN)
    return across != 1 and down != 1


def _name_additions(alignment: Alignment) -> frozenset[Kind]:
    """Overlaid, recoloured, both or neither: each may look a little like the other."""
    if alignment.is_inverted:
        return frozenset({Kind.RECOLOURED})
    has_additions = (
        alignment.edges_added > _ADDED and alignment.edges_added_densest > _ADDED_DENSEST
    )
    is_recoloured = (
        alignment.recoloured > _RECOLOURED and alignment.recoloured_alike > _RECOLOURED_ALIKE
    )
    if not is_recoloured and not has_additions:
        is_recoloured = (
            alignment.recoloured > _RECOLOURED_LITTLE
            and alignment.recoloured_alike > _RECOLOURED_LITTLE_ALIKE
        )
    if not is_recoloured:
        return frozenset({Kind.OVERLAID}) if has_additions else frozenset()
    if (
        alignment.edges_added < _ADDED_TO_COLOURS
        or alignment.edges_added_densest < _ADDED_TO_COLOURS_DENSEST
    ):
        return frozenset({Kind.RECOLOURED})
    if alignment.recoloured < _RECOLOURED_BELOW:
        return frozenset({Kind.OVERLAID})
    return frozenset({Kind.OVERLAID, Kind.RECOLOURED})
