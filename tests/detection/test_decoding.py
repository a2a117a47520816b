"""Bytes to the picture that a buyer sees."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from image_duplication.detection import decoding
from image_duplication.detection.decoding import DecodeError, decode, decode_to_compare
from image_duplication.settings import DownloadSettings
from tests.drawn_photos import draw_photo
from tests.judged_rows import draw_picture, encode

FORMATS = DownloadSettings().formats
MAX_PIXELS = 100_000


def seen(content: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    picture = decode(content, formats=FORMATS, max_pixels=max_pixels)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def exif_with_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


# How EXIF 2.32 says stored rows and columns are to be shown.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("picture_format", ["PNG", "WEBP"])
def test_decode_applies_exif_orientation(orientation: int, picture_format: str) -> None:
    stored = draw_picture(1, 40, 24)
    content = encode(stored, picture_format, lossless=True, exif=exif_with_orientation(orientation))
    assert np.array_equal(seen(content), UPRIGHT[orientation](np.asarray(stored)))


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_decode_applies_exif_orientation_of_a_jpeg(orientation: int) -> None:
    stored = draw_picture(1, 40, 24)
    plain = np.asarray(Image.open(io.BytesIO(encode(stored, "JPEG"))))
    content = encode(stored, "JPEG", exif=exif_with_orientation(orientation))
    assert np.array_equal(seen(content), UPRIGHT[orientation](plain))


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_decode_ignores_an_orientation_that_exif_does_not_know(orientation: int) -> None:
    stored = draw_picture(1, 40, 24)
    content = encode(stored, "PNG", exif=exif_with_orientation(orientation))
    assert np.array_equal(seen(content), np.asarray(stored))


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0garbage!!", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0II*\0\x08\0"],
    ids=["no TIFF header", "empty", "offset beyond the end", "cut short"],
)
def test_decode_keeps_a_picture_whose_exif_is_broken(picture_format: str, exif: bytes) -> None:
    content = encode(draw_picture(1, 40, 24), picture_format, exif=exif)
    assert seen(content).shape == (24, 40, 3)


def test_decode_puts_rgba_over_white() -> None:
    picture = Image.new("RGBA", (3, 1))
    picture.putdata([(10, 20, 30, 255), (10, 20, 30, 0), (0, 0, 0, 128)])
    clear, hidden, half = seen(encode(picture))[0].astype(int).tolist()
    assert clear == [10, 20, 30]
    assert hidden == [255, 255, 255]
    assert all(abs(value - 127) <= 1 for value in half)


def test_decode_puts_grey_with_alpha_over_white() -> None:
    picture = Image.new("LA", (2, 1))
    picture.putdata([(40, 255), (40, 0)])
    assert seen(encode(picture))[0].tolist() == [[40] * 3, [255] * 3]


@pytest.mark.parametrize(
    ("mode", "colours", "transparency"),
    [
        ("P", [0, 1], 1),
        ("P", [0, 1], b"\xff\x00"),
        ("RGB", [(9, 9, 9), (200, 10, 10)], (200, 10, 10)),
        ("L", [9, 200], 200),
    ],
    ids=["palette index", "palette alphas", "colour key", "grey key"],
)
def test_decode_puts_keyed_transparency_over_white(
    mode: str, colours: list[object], transparency: object
) -> None:
    picture = Image.new(mode, (2, 1))
    if mode == "P":
        picture.putpalette([9, 9, 9, 200, 10, 10])
    picture.putdata(colours)
    shown = seen(encode(picture, "PNG", transparency=transparency))[0].tolist()
    assert shown == [[9, 9, 9], [255, 255, 255]]


def test_decode_reads_a_palette() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([1, 2, 3, 200, 100, 50])
    picture.putdata([0, 1])
    assert seen(encode(picture))[0].tolist() == [[1, 2, 3], [200, 100, 50]]


def test_decode_reads_cmyk() -> None:
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = seen(encode(picture, "JPEG", quality=100)).mean(axis=(0, 1))
    assert red > 240
    assert green < 15
    assert blue < 15


def test_decode_scales_16_bit_samples() -> None:
    samples = np.array([[0, 256 * 64, 256 * 128, 65_535]], dtype=np.uint16)
    content = encode(Image.fromarray(samples))
    assert Image.open(io.BytesIO(content)).mode.startswith("I")
    assert seen(content)[0, :, 0].tolist() == pytest.approx([0, 64, 128, 255], abs=1)


def test_decode_reads_one_bit_samples() -> None:
    picture = Image.new("1", (2, 1))
    picture.putdata([0, 255])
    assert seen(encode(picture))[0].tolist() == [[0] * 3, [255] * 3]


def test_decode_takes_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    assert Image.open(io.BytesIO(content)).n_frames == 3
    assert (seen(content) == [255, 0, 0]).all()


def test_decode_reads_webp() -> None:
    stored = draw_picture(1, 40, 24)
    assert np.array_equal(seen(encode(stored, "WEBP", lossless=True)), np.asarray(stored))


@pytest.mark.parametrize("size", [(1, 1), (1, 4_000), (4_000, 1)], ids=str)
def test_decode_reads_any_shape(size: tuple[int, int]) -> None:
    width, height = size
    assert seen(encode(Image.new("RGB", size, "teal"))).shape == (height, width, 3)


def test_decode_survives_the_bytes_it_came_from() -> None:
    picture = decode(encode(draw_picture(1)), formats=FORMATS, max_pixels=MAX_PIXELS)
    assert picture.resize((50, 50)).size == (50, 50)
    assert not picture.readonly


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff",
        b"<html><body>404</body></html>",
        encode(draw_picture(1, 200, 200), "JPEG")[:-600],
        encode(draw_picture(1, 200, 200), "PNG")[:400],
        encode(draw_picture(1, 200, 200), "GIF")[:60],
    ],
    ids=["nothing", "marker", "page", "truncated JPEG", "truncated PNG", "truncated GIF"],
)
def test_decode_refuses_what_is_no_whole_picture(content: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(content, formats=FORMATS, max_pixels=MAX_PIXELS)


def png_that_declares(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1_000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [1_000, 10_000, 30_000], ids="{}px".format)
def test_decode_refuses_too_many_pixels_before_decoding(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", loaded.append)
    with pytest.raises(DecodeError, match=r"at most 100000 pixels|exceeds limit"):
        decode(png_that_declares(side, side), formats=FORMATS, max_pixels=MAX_PIXELS)
    assert loaded == []


def test_decode_allows_exactly_the_pixels_allowed() -> None:
    content = encode(Image.new("RGB", (10, 10)))
    assert seen(content, max_pixels=100).shape == (10, 10, 3)
    with pytest.raises(DecodeError, match="10x10"):
        decode(content, formats=FORMATS, max_pixels=99)


def test_decode_error_says_what_is_wrong() -> None:
    with pytest.raises(DecodeError, match=r"^no picture of the formats "):
        decode(b"not a picture", formats=FORMATS, max_pixels=MAX_PIXELS)


def decode_or_refuse(content: bytes) -> None:
    try:
        picture = decode(content, formats=FORMATS, max_pixels=MAX_PIXELS)
    except DecodeError:
        return
    assert picture.mode == "RGB"
    assert picture.width * picture.height <= MAX_PIXELS


@settings(deadline=None, database=None)
@given(st.binary(max_size=400))
def test_decode_raises_nothing_else_for_any_bytes(content: bytes) -> None:
    decode_or_refuse(content)


WHOLE = {
    "JPEG": encode(draw_picture(1, 40, 24), "JPEG", exif=exif_with_orientation(6)),
    "PNG": encode(draw_picture(1, 40, 24), "PNG", exif=exif_with_orientation(6)),
    "palette": encode(draw_picture(1, 40, 24).quantize(16), "PNG", transparency=b"\x40" * 16),
    "GIF": encode(
        draw_picture(1, 40, 24), "GIF", save_all=True, append_images=[draw_picture(2, 40, 24)]
    ),
    "WEBP": encode(draw_picture(1, 40, 24), "WEBP", exif=exif_with_orientation(6)),
    "BMP": encode(draw_picture(1, 40, 24), "BMP"),
    "TIFF": encode(draw_picture(1, 40, 24), "TIFF"),
}


@settings(deadline=None, database=None)
@given(
    name=st.sampled_from(sorted(WHOLE)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    length=st.floats(0.2, 1),
)
def test_decode_raises_nothing_else_for_damaged_pictures(
    name: str, changes: list[tuple[float, int]], length: float
) -> None:
    content = bytearray(WHOLE[name])
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    decode_or_refuse(bytes(content[: int(length * len(content))]))


def test_decode_changes_no_warning_filter() -> None:
    before = list(decoding.warnings.filters)
    decode(encode(draw_picture(1)), formats=FORMATS, max_pixels=MAX_PIXELS)
    assert decoding.warnings.filters == before


def test_decode_refuses_a_format_that_is_not_allowed() -> None:
    content = io.BytesIO()
    draw_picture(1).save(content, "EPS")
    with pytest.raises(DecodeError, match="no picture of the formats"):
        decode(content.getvalue(), formats=FORMATS, max_pixels=MAX_PIXELS)


# To compare ---------------------------------------------------------------------------------------

LARGE = draw_photo(1, 2_400, 1_800)


def compared(content: bytes, least_side_px: int = 300) -> tuple[Image.Image, np.ndarray]:
    return decode_to_compare(
        content, formats=FORMATS, max_pixels=40_000_000, least_side_px=least_side_px
    )


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(420, 360), (2_000, 2_000)], ids=str)
def test_picture_of_usual_size_is_compared_as_it_is(
    picture_format: str, size: tuple[int, int]
) -> None:
    content = encode(draw_picture(1, *size), picture_format)
    colour, grey = compared(content)
    whole = decode(content, formats=FORMATS, max_pixels=40_000_000)

    assert np.array_equal(np.asarray(colour), np.asarray(whole))
    assert np.array_equal(grey, np.asarray(whole.convert("L")))


@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("subsampling", [0, 2], ids=["4:4:4", "4:2:0"])
def test_colours_of_a_large_jpeg_are_decoded_small_and_its_greys_whole(
    subsampling: int, progressive: bool
) -> None:
    content = encode(LARGE, "JPEG", quality=90, subsampling=subsampling, progressive=progressive)
    colour, grey = compared(content)
    whole = decode(content, formats=FORMATS, max_pixels=40_000_000)

    assert colour.size == (600, 450)
    difference = np.asarray(whole.resize((50, 50), Image.Resampling.BICUBIC), np.int16)
    difference -= np.asarray(colour.resize((50, 50), Image.Resampling.BICUBIC))
    assert np.abs(difference).max() <= 6
    assert np.abs(difference).mean() <= 1
    assert grey.shape == (1_800, 2_400)
    # Where the decoder clips a colour, the greys made of it differ by some levels.
    assert np.abs(grey.astype(np.int16) - np.asarray(whole.convert("L"))).mean() <= 0.6
    assert colour.quantization == Image.open(io.BytesIO(content)).quantization


@pytest.mark.parametrize("least_side_px", [1, 225, 226, 451, 901, 1_801])
def test_colours_keep_the_side_that_is_asked_for(least_side_px: int) -> None:
    colour, _ = compared(encode(LARGE, "JPEG"), least_side_px)

    assert min(colour.size) >= min(least_side_px, 1_800)
    assert min(colour.size) < 2 * max(least_side_px, 225)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_large_jpeg_is_upright(orientation: int) -> None:
    content = encode(LARGE, "JPEG", quality=90, exif=exif_with_orientation(orientation))
    colour, grey = compared(content)
    upright = Image.fromarray(np.ascontiguousarray(UPRIGHT[orientation](np.asarray(LARGE))))

    assert grey.shape == (upright.height, upright.width)
    for seen_small in (colour, Image.fromarray(grey)):
        expected = upright.convert(seen_small.mode).resize((40, 40), Image.Resampling.BOX)
        found = seen_small.resize((40, 40), Image.Resampling.BOX)
        difference = np.asarray(expected, np.int16) - np.asarray(found)
        assert np.abs(difference).mean() <= 2


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_large_jpeg_without_three_colours_is_decoded_whole(mode: str) -> None:
    colour, grey = compared(encode(LARGE.convert(mode), "JPEG"))

    assert colour.size == LARGE.size
    assert np.array_equal(grey, np.asarray(colour.convert("L")))


def test_truncated_large_jpeg_cannot_be_decoded() -> None:
    content = encode(LARGE, "JPEG", quality=90)

    with pytest.raises(DecodeError, match="truncated"):
        compared(content[: len(content) // 2])
