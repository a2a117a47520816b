"""The pictures that the benchmark judges by: products, their views, and labels of their pairs.

    <folder>/<source>__<product>/<view>.jpg     two or more views of one product
    <folder>/../labels.csv                      columns product, view_a, view_b, label, why

Any two views of one product are an honest pair, different pictures that nobody may flag, unless
the labels say otherwise: `dup` is a copy that a seller made, `near` one that a person could argue
about. Without a folder, the goods of the demo are drawn: there every pair is honest.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from PIL import Image, ImageOps

from benchmarks.accuracy.modifications import MAX_SIDE_PX, Coding, reduce
from demo.gallery import DEFAULT_CACHE_FOLDER, BaseView, base_views
from demo.goods import CATEGORIES, make_product

Pair = frozenset[str]
"""The names of two views of one product."""

_LABEL_COLUMNS = {"product", "view_a", "view_b", "label"}
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
_DRAWN_SEED = 7
_DRAWN_SIDE_PX = 420
_DRAWN_PRODUCTS = 4


class DatasetError(Exception):
    """The folder or its labels are not as described; the message says what was expected."""


class PairLabel(StrEnum):
    """What two views of one product are to each other."""

    HONEST = "honest"
    DUP = "dup"
    NEAR = "near"


@dataclass(frozen=True, slots=True)
class View:
    """One picture of a product; `name` is its file's name without suffix."""

    product: str
    name: str
    path: Path

    def read(self) -> Image.Image:
        """The picture upright in RGB, reduced to what the benchmark works on."""
        return _decode(self.path.read_bytes())

    def read_file(self) -> bytes:
        """The file itself; coded anew only where the picture had to be reduced."""
        content = self.path.read_bytes()
        with Image.open(io.BytesIO(content)) as opened:
            if max(opened.size) <= MAX_SIDE_PX:
                return content
        return Coding(quality=92).encode(_decode(content))


@dataclass(frozen=True, slots=True)
class Product:
    """One product: its views in order of their names."""

    name: str
    views: tuple[View, ...]

    @property
    def source(self) -> str:
        """The shop that the product's pictures come from, for figures by source."""
        return self.name.partition("__")[0]


@dataclass(frozen=True, slots=True)
class Dataset:
    """All products by name in order, and the labels of the pairs that are not honest."""

    folder: Path
    products: Mapping[str, Product]
    labels: Mapping[str, Mapping[Pair, PairLabel]]

    @property
    def views(self) -> list[View]:
        """Every view of every product, in order."""
        return [view for product in self.products.values() for view in product.views]

    def label(self, product: str, first: str, second: str) -> PairLabel:
        """What two views of a product are to each other."""
        return self.labels.get(product, {}).get(frozenset({first, second}), PairLabel.HONEST)

    def count_pairs(self) -> dict[PairLabel, int]:
        """How many pairs of views of one product have each label."""
        counts = dict.fromkeys(PairLabel, 0)
        for product in self.products.values():
            for first, second in itertools.combinations(product.views, 2):
                counts[self.label(product.name, first.name, second.name)] += 1
        return counts


def _decode(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as opened:
        return reduce(ImageOps.exif_transpose(opened).convert("RGB"))


def read_dataset(folder: Path) -> Dataset:
    """The dataset in a folder, with the labels beside it if there are any.

    Raises DatasetError.
    """
    if not folder.is_dir():
        raise DatasetError(f"No folder {folder}: expected <folder>/<product>/<view>.jpg")
    products = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(file for file in place.iterdir() if file.suffix.lower() in _SUFFIXES)
        views = tuple(View(place.name, file.stem, file) for file in files)
        if len({view.name for view in views}) != len(views):
            raise DatasetError(f"{place} has two files of one name, expected each view once")
        if views:
            products[place.name] = Product(place.name, views)
    if not products:
        raise DatasetError(f"No picture in {folder}: expected <folder>/<product>/<view>.jpg")
    return Dataset(folder, products, _read_labels(folder.resolve().parent / "labels.csv", products))


def _read_labels(path: Path, products: Mapping[str, Product]) -> dict[str, dict[Pair, PairLabel]]:
    """Labels by product; those of products that are not in the folder are left out."""
    labels: dict[str, dict[Pair, PairLabel]] = {}
    if not path.is_file():
        return labels
    with path.open(encoding="utf-8", newline="") as opened:
        rows = csv.DictReader(opened)
        missing = _LABEL_COLUMNS - set(rows.fieldnames or ())
        if missing:
            raise DatasetError(f"{path} has no column {sorted(missing)}, got {rows.fieldnames}")
        for row in rows:
            product = products.get(row["product"])
            if product is None:
                continue
            pair = frozenset({row["view_a"], row["view_b"]})
            unknown = pair - {view.name for view in product.views}
            if unknown or len(pair) != 2:
                raise DatasetError(
                    f"{path}, {product.name}: {row['view_a']!r} and {row['view_b']!r} are not two "
                    f"of its views {[view.name for view in product.views]}"
                )
            labels.setdefault(product.name, {})[pair] = _parse_label(row["label"], path)
    return labels


def _parse_label(text: str, path: Path) -> PairLabel:
    if text not in (PairLabel.DUP, PairLabel.NEAR):
        raise DatasetError(f"{path} has the label {text!r}, expected 'dup' or 'near'")
    return PairLabel(text)


def draw_dataset(
    folder: Path,
    products_per_category: int = _DRAWN_PRODUCTS,
    cache_folder: Path = DEFAULT_CACHE_FOLDER,
) -> Dataset:
    """The demo's goods from all their sides, written into a folder in the layout above."""
    wanted: dict[BaseView, Path] = {}
    for category in CATEGORIES:
        for number in range(products_per_category):
            product = make_product(category, number, _DRAWN_SEED)
            for shot, taken in enumerate(product.shots):
                view = BaseView(category.category_id, number, shot, _DRAWN_SIDE_PX)
                place = folder / f"{category.slug}__{number + 1}"
                wanted[view] = place / f"{taken.view.name}.jpg"
    for view, content in base_views(list(wanted), _DRAWN_SEED, cache_folder).items():
        wanted[view].parent.mkdir(parents=True, exist_ok=True)
        wanted[view].write_bytes(content)
    return read_dataset(folder)
