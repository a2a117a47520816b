"""What the bytes of a picture are, told from its header alone."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from image_duplication.fetching.refusal import Refusal
from image_duplication.records import ReasonCode

_PREFIX_BYTES = 16  # what Pillow's own accept functions are given
_quiet = threading.Lock()


class Header(NamedTuple):
    """What a picture's header says."""

    picture_format: str
    width_px: int
    height_px: int


def read_header(content: bytes, *, formats: Sequence[str], max_pixels: int) -> Header:
    """The format and size of a picture, by Pillow's parser for it; no pixel is decoded.

    Only the parsers of the formats allowed ever see the bytes. Raises Refusal.
    """
    Image.init()
    # Filled up, because some accept functions read on where a short body has ended.
    prefix = content[:_PREFIX_BYTES].ljust(_PREFIX_BYTES, b"\0")
    for picture_format in formats:
        if _accepts(picture_format, prefix):
            try:
                header = _parse(picture_format, content)
            except Warning:
                header = _parse_quietly(picture_format, content)
            if header.width_px < 1 or header.height_px < 1:
                raise Refusal(ReasonCode.NOT_AN_IMAGE, f"a {picture_format} without any pixel")
            if header.width_px * header.height_px > max_pixels:
                raise Refusal(
                    ReasonCode.TOO_MANY_PIXELS,
                    f"{header.width_px}x{header.height_px} px, at most {max_pixels} pixels allowed",
                )
            return header
    for picture_format in Image.ID:
        if _accepts(picture_format, prefix):
            raise Refusal(ReasonCode.FORMAT_NOT_ALLOWED, f"a {picture_format}, by its first bytes")
    raise Refusal(ReasonCode.NOT_AN_IMAGE, f"starts with {prefix!r}")


def _accepts(picture_format: str, prefix: bytes) -> bool:
    # Image.open() itself would also warn of, and later refuse, sizes that the settings allow.
    _, accept = Image.OPEN.get(picture_format, (None, None))
    return accept is not None and accept(prefix) is True


def _parse(picture_format: str, content: bytes) -> Header:
    try:
        with Image.OPEN[picture_format][0](io.BytesIO(content), "") as opened:
            # A multi-picture JPEG opens as its first picture.
            return Header(picture_format, opened.width, opened.height)
    except Image.DecompressionBombError as error:
        raise Refusal(ReasonCode.TOO_MANY_PIXELS, str(error)) from error
    except Warning:
        raise
    except Exception as error:  # the per-image edge: parsers raise whatever they please
        raise Refusal(
            ReasonCode.NOT_AN_IMAGE, f"a broken {picture_format} header: {error}"
        ) from error


def _parse_quietly(picture_format: str, content: bytes) -> Header:
    # Reached only where warnings are errors: a remark on a picture's metadata must not lose it.
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _parse(picture_format, content)
