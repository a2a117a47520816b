"""Bytes to the picture that a buyer sees: EXIF rotation applied, alpha over white, 8-bit RGB."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

Grey = npt.NDArray[np.uint8]

_LARGE_PIXELS = 4_000_000
"""Above it, decoding and reducing the colours takes most of a picture's time."""

_TOP_8_BIT = 255
_TOP_16_BIT = 65_535
_ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4

_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class DecodeError(Exception):
    """The bytes are no picture that can be decoded within the limits."""


def decode(content: bytes, *, formats: Sequence[str], max_pixels: int) -> Image.Image:
    """The first frame as an RGB picture, of one of Pillow's formats. Raises DecodeError."""
    with _opened(content, formats, max_pixels) as opened:
        return _load(opened)


def decode_to_compare(
    content: bytes, *, formats: Sequence[str], max_pixels: int, least_side_px: int
) -> tuple[Image.Image, Grey]:
    """The picture in RGB, and its greys at full size, shape (height, width). Raises DecodeError.

    Colours are compared in small copies alone. Those of a large JPEG file are decoded at a half, a
    quarter or an eighth of its size, of which the shorter side is `least_side_px` or more.
    """
    with _opened(content, formats, max_pixels) as opened:
        scale = _find_scale(opened, least_side_px)
        if scale > 1:
            opened.draft("RGB", (opened.width // scale, opened.height // scale))
        colour = _load(opened)
    if scale == 1:
        return colour, np.asarray(colour.convert("L"))
    with _opened(content, formats, max_pixels) as opened:
        opened.draft("L", opened.size)
        opened.load()
        return colour, np.asarray(_upright(opened))


def _find_scale(opened: Image.Image, least_side_px: int) -> int:
    if (
        not isinstance(opened, JpegImageFile)
        or opened.mode != "RGB"
        or opened.width * opened.height <= _LARGE_PIXELS
    ):
        return 1
    shorter = min(opened.size)
    return next((scale for scale in (8, 4, 2) if shorter // scale >= least_side_px), 1)


def decode_small(
    content: bytes, *, formats: Sequence[str], max_pixels: int, side_px: int
) -> Image.Image:
    """The picture in RGB with its longer side reduced to `side_px`, or as it is when it is smaller.

    A JPEG file is decoded at a fraction of its size, still at least twice what is asked for. Raises
    DecodeError.
    """
    with _opened(content, formats, max_pixels) as opened:
        share = 2 * side_px / max(opened.size)
        opened.draft(None, (int(opened.width * share), int(opened.height * share)))
        small = _load(opened)
        small.thumbnail((side_px, side_px), reducing_gap=2.0)
        return small


@contextlib.contextmanager
def _opened(content: bytes, formats: Sequence[str], max_pixels: int) -> Iterator[Image.Image]:
    """A picture of which nothing is decoded yet. Raises DecodeError, for its use too."""
    try:
        with warnings.catch_warnings():
            # A warning is no reason to lose a picture; a real fault raises on load.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=list(formats)) as opened:
                if opened.width * opened.height > max_pixels:
                    raise DecodeError(
                        f"{opened.width}x{opened.height} px, at most {max_pixels} pixels allowed"
                    )
                yield opened
    except DecodeError:
        raise
    except UnidentifiedImageError as error:
        raise DecodeError(f"no picture of the formats {', '.join(formats)}") from error
    except Exception as error:  # the per-image edge: codecs raise whatever they please
        raise DecodeError(f"{type(error).__name__}: {error}") from error


def _load(opened: Image.Image) -> Image.Image:
    opened.load()
    return _to_rgb(_upright(opened))


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turn = _TO_UPRIGHT.get(picture.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # broken EXIF costs its rotation, never the picture
        return picture
    return picture if turn is None else picture.transpose(turn)


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture.copy() if picture.readonly else picture
    if picture.mode.startswith("I") or picture.mode == "F":
        return _to_8_bit(picture).convert("RGB")
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        white = Image.new("RGB", coloured.size, "white")
        white.paste(coloured, mask=coloured)
        return white
    return picture.convert("RGB")


def _to_8_bit(picture: Image.Image) -> Image.Image:
    """Pillow clips 16-bit samples to 255 when it converts; take their upper eight bits instead."""
    samples = np.asarray(picture)
    if samples.dtype.kind == "f":
        samples = np.nan_to_num(samples).clip(0, _TOP_16_BIT).astype(np.uint16)
    if samples.max(initial=0) > _TOP_8_BIT:
        samples = samples.clip(0, _TOP_16_BIT) >> 8
    return Image.fromarray(samples.clip(0, _TOP_8_BIT).astype(np.uint8))
