"""Pictures with the shading, edges and grain of photos, drawn from a seed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw


def draw_photo(seed: int = 1, width_px: int = 420, height_px: int = 360) -> Image.Image:
    """Overlapping shaded shapes with sharp edges and some grain, as a photo of goods has."""
    random = np.random.default_rng(seed)
    canvas = Image.new("RGB", (width_px * 3, height_px * 3), (150, 160, 150))
    brush = ImageDraw.Draw(canvas)
    for _ in range(160):
        x, y = random.integers(0, (canvas.width, canvas.height))
        across, down = random.integers(12, 260, 2)
        colour = tuple(int(level) for level in random.integers(0, 256, 3))
        shape = brush.ellipse if random.random() < 0.5 else brush.rectangle
        shape((x - across, y - down, x + across, y + down), fill=colour)
    sharp = canvas.resize((width_px, height_px), Image.Resampling.LANCZOS)
    grain = random.normal(0, 3, (height_px, width_px, 1))
    return Image.fromarray((np.asarray(sharp) + grain).clip(0, 255).astype(np.uint8))


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    sink = io.BytesIO()
    picture.save(sink, "JPEG", quality=quality)
    return Image.open(sink)
