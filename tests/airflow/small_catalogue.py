"""A small catalogue with a picture server's folder: each variant's third picture is its first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.catalogues import SourceDatabase

IMAGES_EACH = 3


def fill_small_catalogue(folder: Path, categories: Iterable[int], *, variants: int) -> str:
    """Fill `folder/source.db` and `folder/served`; the Airflow URI of the database."""
    served = folder / "served"
    served.mkdir()
    url = f"sqlite:///{folder / 'source.db'}"
    database = SourceDatabase(url, url)
    database.create_tables()
    for category_id in categories:
        add_category(database, served, category_id, variants=variants)
    database.fill()
    return url


def add_category(
    database: SourceDatabase, served: Path, category_id: int, *, variants: int
) -> None:
    """Add a category's rows and draw its pictures; at most a hundred variants."""
    for number in range(variants):
        variant_id = category_id * 100 + number
        database.add_variant(variant_id, str(category_id), category_name=f"Category {category_id}")
        for position in range(1, IMAGES_EACH + 1):
            name = f"{variant_id}-{position}.png"
            # The last is drawn as the first, so that each variant has one finding.
            draw(variant_id * IMAGES_EACH + position % (IMAGES_EACH - 1)).save(served / name)
            database.add_image(
                variant_id,
                f"{variant_id}-{position}",
                position=position,
                image_url=f"https://assets-bg.gem.gov.in/{name}",
            )


def draw(number: int) -> Image.Image:
    """A picture of 64×64 px, quite another one for each number."""
    blocks = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(blocks).resize((64, 64), Image.Resampling.BICUBIC)
