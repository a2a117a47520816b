from __future__ import annotations

import io
import timeit
import warnings

import pytest
from PIL import Image

from image_duplication.fetching.refusal import Refusal
from image_duplication.fetching.sniffing import Header, read_header
from image_duplication.records import ReasonCode
from tests.fetching import drawing

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def header_of(content: bytes, max_pixels: int = 60_000_000) -> Header:
    return read_header(content, formats=FORMATS, max_pixels=max_pixels)


@pytest.mark.parametrize("picture_format", FORMATS)
def test_header_gives_format_and_size(picture_format: str) -> None:
    content = drawing.encoded(picture_format, size=(31, 17))
    assert header_of(content) == Header(picture_format, 31, 17)


@pytest.mark.parametrize(
    ("content", "picture_format"),
    [
        pytest.param(drawing.encoded("JPEG", mode="CMYK"), "JPEG", id="cmyk"),
        pytest.param(drawing.encoded("PNG", mode="I;16"), "PNG", id="16-bit"),
        pytest.param(drawing.animated_gif(), "GIF", id="animated"),
        pytest.param(drawing.multi_picture_jpeg(), "JPEG", id="multi-picture"),
        pytest.param(drawing.encoded("JPEG")[:-200], "JPEG", id="truncated-pixels"),
    ],
)
def test_header_accepts_odd_pictures(content: bytes, picture_format: str) -> None:
    assert header_of(content) == Header(picture_format, 64, 48)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(drawing.HTML, ReasonCode.NOT_AN_IMAGE, id="html"),
        pytest.param(drawing.SVG, ReasonCode.NOT_AN_IMAGE, id="svg"),
        pytest.param(b"plain text", ReasonCode.NOT_AN_IMAGE, id="text"),
        pytest.param(b"\xff", ReasonCode.NOT_AN_IMAGE, id="one-byte"),
        pytest.param(b"\xff\xd8\xff\xe0" + b"\0" * 40, ReasonCode.NOT_AN_IMAGE, id="no-header"),
        pytest.param(drawing.png_header_of(0, 9), ReasonCode.NOT_AN_IMAGE, id="no-pixel"),
        pytest.param(drawing.encoded("PPM"), ReasonCode.FORMAT_NOT_ALLOWED, id="ppm"),
        pytest.param(drawing.encoded("ICO"), ReasonCode.FORMAT_NOT_ALLOWED, id="ico"),
    ],
)
def test_header_refuses_other_content(content: bytes, reason: ReasonCode) -> None:
    with pytest.raises(Refusal) as caught:
        header_of(content)
    assert caught.value.reason is reason


@pytest.mark.parametrize("side", [8_000, 60_000])
@pytest.mark.parametrize("kind", ["png", "gif", "tiff", "webp"])
def test_header_refuses_too_many_pixels_before_any_decode(kind: str, side: int) -> None:
    if kind == "webp":
        side = min(side, 16_383)
    content = getattr(drawing, f"{kind}_header_of")(side, side)
    with pytest.raises(Refusal) as caught:
        header_of(content)
    if kind == "webp" and side == 8_000:  # its parser wants the frames before it tells the size
        assert caught.value.reason in {ReasonCode.NOT_AN_IMAGE, ReasonCode.TOO_MANY_PIXELS}
    else:
        assert caught.value.reason is ReasonCode.TOO_MANY_PIXELS


def test_header_accepts_more_pixels_than_pillow_warns_of_when_the_settings_do() -> None:
    side = 10_000  # Pillow warns from 89,478,485 pixels on, and warnings are errors here
    content = drawing.png_header_of(side, side)
    assert header_of(content, max_pixels=side * side) == Header("PNG", side, side)


def test_header_survives_a_warning_about_metadata() -> None:
    content = bytearray(drawing.multi_picture_jpeg())
    place = content.index(b"MPF\0")
    content[place + 4 : place + 12] = b"II*\0\xff\xff\xff\x7f"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning):
            Image.open(io.BytesIO(bytes(content)))
        assert header_of(bytes(content)) == Header("JPEG", 64, 48)


def test_header_takes_little_time() -> None:
    content = drawing.encoded("JPEG", size=(420, 420))
    best_s = min(timeit.repeat(lambda: header_of(content), number=50, repeat=5)) / 50
    assert best_s < 0.003  # 0.3 ms is the goal; a busy machine gets room
