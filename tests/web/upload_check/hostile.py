"""Files that mean harm, or are none that a check can read."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from tests.drawn_photos import draw_photo


def _encoded(picture: Image.Image, picture_format: str, **options: object) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, picture_format, **options)
    return sink.getvalue()


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def _png(width: int, height: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _png_chunk(b"IHDR", header)
        + _png_chunk(b"IDAT", rows)
        + _png_chunk(b"IEND", b"")
    )


def _zeroes(size_bytes: int) -> bytes:
    """A deflated stream of so many zeroes."""
    deflating = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [deflating.compress(block) for _ in range(size_bytes >> 20)]
    parts.append(deflating.compress(block[: size_bytes & ((1 << 20) - 1)]))
    return b"".join([*parts, deflating.flush()])


def _deep_gif(frames: int) -> bytes:
    pictures = [Image.new("P", (32, 32), number % 256) for number in range(frames)]
    return _encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:], optimize=False)


def _zip_behind_jpeg() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("payload.js", "alert(1)")
    return _encoded(draw_photo(9), "JPEG") + sink.getvalue()


def _html_in_gif() -> bytes:
    picture = bytearray(_encoded(Image.new("P", (64, 64), 3), "GIF"))
    comment = b"<html><script>alert(1)</script></html>"
    return bytes(picture[:-1]) + b"\x21\xfe" + bytes([len(comment)]) + comment + b"\x00;"


def _huge_exif() -> bytes:
    segment = b"Exif\x00\x00" + b"II*\x00\x08\x00\x00\x00" + b"\xff\xff" + b"\x41" * 65_000
    picture = _encoded(draw_photo(8), "JPEG")
    marker = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    return picture[:2] + marker * 8 + picture[2:]


def _many_pages() -> bytes:
    pages = [Image.new("L", (64, 64), number % 256) for number in range(400)]
    return _encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])


def _tiff_with_a_loop() -> bytes:
    """A directory that names itself as the next one."""
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in ((256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 200), (279, 64))
    )
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 7) + entries + struct.pack("<I", 8)


def _noise() -> bytes:
    return np.random.default_rng(5).integers(0, 256, 50_000, dtype=np.uint8).tobytes()


def _svg() -> bytes:
    return (
        b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        b'<svg xmlns="http://www.w3.org/2000/svg" width="99999" height="99999">'
        b'<image href="file:///etc/passwd"/><text>&b;</text></svg>'
    )


HOSTILE = {
    "zero bytes": lambda: b"",
    "text as .jpg": lambda: b"this is no picture\n" * 50,
    "noise": _noise,
    "svg": _svg,
    "png of 10,000 x 10,000": lambda: _png(10_000, 10_000, _zeroes(10_000 * 10_001)),
    "png of 6,000 x 6,000": lambda: _png(6_000, 6_000, _zeroes(6_000 * 6_001)),
    "png that says it is 65,535 x 65,535": lambda: _png(65_535, 65_535, _zeroes(4_096)),
    "png whose text inflates to 60 MB": lambda: (
        _png(8, 8, zlib.compress(bytes(72)))[:33]
        + _png_chunk(b"zTXt", b"Comment\x00\x00" + _zeroes(60 << 20))
        + _png(8, 8, zlib.compress(bytes(72)))[33:]
    ),
    "png with too little in it": lambda: _png(2_000, 2_000, _zeroes(100)),
    "html in gif": _html_in_gif,
    "zip behind jpeg": _zip_behind_jpeg,
    "truncated jpeg": lambda: _encoded(draw_photo(7), "JPEG")[:9_000],
    "truncated png": lambda: _encoded(draw_photo(7), "PNG")[:20_000],
    "jpeg of two bytes": lambda: b"\xff\xd8",
    "deep gif": lambda: _deep_gif(3_000),
    "tiff of many pages": _many_pages,
    "tiff that loops": _tiff_with_a_loop,
    "huge exif": _huge_exif,
    "one pixel": lambda: _encoded(Image.new("RGB", (1, 1)), "PNG"),
    "long and thin": lambda: _encoded(Image.new("RGB", (30_000, 1)), "PNG"),
    "cmyk jpeg": lambda: _encoded(Image.new("CMYK", (300, 300), (9, 80, 3, 0)), "JPEG"),
    "16-bit png": lambda: _encoded(Image.fromarray(np.full((90, 90), 40_000, np.uint16)), "PNG"),
    "webp that moves": lambda: _encoded(
        draw_photo(6), "WEBP", save_all=True, append_images=[draw_photo(5)]
    ),
}
"""By name, how to make each; made when they are needed, for some are large."""
