"""Tiny pictures, for measurements of what a picture costs besides its pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

_PICTURES = 50
_SIDE_PX = 16
_SEED = 7


def write_tiny_pictures(folder: Path) -> list[str]:
    """Fifty different JPEGs below a folder that is to be served; their paths."""
    random = np.random.default_rng(_SEED)
    paths = []
    for number in range(_PICTURES):
        pixels = random.integers(0, 256, (_SIDE_PX, _SIDE_PX, 3), dtype=np.uint8)
        encoded = io.BytesIO()
        Image.fromarray(pixels).save(encoded, "JPEG")
        paths.append(f"/resources/upload/{number}.jpg")
        file = folder / paths[-1].lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded.getvalue())
    return paths
