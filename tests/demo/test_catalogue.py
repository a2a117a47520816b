"""The demo catalogue: what it holds, that it is the same every time, that its truth is true."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sqlalchemy import create_engine, func, inspect, select, text

from demo.catalogue import (
    Catalogue,
    ImageRow,
    Role,
    build_catalogue,
    fill_database,
    images_table,
    variants_table,
)
from demo.gallery import BaseView, draw_views, generator_version
from demo.mess import DOWNLOADED, MESS_CASES, to_cut_out_png
from demo.modifications import MODIFICATIONS
from image_duplication.records import Kind, ReasonCode
from image_duplication.url_rules import load_url_rules

RULES_FILE = Path(__file__).parents[2] / "include" / "config" / "url_rules.yaml"
# difPy's default side; two views closer than this could be taken for one picture.
SIDE_PX = 50
LEAST_MSE = 120.0


def thumbnail(catalogue: Catalogue, row: ImageRow) -> NDArray[np.float32]:
    with Image.open(served_file(catalogue, row)) as opened:
        small = ImageOps.exif_transpose(opened).convert("RGB").resize((SIDE_PX, SIDE_PX))
        return np.asarray(small, np.float32)


def corrected_mse(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """The least mean squared difference under the eight flips and rotations."""
    sides = (second, second[:, ::-1])
    turns = (np.rot90(side, number) for side in sides for number in range(4))
    return min(float(np.square(first - turn).mean()) for turn in turns)


def served_file(catalogue: Catalogue, row: ImageRow) -> Path:
    assert row.path is not None
    return catalogue.served_folder / row.path.lstrip("/")


def distinct_rows(catalogue: Catalogue) -> dict[int, list[ImageRow]]:
    """Per variant, the rows that show a picture of their own."""
    found: dict[int, list[ImageRow]] = {}
    for row in catalogue.images:
        if row.expected == DOWNLOADED and row.shows == row.image_id:
            found.setdefault(row.variant_id, []).append(row)
    return found


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_catalogue_has_the_promised_size(catalogue: Catalogue) -> None:
    assert len({row.category_id for row in catalogue.variants}) >= 6
    assert len(catalogue.variants) >= 60
    assert len(catalogue.images) >= 300
    assert len(catalogue.honest_variant_ids) >= 25
    assert all(row.category_id.isdecimal() for row in catalogue.variants)


def test_catalogue_speaks_english_and_hindi(catalogue: Catalogue) -> None:
    for name in {row.category_name for row in catalogue.variants}:
        english, hindi = name.split(" / ")
        assert english.isascii()
        assert any("\u0900" <= letter <= "\u097f" for letter in hindi)
    hindi_urls = [row for row in catalogue.variants if not row.product_url.isascii()]
    assert 0 < len(hindi_urls) < len(catalogue.variants)


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_catalogue_plants_each_kind_at_least_twice(catalogue: Catalogue, kind: Kind) -> None:
    assert sum(kind in row.kinds for row in catalogue.planted) >= 2


def test_catalogue_plants_every_modification(catalogue: Catalogue) -> None:
    assert set(MODIFICATIONS) <= {row.modification for row in catalogue.planted}


def test_planted_duplicate_stands_after_its_base_in_its_variant(catalogue: Catalogue) -> None:
    rows = {row.image_id: row for row in catalogue.images}
    for planted in catalogue.planted:
        base, duplicate = rows[planted.base_image_id], rows[planted.duplicate_image_id]
        assert base.variant_id == duplicate.variant_id == planted.variant_id
        assert base.position < duplicate.position
        assert base.shows == base.image_id == duplicate.shows
        same_bytes = (
            served_file(catalogue, base).read_bytes()
            == served_file(catalogue, duplicate).read_bytes()
        )
        assert same_bytes == (Kind.IDENTICAL in planted.kinds)


@pytest.mark.parametrize("case", MESS_CASES, ids=lambda case: case.name)
def test_catalogue_holds_each_mess_case_once(catalogue: Catalogue, case: object) -> None:
    rows = [row for row in catalogue.images if row.mess == case.name]  # type: ignore[attr-defined]
    assert [row.expected for row in rows] == [case.expected]  # type: ignore[attr-defined]


def test_catalogue_expects_only_known_outcomes(catalogue: Catalogue) -> None:
    known = {code.value for code in ReasonCode} | {DOWNLOADED, "never_extracted"}
    assert {row.expected for row in catalogue.images} <= known


def test_catalogue_has_unusual_variants(catalogue: Catalogue) -> None:
    roles = Counter(row.role for row in catalogue.variants)
    assert roles[Role.TOO_FEW_IMAGES] == 1
    assert roles[Role.NO_ACTIVE_IMAGES] == 1
    assert roles[Role.INACTIVE] >= 2
    active_ids = {row.variant_id for row in catalogue.variants if row.is_active}
    for row in catalogue.images:
        is_extracted = bool(row.is_active) and row.variant_id in active_ids
        assert is_extracted == (row.expected != "never_extracted")


def test_image_ids_are_unique(catalogue: Catalogue) -> None:
    ids = [row.image_id for row in catalogue.images]
    assert len(ids) == len(set(ids))


def test_truth_file_states_the_catalogue(catalogue: Catalogue) -> None:
    truth = json.loads(catalogue.truth_path.read_text(encoding="utf-8"))
    assert truth["generator_version"] == generator_version()
    assert truth["honest_variant_ids"] == list(catalogue.honest_variant_ids)
    assert len(truth["planted"]) == len(catalogue.planted)
    assert len(truth["images"]) == len(catalogue.images)
    by_role: dict[str, set[str]] = {}
    for variant in truth["variants"]:
        by_role.setdefault(variant["role"], set()).add(variant["verdict"])
    assert by_role["honest"] == {"compliant"}
    assert by_role["planted"] == by_role["too_few_images"] == {"short"}
    assert by_role["no_active_images"] == {"short"}
    assert by_role["inactive"] == {None}
    assert by_role["mess"] == {"short", "undecided"}


def test_catalogue_is_equal_when_built_again(
    catalogue: Catalogue, cache_folder: Path, tmp_path: Path
) -> None:
    again = build_catalogue(tmp_path, catalogue.seed, cache_folder=cache_folder)
    assert again.variants == catalogue.variants
    assert again.images == catalogue.images
    assert digests(tmp_path) == digests(catalogue.folder)


def test_drawing_gives_equal_bytes_when_drawn_again(
    catalogue: Catalogue, cache_folder: Path, tmp_path: Path
) -> None:
    views = [BaseView(1410, 1, 0, 420), BaseView(1748, 1, 2, 420)]
    draw_views(views, catalogue.seed, tmp_path)
    cached = cache_folder / f"{generator_version()}-{catalogue.seed}"
    for view in views:
        drawn = (tmp_path / view.file_name).read_bytes()
        assert drawn == (cached / view.file_name).read_bytes()


def test_drawing_differs_for_another_seed(catalogue: Catalogue, tmp_path: Path) -> None:
    view = BaseView(1410, 0, 0, 420)
    for seed in (catalogue.seed, catalogue.seed + 1):
        (tmp_path / str(seed)).mkdir()
        draw_views([view], seed, tmp_path / str(seed))
    first, second = (path.read_bytes() for path in tmp_path.glob("*/*.jpg"))
    assert first != second


def test_drawn_pictures_are_420_px_or_larger(catalogue: Catalogue) -> None:
    sizes = set()
    for row in catalogue.images:
        if row.variant_id in catalogue.honest_variant_ids and row.path is not None:
            with Image.open(served_file(catalogue, row)) as opened:
                sizes.add(opened.size)
    assert sizes == {(420, 420), (600, 600)}
    with Image.open(served_file(catalogue, catalogue_row(catalogue, "1005-1"))) as opened:
        assert opened.size == (840, 840)


def catalogue_row(catalogue: Catalogue, image_id: str) -> ImageRow:
    return next(row for row in catalogue.images if row.image_id == image_id)


def test_true_views_of_a_variant_differ_under_every_turn(catalogue: Catalogue) -> None:
    compared = 0
    for rows in distinct_rows(catalogue).values():
        pictures = [(row.image_id, thumbnail(catalogue, row)) for row in rows]
        for (first_id, first), (second_id, second) in itertools.combinations(pictures, 2):
            compared += 1
            assert corrected_mse(first, second) >= LEAST_MSE, f"{first_id} looks like {second_id}"
    assert compared >= 150


def test_products_of_a_category_differ_under_every_turn(catalogue: Catalogue) -> None:
    fronts: dict[int, list[tuple[str, NDArray[np.float32]]]] = {}
    for variant_id, rows in distinct_rows(catalogue).items():
        front = (rows[0].image_id, thumbnail(catalogue, rows[0]))
        fronts.setdefault(variant_id // 1000, []).append(front)
    for pictures in fronts.values():
        for (first_id, first), (second_id, second) in itertools.combinations(pictures, 2):
            assert corrected_mse(first, second) >= LEAST_MSE, f"{first_id} looks like {second_id}"


def test_same_picture_duplicates_stay_close_to_their_base(catalogue: Catalogue) -> None:
    rows = {row.image_id: row for row in catalogue.images}
    gentle = {"recompressed_75", "shrunk", "to_png", "to_webp", "exif_rotated", "webp"}
    checked = [planted for planted in catalogue.planted if planted.modification in gentle]
    assert {planted.modification for planted in checked} == gentle
    for planted in checked:
        base = thumbnail(catalogue, rows[planted.base_image_id])
        duplicate = thumbnail(catalogue, rows[planted.duplicate_image_id])
        assert float(np.square(base - duplicate).mean()) < 10, planted.modification


def test_urls_become_the_served_paths_by_the_project_rules(catalogue: Catalogue) -> None:
    base = "http://127.0.0.1:8123"
    rules = load_url_rules(
        RULES_FILE, image_base=base, allowed_hosts=("gem.gov.in", "*.gem.gov.in", "127.0.0.1")
    )
    patterns = set()
    for row in catalogue.images:
        if row.image_url is None or not row.image_url.strip():
            assert row.expected == ReasonCode.URL_MISSING
            continue
        corrected = rules.correct(row.image_url)
        if row.expected == ReasonCode.HOST_NOT_ALLOWED:
            assert corrected.reason is ReasonCode.HOST_NOT_ALLOWED
            continue
        assert corrected.url is not None, row
        assert corrected.url.startswith(base + "/")
        assert unquote(urlsplit(corrected.url).path) == row.path
        patterns.add(row.url_pattern)
    assert len(patterns) >= 12


def test_every_file_is_served_but_those_said_to_be_missing(catalogue: Catalogue) -> None:
    for row in catalogue.images:
        is_missing = row.expected in (ReasonCode.NOT_FOUND, ReasonCode.URL_MISSING)
        assert served_file(catalogue, row).is_file() != is_missing, row.image_id


@pytest.mark.parametrize(
    ("mess", "form", "mode"),
    [
        pytest.param("png_named_jpg", "PNG", "RGB", id="wrong_extension"),
        pytest.param("cmyk_jpeg", "JPEG", "CMYK", id="cmyk"),
        pytest.param("png_16_bit", "PNG", "I;16", id="16_bit"),
        pytest.param("animated_gif", "GIF", "P", id="animated"),
        pytest.param("webp", "WEBP", "RGB", id="webp"),
        pytest.param("transparent_png", "PNG", "RGBA", id="transparent"),
    ],
)
def test_messy_file_is_what_it_claims(
    catalogue: Catalogue, mess: str, form: str, mode: str
) -> None:
    row = next(row for row in catalogue.images if row.mess == mess)
    with Image.open(served_file(catalogue, row)) as opened:
        assert (opened.format, opened.mode) == (form, mode)
        assert getattr(opened, "n_frames", 1) == (3 if mess == "animated_gif" else 1)


def test_exif_rotated_file_lies_on_its_side_until_exif_is_applied(catalogue: Catalogue) -> None:
    row = next(row for row in catalogue.images if row.mess == "exif_rotated_jpeg")
    base = thumbnail(catalogue, catalogue_row(catalogue, row.shows))
    with Image.open(served_file(catalogue, row)) as opened:
        lying = np.asarray(opened.convert("RGB").resize((SIDE_PX, SIDE_PX)), np.float32)
    assert float(np.square(lying - base).mean()) > 500
    assert float(np.square(thumbnail(catalogue, row) - base).mean()) < 10


def test_truncated_jpeg_has_a_sound_header_and_no_end(catalogue: Catalogue) -> None:
    row = next(row for row in catalogue.images if row.mess == "truncated_jpeg")
    with Image.open(served_file(catalogue, row)) as opened:
        assert opened.format == "JPEG"
        with pytest.raises(OSError, match="truncated"):
            opened.load()


def test_cut_out_hides_the_backdrop_and_keeps_the_goods(catalogue: Catalogue) -> None:
    base = served_file(catalogue, catalogue_row(catalogue, "5001-1")).read_bytes()
    with Image.open(io.BytesIO(to_cut_out_png(base))) as opened:
        cover = np.asarray(opened.getchannel("A"))
    assert cover[2, 2] == 0
    assert 0.1 < (cover == 255).mean() < 0.8


@pytest.mark.parametrize("name", MODIFICATIONS, ids=str)
def test_modification_gives_equal_bytes_and_changes_the_file(
    catalogue: Catalogue, name: str
) -> None:
    content = served_file(catalogue, catalogue_row(catalogue, "6001-2")).read_bytes()
    modification = MODIFICATIONS[name]
    changed = modification.apply(content)
    assert changed == modification.apply(content)
    assert (changed == content) == (modification.kinds == {Kind.IDENTICAL})


def test_fill_database_writes_every_row_and_again(catalogue: Catalogue, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'demo.db'}")
    try:
        fill_database(engine, catalogue)
        fill_database(engine, catalogue)
        with engine.connect() as connection:
            variants = connection.execute(select(func.count()).select_from(variants_table)).scalar()
            images = connection.execute(select(images_table)).all()
            plan = connection.execute(
                text(
                    "EXPLAIN QUERY PLAN SELECT * FROM inb_variants"
                    " WHERE category_id = '1234' ORDER BY variant_id"
                )
            ).all()
        indexes = inspect(engine).get_indexes("inb_images")
    finally:
        engine.dispose()
    assert variants == len(catalogue.variants)
    assert [(row.image_id, row.image_url, row.updated_at) for row in images] == [
        (row.image_id, row.image_url, row.updated_at) for row in catalogue.images
    ]
    assert "ix_inb_variants_category_id_variant_id" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
    assert [index["column_names"][0] for index in indexes] == ["variant_id"]
