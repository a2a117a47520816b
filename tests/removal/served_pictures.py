"""Judged variants whose pictures are real files that an image server serves."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from image_duplication.tables import Row
from tests.judged_rows import draw_picture, encode, judged_variant, sha256


def serve_variant(
    folder: Path, base_url: str, variant_id: str, groups: Sequence[Sequence[str]], category_id: int
) -> list[Row]:
    """Rows of a judged variant, with a picture of its own in the folder for each image."""
    rows = judged_variant(variant_id, groups, category_id=category_id)
    return [serve_picture(folder, base_url, row) for row in rows]


def serve_picture(folder: Path, base_url: str, row: Row) -> Row:
    """A judged row as of the picture that is put into the folder for it."""
    name = picture_name(row["variant_id"], row["image_id"])
    content = encode(draw_picture(zlib.crc32(name.encode())))
    (folder / name).write_bytes(content)
    return {
        **row,
        "content_sha256": sha256(content),
        "size_bytes": len(content),
        "corrected_url": f"{base_url}/{name}",
    }


def picture_name(variant_id: str, image_id: str) -> str:
    return f"{variant_id}-{image_id}.png"
