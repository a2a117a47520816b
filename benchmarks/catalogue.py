"""A large catalogue of believable pictures, derived from the demo's views and cached on disk.

Every picture is a crop of a drawn view, recoloured and with noise of its own, so that no two are
the same. A tenth of the images repeat an earlier picture of their variant in a way that difPy finds
at its defaults: the same bytes, the same JPEG data with a comment, or the same pixels as PNG.
"""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from PIL import Image

from benchmarks.measuring import FOLDER
from demo.catalogue import IMAGE_BASE, images_table, variants_table
from demo.gallery import BaseView, base_views
from demo.goods import CATEGORIES

_GENERATOR = 2
"""Raised whenever the code makes other pictures; part of the cache's name."""

_SEED = 7
_EPOCH = datetime(2024, 4, 1, 9, 30)  # noqa: DTZ001 - the tables keep UTC without a zone
_DUPLICATE_EVERY = 10
_PRODUCTS = 6
_SHOTS = 3
_NOISE_SIDE_PX = 1_024
_INSERT_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Size:
    """How large the catalogue is; `categories` share the variants evenly."""

    variants: int
    images_per_variant: int
    side_px: int
    categories: int

    @property
    def images(self) -> int:
        """Images in all."""
        return self.variants * self.images_per_variant

    @property
    def name(self) -> str:
        """Its folder's name in the cache."""
        sizes = "-".join(str(value) for value in asdict(self).values())
        return f"catalogue-{sizes}-v{_GENERATOR}"


@dataclass(frozen=True, slots=True)
class BenchmarkCatalogue:
    """A catalogue on disk: a SQLite source, the files to serve, and what is planted."""

    folder: Path

    @property
    def database(self) -> Path:
        """The source, with the demo's tables."""
        return self.folder / "source.db"

    @property
    def served_folder(self) -> Path:
        """What the image server serves."""
        return self.folder / "served"

    def planted(self) -> dict[str, list[list[str]]]:
        """By variant, the image ids of each set of equal pictures."""
        planted: dict[str, list[list[str]]] = json.loads((self.folder / "planted.json").read_text())
        return planted


def build_catalogue(size: Size, cache_folder: Path = FOLDER) -> BenchmarkCatalogue:
    """The catalogue of that size, from the cache if it is there."""
    folder = cache_folder / size.name
    catalogue = BenchmarkCatalogue(folder)
    if (folder / "planted.json").is_file():
        return catalogue
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    _write_pictures(size, catalogue.served_folder)
    fill_source(catalogue.database, _variant_rows(size), _image_rows(size))
    # Last, so that its presence says the catalogue is whole.
    (folder / "planted.json").write_text(json.dumps(_planted(size)))
    print(f"catalogue of {size.images} images made in {time.monotonic() - started:.0f} s: {folder}")
    return catalogue


def fill_source(
    database: Path, variants: Iterator[dict[str, Any]], images: Iterator[dict[str, Any]]
) -> None:
    """Make a SQLite source with the demo's tables and these rows."""
    engine = sa.create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        variants_table.metadata.create_all(connection)
        for table, rows in ((variants_table, variants), (images_table, images)):
            while batch := [row for _, row in zip(range(_INSERT_ROWS), rows, strict=False)]:
                connection.execute(sa.insert(table), batch)
    engine.dispose()


def variant_row(variant_id: int, category_id: int) -> dict[str, Any]:
    """An active variant as `inb_variants` has it."""
    return {
        "variant_id": variant_id,
        "category_id": str(category_id),
        "category_name": f"Benchmark {category_id}",
        "catalogue_id": f"5116877-{variant_id:011}",
        "seller_id": f"S{variant_id % 97:04}",
        "product_url": f"https://mkp.gem.gov.in/benchmark/p-5116877-{variant_id:011}-cat.html",
        "is_active": 1,
        "updated_at": _EPOCH,
    }


def image_row(variant_id: int, position: int, path: str) -> dict[str, Any]:
    """An active image as `inb_images` has it, under a path of the standard image host."""
    return {
        "image_id": f"{variant_id}-{position}",
        "variant_id": variant_id,
        "position": position,
        "image_url": IMAGE_BASE + path,
        "is_active": 1,
        "updated_at": _EPOCH,
    }


def _variant_id(number: int) -> int:
    return 100_001 + number


def _variant_rows(size: Size) -> Iterator[dict[str, Any]]:
    for number in range(size.variants):
        yield variant_row(_variant_id(number), 1 + number * size.categories // size.variants)


def _image_rows(size: Size) -> Iterator[dict[str, Any]]:
    for number in range(size.variants):
        for place in range(size.images_per_variant):
            yield image_row(_variant_id(number), place + 1, _path(size, number, place))


# Which images repeat another ----------------------------------------------------------------------


def _serial(size: Size, number: int, place: int) -> int:
    return number * size.images_per_variant + place


def _turn(size: Size, number: int, place: int) -> int | None:
    """Which duplicate of the catalogue an image is, counted from 0; None: a picture of its own."""
    serial = _serial(size, number, place)
    # The last image of its variant takes the turn that falls on any of them.
    if place != size.images_per_variant - 1 or place == 0:
        return None
    first = serial - place
    due = [s for s in range(first, serial + 1) if s % _DUPLICATE_EVERY == _DUPLICATE_EVERY - 1]
    return due[0] // _DUPLICATE_EVERY if due else None


def _original(number: int, place: int) -> int:
    """The place of the picture that a duplicate repeats."""
    return number % place


def _path(size: Size, number: int, place: int) -> str:
    turn = _turn(size, number, place)
    suffix = "png" if turn is not None and turn % 10 == 9 else "jpg"
    side = f"{size.side_px}x{size.side_px}"
    return f"/resources/upload/{number // 100}/{_variant_id(number)}-{place + 1}-{side}.{suffix}"


def _planted(size: Size) -> dict[str, list[list[str]]]:
    planted = {}
    last = size.images_per_variant - 1
    for number in range(size.variants):
        if _turn(size, number, last) is not None:
            variant_id = _variant_id(number)
            places = (_original(number, last), last)
            planted[str(variant_id)] = [[f"{variant_id}-{place + 1}" for place in places]]
    return planted


# Pictures -----------------------------------------------------------------------------------------


def _write_pictures(size: Size, folder: Path) -> None:
    wanted = [
        BaseView(category.category_id, product, shot, 420)
        for category in CATEGORIES
        for product in range(_PRODUCTS)
        for shot in range(_SHOTS)
    ]
    views = list(base_views(wanted, _SEED).values())
    ranges = [range(start, min(start + 50, size.variants)) for start in range(0, size.variants, 50)]
    with ProcessPoolExecutor(2) as pool:
        for done in [pool.submit(_write_variants, size, folder, views, part) for part in ranges]:
            done.result()


def _write_variants(size: Size, folder: Path, views: list[bytes], numbers: range) -> None:
    noise = np.random.default_rng(_SEED).normal(0.0, 2.0, (_NOISE_SIDE_PX, _NOISE_SIDE_PX))
    tile = noise.astype(np.float32)
    for number in numbers:
        contents: list[bytes] = []
        for place in range(size.images_per_variant):
            turn = _turn(size, number, place)
            if turn is None:
                contents.append(_draw(size, _serial(size, number, place), views, tile))
            else:
                contents.append(_repeat(contents[_original(number, place)], turn))
            path = folder / _path(size, number, place).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents[-1])


def _draw(size: Size, serial: int, views: list[bytes], noise: npt.NDArray[np.float32]) -> bytes:
    """A picture that no other serial number gives."""
    random = np.random.default_rng([_SEED, serial])
    with Image.open(io.BytesIO(views[serial % len(views)])) as view:
        width = float(random.uniform(0.7, 1.0)) * view.width
        left, top = (float(random.uniform(0, view.width - width)) for _ in range(2))
        crop = view.convert("RGB").resize(
            (size.side_px, size.side_px),
            Image.Resampling.BICUBIC,
            (left, top, left + width, top + width),
        )
    pixels = np.asarray(crop, dtype=np.float32) * random.uniform(0.85, 1.1, 3).astype(np.float32)
    pixels += np.float32(random.uniform(-12, 12))
    span = _NOISE_SIDE_PX - min(size.side_px, _NOISE_SIDE_PX) + 1
    row, column = (int(random.integers(span)) for _ in range(2))
    grain = noise[row : row + size.side_px, column : column + size.side_px]
    pixels[: grain.shape[0], : grain.shape[1]] += grain[..., None]
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=int(random.integers(80, 93)))
    return encoded.getvalue()


def _repeat(content: bytes, turn: int) -> bytes:
    """The same pixels: half in the same bytes, most others with a comment, some as PNG."""
    if turn % 2 == 0:
        return content
    if turn % 10 != 9:
        comment = f"copy {turn}".encode()
        # Right after the start-of-image marker: 0xFFFE, then a length that counts itself.
        return content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + content[2:]
    encoded = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.save(encoded, "PNG", compress_level=3)
    return encoded.getvalue()
