"""Uploads for tests: files on disk, pictures that a variant shows already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageOps

from image_duplication.upload_check.check import UploadedFile
from image_duplication.upload_check.shown import ShownPicture
from tests.drawn_photos import draw_photo
from tests.judged_rows import encode, sha256

_LARGE = draw_photo(1, 840, 720)
_FRONT = _LARGE.resize((420, 360), Image.Resampling.LANCZOS)

FRONT = encode(_FRONT, "JPEG", quality=90)
MIRRORED_FRONT = encode(ImageOps.mirror(_FRONT), "JPEG", quality=70)
LARGER_FRONT = encode(_LARGE, "JPEG", quality=90)
SIDE, BACK = (encode(draw_photo(seed), "JPEG", quality=90) for seed in (2, 3))
BLANK = encode(Image.new("RGB", (420, 360), (200, 200, 200)))
BROKEN = b"not a picture"


def send(folder: Path, contents: Mapping[str, bytes] | list[bytes]) -> list[UploadedFile]:
    """The files as a server has put them, under names of its own."""
    named = contents if isinstance(contents, Mapping) else {}
    listed = list(contents.values()) if isinstance(contents, Mapping) else contents
    names = list(named) or [f"{number}.jpg" for number in range(1, len(listed) + 1)]
    files = []
    for number, (name, content) in enumerate(zip(names, listed, strict=True)):
        path = folder / f"upload-{number}"
        path.write_bytes(content)
        files.append(UploadedFile(name, path))
    return files


def show(*contents: bytes | None) -> list[ShownPicture]:
    """Pictures that the variant shows, by position; None: one that could not be fetched."""
    return [
        ShownPicture(
            f"image-{position}",
            position,
            None if content is None else sha256(content),
            lambda content=content: content or b"",
        )
        for position, content in enumerate(contents, start=1)
    ]
