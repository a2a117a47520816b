"""The mess of the real world, case by case: what is served at a picture's URL, what comes of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from demo.image_server import Behaviour
from demo.modifications import decode, rotate_in_exif, to_cmyk, to_png, to_webp
from image_duplication.records import Kind, ReasonCode, Status

DOWNLOADED = Status.DOWNLOADED.value
FORBIDDEN_HOST = "http://pictures.not-allowed.example"


class Source(StrEnum):
    """What a messy row shows."""

    VIEW = "view"  # a view of its own
    BASE = "base"  # the variant's base image, changed
    NOTHING = "nothing"  # no file at all


class Address(StrEnum):
    """How a messy row's URL is wrong, beyond the legacy patterns."""

    USUAL = "usual"
    SPACES_AND_HINDI = "spaces_and_hindi"
    FORBIDDEN_HOST = "forbidden_host"
    NULL = "null"
    BLANK = "blank"


@dataclass(frozen=True, slots=True)
class MessCase:
    """One kind of trouble; `kinds` is set where the row is a planted duplicate of the base."""

    name: str
    expected: str
    source: Source = Source.BASE
    change: Callable[[bytes], bytes] | None = None
    suffix: str = ".jpg"
    behaviour: Behaviour | None = None
    address: Address = Address.USUAL
    kinds: frozenset[Kind] = frozenset()


def to_png_16_bit(content: bytes) -> bytes:
    """The picture in grey, sixteen bits a pixel."""
    grey = np.asarray(decode(content).convert("L"), np.uint16) * 257
    return _saved(Image.fromarray(grey), "PNG")


def to_animated_gif(content: bytes) -> bytes:
    """An animation whose first frame is the picture."""
    first = decode(content).convert("P", palette=Image.Palette.ADAPTIVE)
    others = [first.transpose(Image.Transpose.FLIP_LEFT_RIGHT), first]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=300, loop=0)
    return buffer.getvalue()


def to_cut_out_png(content: bytes) -> bytes:
    """The goods on a transparent ground; hidden pixels keep their colour."""
    image = decode(content)
    edge = image.resize((1, image.height), Image.Resampling.BOX, box=(0, 0, 4, image.height))
    apart = np.abs(np.asarray(image, np.int16) - np.asarray(edge.resize(image.size), np.int16)).max(
        axis=2
    )
    mask = Image.fromarray(np.where(apart > 18, 255, 0).astype(np.uint8))
    image.putalpha(mask.filter(ImageFilter.MedianFilter(5)))
    return _saved(image, "PNG")


def truncate(content: bytes) -> bytes:
    """A JPEG that ends half-way: its header is sound, its pixels are not all there."""
    return content[: len(content) // 2]


def to_html(_content: bytes) -> bytes:
    """What a portal answers, with status 200, when its picture has gone."""
    return (
        "<!DOCTYPE html><html><head><meta charset='utf-8'><title>Not available</title></head>"
        "<body><h1>Image not available</h1><p>चित्र उपलब्ध नहीं है</p></body></html>"
    ).encode()


def _saved(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    ImageOps.exif_transpose(image).save(buffer, form)
    return buffer.getvalue()


_SAME = frozenset({Kind.SAME_PICTURE})
_FAILS_ONCE = Behaviour(status=500, times=1)
_LIMITS_ONCE = Behaviour(status=429, times=1, retry_after_s=1)
_LIMITS_ALWAYS = Behaviour(status=429, retry_after_s=1)

MESS_CASES: tuple[MessCase, ...] = (
    MessCase("not_found", ReasonCode.NOT_FOUND, Source.NOTHING),
    MessCase("error_500_then_200", DOWNLOADED, Source.VIEW, behaviour=_FAILS_ONCE),
    MessCase("limit_429_then_200", DOWNLOADED, Source.VIEW, behaviour=_LIMITS_ONCE),
    MessCase("limit_429_always", ReasonCode.RATE_LIMITED, behaviour=_LIMITS_ALWAYS),
    MessCase("stall", ReasonCode.TIMED_OUT, behaviour=Behaviour(stall_after_bytes=2048)),
    MessCase(
        "html_with_200",
        ReasonCode.NOT_AN_IMAGE,
        change=to_html,
        behaviour=Behaviour(content_type="text/html; charset=utf-8"),
    ),
    MessCase("truncated_jpeg", ReasonCode.DECODE_FAILED, change=truncate),
    MessCase("short_body", ReasonCode.BODY_INCOMPLETE, behaviour=Behaviour(missing_bytes=1500)),
    MessCase("zero_bytes", ReasonCode.BODY_EMPTY, change=lambda _content: b""),
    MessCase("png_named_jpg", DOWNLOADED, change=to_png, kinds=_SAME),
    MessCase("cmyk_jpeg", DOWNLOADED, change=to_cmyk, kinds=_SAME),
    MessCase(
        "png_16_bit",
        DOWNLOADED,
        change=to_png_16_bit,
        suffix=".png",
        kinds=frozenset({Kind.RECOLOURED, Kind.SAME_PICTURE}),
    ),
    MessCase("animated_gif", DOWNLOADED, change=to_animated_gif, suffix=".gif", kinds=_SAME),
    MessCase("webp", DOWNLOADED, change=to_webp, suffix=".webp", kinds=_SAME),
    MessCase("exif_rotated_jpeg", DOWNLOADED, change=rotate_in_exif, kinds=_SAME),
    MessCase(
        "transparent_png",
        DOWNLOADED,
        change=to_cut_out_png,
        suffix=".png",
        kinds=frozenset({Kind.RECOLOURED}),
    ),
    MessCase("spaces_and_hindi", DOWNLOADED, Source.VIEW, address=Address.SPACES_AND_HINDI),
    MessCase("forbidden_host", ReasonCode.HOST_NOT_ALLOWED, address=Address.FORBIDDEN_HOST),
    MessCase("null_url", ReasonCode.URL_MISSING, Source.NOTHING, address=Address.NULL),
    MessCase("blank_url", ReasonCode.URL_MISSING, Source.NOTHING, address=Address.BLANK),
)
