"""The demo catalogue: variants, image rows, the files an image server serves, and the truth.

`truth.json` says what is planted: per variant its role and true verdict, per image row what should
become of it, and every planted duplicate with its base, kinds and modification.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Engine,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    insert,
)

from demo.gallery import DEFAULT_CACHE_FOLDER, BaseView, base_views, generator_version
from demo.goods import CATEGORIES, Category
from demo.image_server import Behaviour, write_behaviours
from demo.mess import DOWNLOADED, FORBIDDEN_HOST, MESS_CASES, Address, MessCase, Source
from demo.modifications import MODIFICATIONS
from image_duplication.records import Kind, Verdict

IMAGE_BASE = "https://assets-bg.gem.gov.in"
REQUIRED_PICTURES = 3
_FOLDER = "/resources/upload/shared_doc/2024"
_NEVER_EXTRACTED = "never_extracted"
_EPOCH = datetime(2024, 4, 1, 9, 30)  # noqa: DTZ001 — the tables keep UTC without a zone
_HONEST_VIEWS = (3, 3, 4, 4)
_LARGE_PX = {0: 600, 4: 840}  # side of the first view of a category's variant, by its number


class Role(StrEnum):
    """What a variant is in the catalogue for."""

    HONEST = "honest"  # different true views, nothing else
    PLANTED = "planted"
    MESS = "mess"
    TOO_FEW_IMAGES = "too_few_images"
    NO_ACTIVE_IMAGES = "no_active_images"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One row of `inb_variants`, and its role."""

    variant_id: int
    category_id: str
    category_name: str
    catalogue_id: str
    seller_id: str
    product_url: str
    is_active: int
    updated_at: datetime
    role: Role


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One row of `inb_images`, and what should become of it.

    `shows` is the image_id of the earliest row of the variant with this very picture. `expected` is
    "downloaded", a reason code, or "never_extracted".
    """

    image_id: str
    variant_id: int
    position: int
    image_url: str | None
    is_active: int
    updated_at: datetime
    expected: str
    shows: str
    path: str | None
    url_pattern: str = "standard"
    mess: str | None = None


@dataclass(frozen=True, slots=True)
class PlantedDuplicate:
    """A duplicate that detection should find."""

    variant_id: int
    base_image_id: str
    duplicate_image_id: str
    kinds: frozenset[Kind]
    modification: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The catalogue as built in a folder."""

    folder: Path
    seed: int
    variants: tuple[VariantRow, ...]
    images: tuple[ImageRow, ...]
    planted: tuple[PlantedDuplicate, ...]

    @property
    def served_folder(self) -> Path:
        """What the image server serves."""
        return self.folder / "served"

    @property
    def truth_path(self) -> Path:
        """The file that says what is planted."""
        return self.folder / "truth.json"

    @property
    def honest_variant_ids(self) -> tuple[int, ...]:
        """Variants whose pictures all differ: any finding there is false."""
        return tuple(row.variant_id for row in self.variants if row.role is Role.HONEST)


# --- URLs --------------------------------------------------------------------------------------


def _legacy_urls(path: str) -> dict[str, str]:
    """Every legacy way to write the URL of a standard path, by the pattern's name."""
    stem, dot, suffix = path.rpartition(".")
    small = path.replace("-999x420x420.", "-999x100x100.")
    return {
        "fileserver_host": f"http://fileserver.gem.gov.in{path}",
        "bulk_host": f"https://bulk.gem.gov.in{path}",
        "mkp_host": f"https://mkp.gem.gov.in{path}",
        "protocol_relative": f"//assets-bg.gem.gov.in{path}",
        "missing_scheme": f"assets-bg.gem.gov.in{path}",
        "plain_http": f"http://assets-bg.gem.gov.in{path}",
        "root_relative": path,
        "backslashes": f"{IMAGE_BASE}{path}".replace("/", "\\"),
        "doubled_slashes": IMAGE_BASE + path.replace("/", "//", 3),
        "stray_whitespace": f"  {IMAGE_BASE}{path}\n",
        "size_rendition": f"{IMAGE_BASE}{small}",
        "query_junk": f"{IMAGE_BASE}{path}?v=123&utm_source=x",
        "extension_case": f"{IMAGE_BASE}{stem}{dot}{suffix.upper()}",
        "several_at_once": f" //bulk.gem.gov.in/{small}?utm_campaign=a&v=7 ",
    }


def _image_path(category: Category, variant_id: int, position: int, suffix: str) -> str:
    return f"{_FOLDER}/{category.slug}-{variant_id}-{position}-999x420x420{suffix}"


# --- the plan ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Content:
    """How one image row's file comes about: a base view, changed or not; None for no file."""

    view: BaseView
    modification: str | None = None
    mess: MessCase | None = None


@dataclass(slots=True)
class _Builder:
    """Collects rows, planted duplicates and file contents while the catalogue is planned."""

    seed: int
    random: np.random.Generator
    variants: list[VariantRow]
    images: list[ImageRow]
    planted: list[PlantedDuplicate]
    contents: dict[str, _Content]
    behaviours: dict[str, Behaviour]
    url_turn: int = 0

    def add_variant(self, category: Category, number: int, role: Role) -> VariantRow:
        variant_id = _variant_id(category, number)
        english = category.name.partition(" / ")[0].lower().replace(" ", "-")
        name = category.hindi_words if number % 2 else english
        catalogue_id = f"5116877-{int(self.random.integers(10**10, 10**11))}"
        row = VariantRow(
            variant_id=variant_id,
            category_id=str(category.category_id),
            category_name=category.name,
            catalogue_id=catalogue_id,
            seller_id=f"{int(self.random.integers(16**4)):04X}{int(self.random.integers(10**8)):08d}",
            product_url=f"https://mkp.gem.gov.in/{english}/{name}-{variant_id}/p-{catalogue_id}-cat.html",
            is_active=0 if role is Role.INACTIVE else 1,
            updated_at=_EPOCH + timedelta(hours=7 * len(self.variants)),
            role=role,
        )
        self.variants.append(row)
        return row

    def add_image(
        self,
        category: Category,
        variant: VariantRow,
        position: int,
        content: _Content,
        shows: str | None = None,
    ) -> ImageRow:
        """An active row whose file is the content; its URL is now and then a legacy one."""
        case = content.mess
        suffix = ".jpg"
        if content.modification is not None:
            suffix = MODIFICATIONS[content.modification].suffix
        if case is not None:
            suffix = case.suffix
        path = _image_path(category, variant.variant_id, position, suffix)
        if case is not None and case.address is Address.SPACES_AND_HINDI:
            words = category.hindi_words.replace("-", " ")
            path = f"{_FOLDER}/{words} {variant.variant_id} {position}-999x420x420{suffix}"
        pattern, url = self._url(path, case)
        image_id = f"{variant.variant_id}-{position}"
        row = ImageRow(
            image_id=image_id,
            variant_id=variant.variant_id,
            position=position,
            image_url=url,
            is_active=1,
            updated_at=variant.updated_at + timedelta(minutes=position),
            expected=DOWNLOADED if case is None else str(case.expected),
            shows=shows or image_id,
            path=path,
            url_pattern=pattern,
            mess=None if case is None else case.name,
        )
        self.images.append(row)
        if case is None or case.source is not Source.NOTHING:
            self.contents[path] = content
        if case is not None and case.behaviour is not None:
            self.behaviours[path] = case.behaviour
        return row

    def _url(self, path: str, case: MessCase | None) -> tuple[str, str | None]:
        address = Address.USUAL if case is None else case.address
        if address is Address.NULL:
            return "null", None
        if address is Address.BLANK:
            return "blank", "   "
        if address is Address.FORBIDDEN_HOST:
            return "forbidden_host", FORBIDDEN_HOST + path
        if case is None:
            self.url_turn += 1
            if self.url_turn % 3 == 0:
                legacy = list(_legacy_urls(path).items())
                return legacy[self.url_turn // 3 % len(legacy)]
        return "standard", IMAGE_BASE + path

    def add_inactive_image(self, variant: VariantRow, position: int, original: ImageRow) -> None:
        """A row that nobody may extract, showing another row's very file."""
        row = replace(
            original,
            image_id=f"{variant.variant_id}-{position}-old",
            variant_id=variant.variant_id,
            position=position,
            image_url=IMAGE_BASE + str(original.path),
            is_active=int(variant.role is Role.INACTIVE),
            expected=_NEVER_EXTRACTED,
            url_pattern="standard",
        )
        self.images.append(row)


def _variant_id(category: Category, number: int) -> int:
    return (CATEGORIES.index(category) + 1) * 1000 + number + 1


def _view(category: Category, number: int, shot: int) -> BaseView:
    size_px = _LARGE_PX.get(number, 420) if shot == 0 else 420
    if size_px == 840 and CATEGORIES.index(category) % 4:
        size_px = 420
    return BaseView(category.category_id, number, shot, size_px)


def _plan(seed: int) -> _Builder:
    random = np.random.default_rng([seed, 4242])
    builder = _Builder(seed, random, [], [], [], {}, {})
    names = iter(_modification_turns(random))
    derived = [case for case in MESS_CASES if case.source is not Source.VIEW]
    viewed = [case for case in MESS_CASES if case.source is Source.VIEW]
    for index, category in enumerate(CATEGORIES):
        for number, count in enumerate(_HONEST_VIEWS):
            _add_honest(builder, category, number, count)
        for number, views, duplicates in ((4, 2, 3), (5, 2, 3), (6, 1, 4)):
            _add_planted(builder, category, number, views, [next(names) for _ in range(duplicates)])
        own = viewed[index // 3] if index % 3 == 0 else None
        _add_mess(builder, category, 7, own, derived[index :: len(CATEGORIES)])
    _add_unusual(builder)
    return builder


def _modification_turns(random: np.random.Generator) -> Iterator[str]:
    """Every modification in a random order, again and again; equal files are the commonest."""
    names = [*MODIFICATIONS, "identical", "identical"]
    while True:
        for index in random.permutation(len(names)):
            yield names[int(index)]


def _add_honest(builder: _Builder, category: Category, number: int, count: int) -> None:
    variant = builder.add_variant(category, number, Role.HONEST)
    rows = [
        builder.add_image(category, variant, shot + 1, _Content(_view(category, number, shot)))
        for shot in range(count)
    ]
    if number == 1 and category.category_id % 2 == 0:
        builder.add_inactive_image(variant, count + 1, rows[0])


def _add_planted(
    builder: _Builder, category: Category, number: int, views: int, names: Iterable[str]
) -> None:
    variant = builder.add_variant(category, number, Role.PLANTED)
    shots = (0, 1) if number == 4 else (1, 3) if number == 5 else (0,)
    bases = []
    for position, shot in enumerate(shots[:views], start=1):
        content = _Content(_view(category, number, shot))
        bases.append((builder.add_image(category, variant, position, content), content))
    for position, name in enumerate(names, start=views + 1):
        base, content = bases[position % views]
        changed = replace(content, modification=name)
        row = builder.add_image(category, variant, position, changed, base.image_id)
        builder.planted.append(
            PlantedDuplicate(
                variant.variant_id, base.image_id, row.image_id, MODIFICATIONS[name].kinds, name
            )
        )


def _add_mess(
    builder: _Builder,
    category: Category,
    number: int,
    own: MessCase | None,
    derived: Iterable[MessCase],
) -> None:
    """A variant with two good views, the second perhaps hard to get, and rows of trouble."""
    variant = builder.add_variant(category, number, Role.MESS)
    content = _Content(_view(category, number, 0))
    base = builder.add_image(category, variant, 1, content)
    second = _Content(_view(category, number, 1), mess=own)
    builder.add_image(category, variant, 2, second)
    for position, case in enumerate(derived, start=3):
        messy = replace(content, mess=case)
        shows = base.image_id if case.kinds else None
        row = builder.add_image(category, variant, position, messy, shows)
        if case.kinds:
            builder.planted.append(
                PlantedDuplicate(
                    variant.variant_id, base.image_id, row.image_id, case.kinds, case.name
                )
            )


def _add_unusual(builder: _Builder) -> None:
    """Variants with too few images, none that is active, and variants that are not active."""
    chairs, lamps, bottles, kettles = CATEGORIES[:4]
    few = builder.add_variant(chairs, 8, Role.TOO_FEW_IMAGES)
    for shot in (0, 1):
        builder.add_image(chairs, few, shot + 1, _Content(_view(chairs, 8, shot)))
    by_variant = {row.variant_id: row for row in reversed(builder.images)}
    empty = builder.add_variant(lamps, 8, Role.NO_ACTIVE_IMAGES)
    for position in (1, 2):
        original = by_variant[_variant_id(lamps, position)]
        builder.add_inactive_image(empty, position, original)
    for category in (bottles, kettles):
        inactive = builder.add_variant(category, 8, Role.INACTIVE)
        for position in (1, 2, 3):
            original = by_variant[_variant_id(category, 0)]
            builder.add_inactive_image(inactive, position, original)


# --- files and truth ---------------------------------------------------------------------------


def build_catalogue(
    folder: Path, seed: int = 7, *, cache_folder: Path = DEFAULT_CACHE_FOLDER
) -> Catalogue:
    """Build the catalogue in a folder, replacing what an earlier build left there."""
    builder = _plan(seed)
    views = base_views([content.view for content in builder.contents.values()], seed, cache_folder)
    catalogue = Catalogue(
        folder=folder,
        seed=seed,
        variants=tuple(sorted(builder.variants, key=lambda row: row.variant_id)),
        images=tuple(sorted(builder.images, key=lambda row: (row.variant_id, row.position))),
        planted=tuple(builder.planted),
    )
    shutil.rmtree(catalogue.served_folder, ignore_errors=True)
    for path, content in builder.contents.items():
        target = catalogue.served_folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_file_content(content, views[content.view]))
        # A fixed time, so that Last-Modified says the same after every build.
        os.utime(target, (1_711_962_000, 1_711_962_000))
    write_behaviours(catalogue.served_folder, builder.behaviours)
    _write_json(catalogue.truth_path, truth(catalogue))
    _write_json(folder / "rows.json", rows(catalogue))
    return catalogue


def _file_content(content: _Content, picture: bytes) -> bytes:
    if content.modification is not None:
        return MODIFICATIONS[content.modification].apply(picture)
    if content.mess is not None and content.mess.change is not None:
        return content.mess.change(picture)
    return picture


def rows(catalogue: Catalogue) -> dict[str, Any]:
    """The rows of both tables as plain JSON values."""
    return {
        "inb_variants": [_plain(_table_values(variants_table, row)) for row in catalogue.variants],
        "inb_images": [_plain(_table_values(images_table, row)) for row in catalogue.images],
    }


def truth(catalogue: Catalogue) -> dict[str, Any]:
    """What is planted and what should become of every row, as plain JSON values."""
    return {
        "generator_version": generator_version(),
        "seed": catalogue.seed,
        "required_pictures": REQUIRED_PICTURES,
        "categories": {str(category.category_id): category.name for category in CATEGORIES},
        "honest_variant_ids": list(catalogue.honest_variant_ids),
        "variants": [_variant_truth(catalogue, row) for row in catalogue.variants],
        "images": [_plain(asdict(row)) for row in catalogue.images],
        "planted": [
            asdict(row) | {"kinds": sorted(kind.value for kind in row.kinds)}
            for row in catalogue.planted
        ],
    }


def _variant_truth(catalogue: Catalogue, variant: VariantRow) -> dict[str, Any]:
    """A variant's role and, if it is active, the verdict that a perfect detection gives."""
    active = [
        row
        for row in catalogue.images
        if row.variant_id == variant.variant_id and row.is_active and variant.is_active
    ]
    distinct = len({row.shows for row in active if row.expected == DOWNLOADED})
    unjudged = sum(row.expected != DOWNLOADED for row in active)
    stated: dict[str, Any] = {
        "variant_id": variant.variant_id,
        "category_id": variant.category_id,
        "role": variant.role.value,
        "active_images": len(active),
        "distinct_pictures": distinct,
        "unjudged_images": unjudged,
        "verdict": None,
        "short_by": 0,
    }
    if variant.is_active:
        verdict = _verdict(distinct, unjudged)
        stated["verdict"] = verdict.value
        if verdict is Verdict.SHORT:
            stated["short_by"] = REQUIRED_PICTURES - distinct
    return stated


def _verdict(distinct: int, unjudged: int) -> Verdict:
    if distinct >= REQUIRED_PICTURES:
        return Verdict.COMPLIANT
    return Verdict.SHORT if distinct + unjudged < REQUIRED_PICTURES else Verdict.UNDECIDED


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    path.write_text(text, encoding="utf-8")


# --- tables ------------------------------------------------------------------------------------

_metadata = MetaData()

variants_table = Table(
    "inb_variants",
    _metadata,
    Column("variant_id", BigInteger, primary_key=True, autoincrement=False),
    Column("category_id", String(32)),
    Column("category_name", String(255)),
    Column("catalogue_id", String(64)),
    Column("seller_id", String(64)),
    Column("product_url", Text),
    Column("is_active", SmallInteger, nullable=False),
    Column("updated_at", DateTime),
    Index("ix_inb_variants_category_id_variant_id", "category_id", "variant_id"),
    mysql_charset="utf8mb4",
    mariadb_charset="utf8mb4",
)

images_table = Table(
    "inb_images",
    _metadata,
    Column(
        "row_id",
        BigInteger().with_variant(Integer, "sqlite"),  # SQLite numbers only an INTEGER key itself
        primary_key=True,
        autoincrement=True,
    ),
    Column("image_id", String(255)),
    Column("variant_id", BigInteger, nullable=False),
    Column("position", Integer),
    Column("image_url", Text),
    Column("is_active", SmallInteger, nullable=False),
    Column("updated_at", DateTime),
    Index("ix_inb_images_variant_id_position", "variant_id", "position"),
    mysql_charset="utf8mb4",
    mariadb_charset="utf8mb4",
)


def fill_database(engine: Engine, catalogue: Catalogue) -> None:
    """Drop both tables if they are there, create them, and fill them with the catalogue's rows."""
    with engine.begin() as connection:
        _metadata.drop_all(connection)
        _metadata.create_all(connection)
        connection.execute(
            insert(variants_table),
            [_table_values(variants_table, row) for row in catalogue.variants],
        )
        connection.execute(
            insert(images_table), [_table_values(images_table, row) for row in catalogue.images]
        )


def _table_values(table: Table, row: VariantRow | ImageRow) -> dict[str, Any]:
    return {
        column.name: getattr(row, column.name)
        for column in table.columns
        if column.name != "row_id"
    }
