"""The modifications that the benchmark looks for: names, families, expected kinds, strengths.

A crop's percentage is of each *side*: "crop 25" keeps 75% of the width and of the height, 56% of
the area. A plain surround is a border while the picture keeps at least half of the canvas, beyond
that an inset. Kinds are those of an attentive person: re-encoding, which every modification ends
with, adds no kind of its own, a deliberate change of size or brightness beside another does.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from PIL import Image

from benchmarks.accuracy import changes
from benchmarks.accuracy.changes import BLACK, WHITE, Random
from image_duplication.records import Kind

Change = Callable[[Image.Image, Random], Image.Image]
Composition = Callable[[Image.Image, Image.Image, Random], Image.Image]
"""As a change, with another product's picture in second place."""

MAX_SIDE_PX = 640

_ORIENTATION_TAG = 0x0112
_BOARD_MAX_PX = 1_280


class Family(StrEnum):
    """Modifications that are scored together."""

    REENCODE = "re-encode"
    RESIZE = "resize"
    STRETCH = "stretch"
    ORIENTATION = "orientation"
    EXIF = "EXIF"
    FILTER = "filter"
    PHOTOMETRIC = "photometric"
    COLOUR = "colour"
    BORDER = "border"
    BADGE = "badge"
    WATERMARK_SMALL = "watermark small"
    WATERMARK_LARGE = "watermark large"
    WATERMARK_TILED = "watermark tiled"
    CROP = "crop to 25%"
    SMALL_ROTATION = "small rotation"
    PERSPECTIVE = "perspective"
    COMBINATION = "combination"
    CROP_40 = "crop 40%"
    ZOOM = "zoom x2"
    INSET = "inset"
    COLLAGE = "collage"
    BACKGROUND_SWAP = "background swap"
    INVERTED = "inverted"


RELATED_COUNTS = frozenset({Family.CROP_40, Family.ZOOM, Family.INSET, Family.COLLAGE})
"""Families of which a `related` match counts as found."""

NOT_PRIMARY = frozenset({Family.BACKGROUND_SWAP, Family.INVERTED})
"""Families that the primary figure leaves out."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How the changed picture is saved. `orientation` is the EXIF tag's value, None for no tag."""

    format: str = "JPEG"
    quality: int = 88
    orientation: int | None = None

    def encode(self, picture: Image.Image) -> bytes:
        """The picture's bytes."""
        buffer = io.BytesIO()
        if self.format == "PNG":
            picture.save(buffer, "PNG", compress_level=1)
        elif self.format == "WEBP":
            picture.save(buffer, "WEBP", quality=self.quality, method=0)
        elif self.orientation is None:
            picture.save(buffer, "JPEG", quality=self.quality)
        else:
            exif = Image.Exif()
            exif[_ORIENTATION_TAG] = self.orientation
            picture.save(buffer, "JPEG", quality=self.quality, exif=exif.tobytes())
        return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Modification:
    """One thing that is done to a picture.

    `kinds` is what a finding should say; `strength` is for people. Exactly one of `change` and
    `composition` is given; the latter needs another product's picture.
    """

    name: str
    family: Family
    kinds: frozenset[Kind]
    strength: str
    change: Change | None = None
    composition: Composition | None = None
    coding: Coding = Coding()

    @property
    def is_single(self) -> bool:
        """Whether one thing was done, so that the kinds are beyond dispute."""
        return self.family is not Family.COMBINATION and len(self.kinds) == 1

    @property
    def is_primary(self) -> bool:
        """Whether it counts in the primary figure."""
        return self.family not in NOT_PRIMARY

    def apply(
        self, picture: Image.Image, random: Random, companion: Image.Image | None = None
    ) -> Image.Image:
        """The changed RGB picture. Raises NotApplicableError where it cannot be made."""
        if self.change is not None:
            return self.change(picture, random)
        if self.composition is None:
            raise ValueError(f"Modification {self.name!r} has neither change nor composition")
        if companion is None:
            companion = draw_companion(picture.size, random)
        return self.composition(picture, companion, random)


def draw_companion(size: tuple[int, int], random: Random) -> Image.Image:
    """Another picture, for want of a real one: shapes on a gradient."""
    rows = np.linspace(0, 1, size[1], dtype=np.float32)[:, None, None]
    upper, lower = random.uniform(120, 255, (2, 3))
    board = np.repeat(upper * (1 - rows) + lower * rows, size[0], axis=1)
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    for _ in range(8):
        centre, reach = random.uniform(0.1, 0.9, 2), random.uniform(0.05, 0.25, 2)
        inside = np.abs(x / size[0] - centre[0]) < reach[0]
        inside &= np.abs(y / size[1] - centre[1]) < reach[1]
        board[inside] = random.uniform(0, 255, 3)
    return changes.to_picture(board)


def reduce(picture: Image.Image, max_side_px: int = MAX_SIDE_PX) -> Image.Image:
    """The picture as it is, or smaller so that its longer side fits."""
    if max(picture.size) <= max_side_px:
        return picture
    share = max_side_px / max(picture.size)
    return changes.resize(picture, share, share)


def modify(
    picture: Image.Image,
    modification: Modification,
    seed: int,
    companion: Image.Image | None = None,
) -> bytes:
    """The bytes of a modified RGB picture; the same seed gives the same bytes.

    A picture over 640 px is reduced first. Raises NotApplicableError where it cannot be made.
    """
    random = np.random.default_rng([seed, zlib.crc32(modification.name.encode())])
    changed = modification.apply(reduce(picture), random, companion)
    return modification.coding.encode(reduce(changed, _BOARD_MAX_PX))


# --- the list ----------------------------------------------------------------------------------

_SAME = frozenset({Kind.SAME_PICTURE})
_TURNED = frozenset({Kind.TRANSFORMED})
_CROPPED = frozenset({Kind.CROPPED})
_BORDERED = frozenset({Kind.BORDERED})
_OVERLAID = frozenset({Kind.OVERLAID})
_RECOLOURED = frozenset({Kind.RECOLOURED})
_COMPOSED = frozenset({Kind.COMPOSED})
_TURN = Image.Transpose


def _plain(change: Callable[[Image.Image], Image.Image]) -> Change:
    """A change that leaves nothing to chance."""

    def apply(picture: Image.Image, _random: Random) -> Image.Image:
        return change(picture)

    return apply


def _unchanged(picture: Image.Image) -> Image.Image:
    return picture


def _turned(way: Image.Transpose) -> Callable[[Image.Image], Image.Image]:
    def turn(picture: Image.Image) -> Image.Image:
        return picture.transpose(way)

    return turn


def _same_picture() -> list[Modification]:
    def recoded(name: str, strength: str, coding: Coding) -> Modification:
        change = _plain(_unchanged)
        return Modification(name, Family.REENCODE, _SAME, strength, change, coding=coding)

    def sized(name: str, family: Family, strength: str, across: float, down: float) -> Modification:
        change = _plain(partial(changes.resize, across=across, down=down))
        return Modification(name, family, _SAME, strength, change)

    def seen(name: str, family: Family, strength: str, change: Change) -> Modification:
        return Modification(name, family, _SAME, strength, change)

    filtered, lit = Family.FILTER, Family.PHOTOMETRIC
    return [
        recoded("jpeg_75", "JPEG quality 75", Coding(quality=75)),
        recoded("jpeg_50", "JPEG quality 50", Coding(quality=50)),
        recoded("jpeg_25", "JPEG quality 25", Coding(quality=25)),
        recoded("webp_75", "WebP quality 75", Coding("WEBP", 75)),
        recoded("png", "lossless", Coding("PNG")),
        sized("resize_75", Family.RESIZE, "to 75%", 0.75, 0.75),
        sized("resize_50", Family.RESIZE, "to 50%", 0.5, 0.5),
        sized("resize_30", Family.RESIZE, "to 30%", 0.3, 0.3),
        sized("resize_150", Family.RESIZE, "to 150%", 1.5, 1.5),
        sized("stretch_wide_15", Family.STRETCH, "15% wider", 1.15, 1.0),
        sized("stretch_tall_30", Family.STRETCH, "30% taller", 0.95, 1.235),
        seen("blur_light", filtered, "radius 1 px", _plain(partial(changes.blur, radius_px=1))),
        seen(
            "blur_strong", filtered, "radius 2.5 px", _plain(partial(changes.blur, radius_px=2.5))
        ),
        seen("sharpen", filtered, "150%", _plain(partial(changes.sharpen, percent=150))),
        seen("noise_6", filtered, "6 levels", partial(changes.add_noise, deviation=6)),
        seen("noise_15", filtered, "15 levels", partial(changes.add_noise, deviation=15)),
        seen("median", filtered, "5 px", _plain(partial(changes.smooth, window_px=5))),
        seen("pixelate", filtered, "4 px", _plain(partial(changes.pixelate, block_px=4))),
        seen("brighter_25", lit, "+25%", _plain(partial(changes.brighten, factor=1.25))),
        seen("darker_35", lit, "-35%", _plain(partial(changes.brighten, factor=0.65))),
        seen("contrast_up", lit, "+50%", _plain(partial(changes.change_contrast, factor=1.5))),
        seen("contrast_down", lit, "-40%", _plain(partial(changes.change_contrast, factor=0.6))),
        seen("gamma_light", lit, "0.6", _plain(partial(changes.change_gamma, gamma=0.6))),
        seen("gamma_dark", lit, "1.6", _plain(partial(changes.change_gamma, gamma=1.6))),
        seen("auto_contrast", lit, "2% cut", _plain(changes.stretch_levels)),
        seen("vignette", lit, "50%", _plain(partial(changes.add_vignette, strength=0.5))),
    ]


def _transformed() -> list[Modification]:
    def turned(name: str, way: Image.Transpose) -> Modification:
        change = _plain(_turned(way))
        return Modification(name, Family.ORIENTATION, _TURNED, "whole picture", change)

    def rotated(name: str, strength: str, change: Change) -> Modification:
        return Modification(name, Family.SMALL_ROTATION, _TURNED, strength, change)

    def tilted(name: str, strength: float) -> Modification:
        change = partial(changes.tilt, strength=strength)
        return Modification(name, Family.PERSPECTIVE, _TURNED, f"{strength:.0%} a corner", change)

    def fixed(angle_deg: float, fill: changes.Colour | None) -> Change:
        return _plain(partial(changes.rotate, angle_deg=angle_deg, fill=fill))

    return [
        turned("mirror", _TURN.FLIP_LEFT_RIGHT),
        turned("flip", _TURN.FLIP_TOP_BOTTOM),
        turned("rotate_90", _TURN.ROTATE_90),
        turned("rotate_180", _TURN.ROTATE_180),
        turned("rotate_270", _TURN.ROTATE_270),
        turned("transpose", _TURN.TRANSPOSE),
        rotated("tilt_2_white", "2 degrees, white corners", fixed(2, WHITE)),
        rotated("tilt_5_white", "5 degrees, white corners", fixed(-5, WHITE)),
        rotated("tilt_5_black", "5 degrees, black corners", fixed(5, BLACK)),
        rotated("tilt_10_edge", "10 degrees, edge continued", fixed(10, None)),
        rotated("tilt_15_white", "15 degrees, white corners", fixed(-15, WHITE)),
        rotated(
            "tilt_10_grown",
            "10 degrees, canvas grown",
            _plain(partial(changes.rotate_expanded, angle_deg=-10, fill=WHITE)),
        ),
        *(
            Modification(
                f"tilt_{angle_deg}_cropped",
                Family.SMALL_ROTATION,
                _TURNED | _CROPPED,
                f"{angle_deg} degrees, corners cut off",
                _plain(partial(changes.rotate_and_crop, angle_deg=angle_deg)),
            )
            for angle_deg in (5, 10)
        ),
        tilted("perspective_4", 0.04),
        tilted("perspective_8", 0.08),
    ]


def _by_exif() -> list[Modification]:
    def stored(
        name: str,
        kinds: frozenset[Kind],
        strength: str,
        change: Callable[[Image.Image], Image.Image],
        orientation: int,
    ) -> Modification:
        coding = Coding(quality=92, orientation=orientation)
        return Modification(name, Family.EXIF, kinds, strength, _plain(change), coding=coding)

    lying, inverted = _turned(_TURN.ROTATE_90), _turned(_TURN.ROTATE_180)
    return [
        stored("exif_6_upright", _SAME, "lying pixels shown upright", lying, 6),
        stored("exif_3_upright", _SAME, "inverted pixels shown upright", inverted, 3),
        stored("exif_8_turned", _TURNED, "upright pixels shown lying", _unchanged, 8),
        stored("exif_2_mirrored", _TURNED, "upright pixels shown mirrored", _unchanged, 2),
    ]


def _cropped() -> list[Modification]:
    def cut(name: str, family: Family, strength: str, change: Change) -> Modification:
        return Modification(name, family, _CROPPED, strength, change)

    def centred(kept: float) -> Change:
        return _plain(partial(changes.crop, kept=kept, across=0.5, down=0.5))

    return [
        *(
            cut(f"crop_{lost}", Family.CROP, f"{lost}% of each side", centred(1 - lost / 100))
            for lost in (5, 10, 15, 20, 25)
        ),
        *(
            cut(
                f"crop_{lost}_corner",
                Family.CROP,
                f"{lost}% of each side, off centre",
                partial(changes.crop_off_centre, kept=1 - lost / 100),
            )
            for lost in (10, 25)
        ),
        cut(
            "crop_20_one_side",
            Family.CROP,
            "20% at one side",
            partial(changes.crop_one_side, lost=0.2),
        ),
        cut("crop_40", Family.CROP_40, "40% of each side", centred(0.6)),
        cut(
            "crop_40_corner",
            Family.CROP_40,
            "40% of each side, off centre",
            partial(changes.crop_off_centre, kept=0.6),
        ),
        cut(
            "zoom_2",
            Family.ZOOM,
            "middle quarter of the area",
            _plain(partial(changes.zoom, factor=2, across=0.5, down=0.5)),
        ),
        cut(
            "zoom_2_off_centre",
            Family.ZOOM,
            "a quarter of the area, off centre",
            _plain(partial(changes.zoom, factor=2, across=0.32, down=0.62)),
        ),
    ]


def _bordered() -> list[Modification]:
    def framed(name: str, strength: str, change: Change) -> Modification:
        return Modification(name, Family.BORDER, _BORDERED, strength, change)

    def even(width: float, colour: changes.Colour) -> Change:
        return _plain(partial(changes.add_even_border, width=width, colour=colour))

    return [
        framed("border_white_5", "5% white", even(0.05, WHITE)),
        framed("border_white_15", "15% white", even(0.15, WHITE)),
        framed("border_black_8", "8% black", even(0.08, BLACK)),
        framed("border_blue_12", "12% blue", even(0.12, (18, 73, 122))),
        framed(
            "border_bars",
            "10% above, 14% below, coloured",
            _plain(
                partial(
                    changes.add_border,
                    left=0.0,
                    top=0.1,
                    right=0.0,
                    bottom=0.14,
                    colour=(150, 30, 50),
                )
            ),
        ),
        framed(
            "border_uneven",
            "2 to 20%, grey",
            partial(changes.add_uneven_border, colour=(225, 225, 222)),
        ),
        framed("border_lined", "white mount with a line", changes.add_lined_frame),
        framed(
            "letterbox_white",
            "40% added, white",
            _plain(partial(changes.letterbox, added=0.4, colour=WHITE)),
        ),
        framed(
            "letterbox_blurred",
            "40% added, blurred fill",
            _plain(partial(changes.letterbox_blurred, added=0.4)),
        ),
    ]


def _overlaid() -> list[Modification]:
    def laid(name: str, family: Family, strength: str, change: Change) -> Modification:
        return Modification(name, family, _OVERLAID, strength, change)

    badge = Family.BADGE
    small, large, tiled = (
        Family.WATERMARK_SMALL,
        Family.WATERMARK_LARGE,
        Family.WATERMARK_TILED,
    )
    lettered = changes.add_line_watermark
    return [
        laid("badge_round", badge, "25% of the side", partial(changes.add_badge, share=0.25)),
        laid("badge_round_large", badge, "36% of the side", partial(changes.add_badge, share=0.36)),
        laid("badge_ribbon", badge, "across a corner", changes.add_ribbon),
        laid("badge_price", badge, "a price tag", changes.add_price_tag),
        laid(
            "badge_banner_12", badge, "12% of the height", partial(changes.add_banner, share=0.12)
        ),
        laid("badge_banner_20", badge, "20% of the height", partial(changes.add_banner, share=0.2)),
        laid("badge_text", badge, "three lines of text", changes.add_text_lines),
        laid(
            "mark_small_logo",
            small,
            "18% of the side at 70%",
            partial(changes.add_corner_logo, share=0.18, opacity=0.7),
        ),
        laid(
            "mark_small_text",
            small,
            "web address at 80%",
            partial(changes.add_small_text, opacity=0.8),
        ),
        laid(
            "mark_small_centre",
            small,
            "5% letters at 45%",
            partial(lettered, height_share=0.05, opacity=0.45, angle_deg=0),
        ),
        laid(
            "mark_large_faint",
            large,
            "11% letters at 35%",
            partial(lettered, height_share=0.11, opacity=0.35, angle_deg=24),
        ),
        laid(
            "mark_large_strong",
            large,
            "11% letters at 70%",
            partial(lettered, height_share=0.11, opacity=0.7, angle_deg=-18),
        ),
        laid(
            "mark_large_logo_faint",
            large,
            "75% of the side at 35%",
            partial(changes.add_centre_logo, share=0.75, opacity=0.35),
        ),
        laid(
            "mark_large_logo_strong",
            large,
            "60% of the side at 65%",
            partial(changes.add_centre_logo, share=0.6, opacity=0.65),
        ),
        laid(
            "mark_tiled_faint",
            tiled,
            "four across at 25%",
            partial(changes.tile_watermark, columns=4, opacity=0.25, angle_deg=30),
        ),
        laid(
            "mark_tiled_strong",
            tiled,
            "four across at 60%",
            partial(changes.tile_watermark, columns=4, opacity=0.6, angle_deg=30),
        ),
        laid(
            "mark_tiled_logos",
            tiled,
            "five signs across at 45%",
            partial(changes.tile_logos, columns=5, opacity=0.45),
        ),
    ]


def _recoloured() -> list[Modification]:
    def coloured(
        name: str, family: Family, strength: str, change: Callable[[Image.Image], Image.Image]
    ) -> Modification:
        return Modification(name, family, _RECOLOURED, strength, _plain(change))

    colour, swap = Family.COLOUR, Family.BACKGROUND_SWAP
    warm, cool = (255, 190, 120), (130, 180, 255)
    return [
        coloured("hue_40", colour, "40 degrees", partial(changes.turn_hue, turn_deg=40)),
        coloured("hue_150", colour, "150 degrees", partial(changes.turn_hue, turn_deg=150)),
        coloured("saturation_30", colour, "to 30%", partial(changes.saturate, factor=0.3)),
        coloured("saturation_220", colour, "to 220%", partial(changes.saturate, factor=2.2)),
        coloured("grey", colour, "no colour", changes.to_grey),
        coloured("sepia", colour, "brown", changes.to_sepia),
        coloured("tint_warm", colour, "50%", partial(changes.tint, colour=warm, strength=0.5)),
        coloured("tint_cool", colour, "50%", partial(changes.tint, colour=cool, strength=0.5)),
        coloured(
            "background_blue",
            swap,
            "one colour",
            partial(changes.swap_background, upper=(120, 165, 205), lower=(120, 165, 205)),
        ),
        coloured(
            "background_gradient",
            swap,
            "dark to pale",
            partial(changes.swap_background, upper=(40, 44, 60), lower=(214, 200, 176)),
        ),
        coloured("inverted", Family.INVERTED, "negative", changes.invert),
    ]


def _composed() -> list[Modification]:
    def on_plain(share: float, colour: changes.Colour) -> Change:
        def apply(picture: Image.Image, random: Random) -> Image.Image:
            ground = changes.plain_ground(picture, colour)
            return changes.inset(picture, ground, random, share)

        return apply

    def on_picture(share: float) -> Composition:
        return partial(changes.inset, share=share)

    def composed(
        name: str, family: Family, strength: str, composition: Composition
    ) -> Modification:
        return Modification(name, family, _COMPOSED, strength, composition=composition)

    inset, collage = Family.INSET, Family.COLLAGE
    return [
        Modification(
            "inset_80_plain", inset, _BORDERED, "80% of the side", on_plain(0.8, (224, 232, 240))
        ),
        Modification(
            "inset_60_plain", inset, _COMPOSED, "60% of the side", on_plain(0.6, (250, 244, 228))
        ),
        Modification("inset_40_plain", inset, _COMPOSED, "40% of the side", on_plain(0.4, WHITE)),
        composed("inset_80_picture", inset, "80% of the side", on_picture(0.8)),
        composed("inset_60_picture", inset, "60% of the side", on_picture(0.6)),
        composed("inset_40_picture", inset, "40% of the side", on_picture(0.4)),
        composed("collage_beside", collage, "two side by side", changes.put_beside),
        composed("collage_above", collage, "two, one above the other", changes.put_above),
        composed("collage_grid", collage, "two by two", changes.put_in_grid),
    ]


def _combined() -> list[Modification]:
    def combined(
        name: str,
        kinds: frozenset[Kind],
        strength: str,
        *steps: Change,
        quality: int = 80,
    ) -> Modification:
        def apply(picture: Image.Image, random: Random) -> Image.Image:
            for step in steps:
                picture = step(picture, random)
            return picture

        coding = Coding(quality=quality)
        return Modification(name, Family.COMBINATION, kinds, strength, apply, coding=coding)

    mirror = _plain(_turned(_TURN.FLIP_LEFT_RIGHT))
    quarter = _plain(_turned(_TURN.ROTATE_90))
    badge = partial(changes.add_badge, share=0.22)
    banner = partial(changes.add_banner, share=0.13)
    logo = partial(changes.add_corner_logo, share=0.2, opacity=0.8)
    mark = partial(changes.add_line_watermark, height_share=0.08, opacity=0.45, angle_deg=20)
    tiled = partial(changes.tile_watermark, columns=4, opacity=0.35, angle_deg=30)
    grey, hue = _plain(changes.to_grey), _plain(partial(changes.turn_hue, turn_deg=70))
    brighter = _plain(partial(changes.brighten, factor=1.2))
    darker = _plain(partial(changes.brighten, factor=0.8))

    def cropped(lost: float) -> Change:
        return partial(changes.crop_off_centre, kept=1 - lost)

    def sized(share: float) -> Change:
        return _plain(partial(changes.resize, across=share, down=share))

    def bordered(width: float, colour: changes.Colour) -> Change:
        return _plain(partial(changes.add_even_border, width=width, colour=colour))

    def tilted(angle_deg: float) -> Change:
        return _plain(partial(changes.rotate, angle_deg=angle_deg, fill=WHITE))

    return [
        combined(
            "mirror_crop_badge",
            _TURNED | _CROPPED | _OVERLAID,
            "mirror, crop 12%, badge",
            mirror,
            cropped(0.12),
            badge,
        ),
        combined(
            "resize_brighter_mark",
            _SAME | _OVERLAID,
            "to 60%, +20%, watermark",
            sized(0.6),
            brighter,
            mark,
        ),
        combined(
            "border_hue_jpeg",
            _BORDERED | _RECOLOURED,
            "8% border, hue 70 degrees, quality 50",
            bordered(0.08, (236, 236, 236)),
            hue,
            quality=50,
        ),
        combined("mirror_tilt_5", _TURNED, "mirror, 5 degrees", mirror, tilted(5)),
        combined("crop_logo", _CROPPED | _OVERLAID, "crop 15%, logo", cropped(0.15), logo),
        combined(
            "crop_brighter_jpeg",
            _CROPPED | _SAME,
            "crop 20%, +20%, quality 45",
            cropped(0.2),
            brighter,
            quality=45,
        ),
        combined(
            "border_banner",
            _BORDERED | _OVERLAID,
            "banner, then 6% border",
            banner,
            bordered(0.06, (18, 73, 122)),
        ),
        combined(
            "grey_crop_resize",
            _RECOLOURED | _CROPPED | _SAME,
            "grey, crop 12%, to 60%",
            grey,
            cropped(0.12),
            sized(0.6),
        ),
        combined(
            "quarter_dark_border",
            _TURNED | _SAME | _BORDERED,
            "quarter turn, -20%, 5% border",
            quarter,
            darker,
            bordered(0.05, BLACK),
        ),
        combined(
            "mirror_tiled",
            _TURNED | _OVERLAID,
            "mirror, tiled watermark at 35%",
            mirror,
            tiled,
        ),
        combined(
            "mirror_crop_resize",
            _TURNED | _CROPPED | _SAME,
            "mirror, crop 20%, to 70%",
            mirror,
            cropped(0.2),
            sized(0.7),
        ),
        combined(
            "tilt_crop_banner",
            _TURNED | _CROPPED | _OVERLAID,
            "4 degrees, crop 8%, banner",
            tilted(4),
            cropped(0.08),
            banner,
        ),
    ]


def _list_modifications() -> dict[str, Modification]:
    listed = [
        *_same_picture(),
        *_transformed(),
        *_by_exif(),
        *_cropped(),
        *_bordered(),
        *_overlaid(),
        *_recoloured(),
        *_composed(),
        *_combined(),
    ]
    by_name = {modification.name: modification for modification in listed}
    if len(by_name) != len(listed):
        raise ValueError(f"{len(listed)} modifications have {len(by_name)} different names")
    return by_name


MODIFICATIONS: dict[str, Modification] = _list_modifications()
"""Every modification by name, in the order of the tables."""
