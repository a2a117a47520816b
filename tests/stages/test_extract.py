"""Stage extract_images: every row of the due variants, bad ones with their reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from image_duplication import layout
from image_duplication.errors import MissingArtefactError, SourceContractError
from image_duplication.plans import read_plan
from image_duplication.records import ReasonCode, Selection, StageReport, Status
from image_duplication.settings import Settings, load_settings
from image_duplication.stages.extract import extract_images
from image_duplication.stages.plan import plan_work
from image_duplication.storage import Storage
from image_duplication.tables import EXTRACTED, PLANNED_VARIANTS, Row, read_rows, read_variants
from tests.catalogues import SourceDatabase

RUN = "manual"
TIMES = {"source_as_of"}

pytestmark = pytest.mark.usefixtures("plain_environment")

Extractor = Callable[..., list[Row]]


@pytest.fixture
def extract(storage: Storage, database: SourceDatabase) -> Extractor:
    """Plans a run and extracts all of its units; the rows of all, in order."""
    return extractor(storage, database)


@pytest.fixture
def extract_from_sqlite(storage: Storage, sqlite_database: SourceDatabase) -> Extractor:
    return extractor(storage, sqlite_database)


def extractor(storage: Storage, database: SourceDatabase) -> Extractor:
    def extract_all(overrides: dict[str, Any] | None = None) -> list[Row]:
        settings = load_settings(overrides)
        with database.source() as source:
            plan = plan_work(storage, settings, source, run_id=RUN, selection=Selection())
            for unit_id in plan.unit_ids:
                extract_images(storage, settings, source, run_id=RUN, unit_id=unit_id)
        return [row for unit_id in plan.unit_ids for row in extracted(storage, unit_id)]

    return extract_all


def extract_unit(
    storage: Storage, database: SourceDatabase, settings: Settings, **choices: Any
) -> StageReport:
    with database.source() as source:
        return extract_images(storage, settings, source, run_id=RUN, unit_id="7/1", **choices)


def extracted(storage: Storage, unit_id: str = "7/1") -> list[Row]:
    return list(read_rows(storage, layout.unit_file(RUN, unit_id, "extract.parquet"), EXTRACTED))


def outcomes(rows: list[Row]) -> list[tuple[str | None, str, str | None]]:
    return [(row["image_id"], row["status"], row["reason_code"]) for row in rows]


LISTED = Status.LISTED.value
FAILED = Status.FAILED.value


def test_good_row_is_listed_with_every_column(
    extract: Extractor, database: SourceDatabase, storage: Storage
) -> None:
    database.add_variant(12, category_name="कुर्सी 🪑", catalogue_id="c 1", seller_id="s,1")
    database.add_image(12, "12-1", position=4, image_url="https://a.in/क.jpg")
    before = datetime.now(UTC)

    [row] = extract()

    assert before <= row.pop("source_as_of") <= datetime.now(UTC)
    [planned] = read_rows(storage, layout.plan_variants(RUN, 7), PLANNED_VARIANTS)
    assert row == {
        "category_id": 7,
        "category_name": "कुर्सी 🪑",
        "variant_id": "12",
        "catalogue_id": "c 1",
        "seller_id": "s,1",
        "product_url": "https://mkp.gem.gov.in/p-12-cat.html",
        "image_id": "12-1",
        "position": 4,
        "image_url": "https://a.in/क.jpg",
        "updated_at": datetime(2024, 4, 1, 9, 30, tzinfo=UTC),
        "signature": planned["signature"],
        "status": LISTED,
        "reason_code": None,
    }


def test_time_without_a_zone_is_in_the_zone_of_the_settings(
    extract: Extractor, database: SourceDatabase
) -> None:
    database.add_variant(12)
    database.add_image(12, "12-1")

    [row] = extract({"source": {"timezone": "Asia/Kolkata"}})

    assert row["updated_at"] == datetime(2024, 4, 1, 4, tzinfo=UTC)


def test_inactive_variants_and_images_are_never_extracted(
    extract: Extractor, database: SourceDatabase
) -> None:
    for variant_id, is_active in ((1, 1), (2, 0), (3, 1)):
        database.add_variant(variant_id, is_active=is_active)
        database.add_image(variant_id, f"{variant_id}-1")
        database.add_image(variant_id, f"{variant_id}-old", is_active=0)

    assert outcomes(extract()) == [("1-1", LISTED, None), ("3-1", LISTED, None)]


def test_variant_without_images_gives_one_row_that_says_so(
    extract: Extractor, database: SourceDatabase
) -> None:
    database.add_variant(1)
    database.add_variant(2)
    database.add_image(2, "2-old", is_active=0)
    database.add_variant(3)
    database.add_image(3, "3-1")

    rows = extract()

    assert outcomes(rows) == [
        (None, Status.NO_IMAGES, None),
        (None, Status.NO_IMAGES, None),
        ("3-1", LISTED, None),
    ]
    assert [row["variant_id"] for row in rows] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"image_url": None}, ReasonCode.URL_MISSING),
        ({"image_url": ""}, ReasonCode.URL_MISSING),
        ({"image_url": " \t "}, ReasonCode.URL_MISSING),
        ({"image_url": "https://a.in/" + "x" * 9_987}, ReasonCode.URL_TOO_LONG),
        ({"image_id": None}, ReasonCode.ID_MISSING),
        ({"image_id": "  "}, ReasonCode.ID_MISSING),
        ({"image_id": "12\n1"}, ReasonCode.ID_MALFORMED),
        ({"image_id": "12\t1"}, ReasonCode.ID_MALFORMED),
        ({"position": None}, None),
        ({"updated_at": None}, None),
        ({"position": None, "image_url": None}, ReasonCode.URL_MISSING),
    ],
    ids=["null_url", "empty_url", "blank_url", "url_of_10000", "null_id", "blank_id",
         "newline_in_id", "tab_in_id", "null_position", "null_time", "null_position_and_url"],
)  # fmt: skip
def test_bad_row_stays_with_its_reason_and_spares_its_neighbours(
    extract: Extractor, database: SourceDatabase, columns: dict[str, object], reason: str | None
) -> None:
    database.add_variant(12)
    database.add_image(12, "12-good", position=9)
    database.add_image(12, **{"image_id": "12-odd", "position": 10} | columns)
    database.add_variant(13)
    database.add_image(13, "13-1")

    rows = extract()

    assert len(rows) == 3
    odd = next(row for row in rows if row["image_id"] not in {"12-good", "13-1"})
    assert (odd["status"], odd["reason_code"]) == (FAILED if reason else LISTED, reason)
    assert all(odd[name] == value for name, value in columns.items())
    assert {row["status"] for row in rows if row is not odd} == {LISTED}


def test_image_row_of_nulls_is_bad_and_no_stand_in_beside_other_images(
    extract: Extractor, database: SourceDatabase, storage: Storage
) -> None:
    database.add_variant(12)
    database.add_image(12, "12-1")
    database.add_image(12, None, image_url=None, position=None, updated_at=None)

    assert sorted(outcomes(extract()), key=str) == [
        ("12-1", LISTED, None),
        (None, FAILED, ReasonCode.ID_MISSING),
    ]
    [planned] = read_rows(storage, layout.plan_variants(RUN, 7), PLANNED_VARIANTS)
    assert planned["images"] == 2


def test_image_id_that_is_repeated_in_its_variant_is_used_once(
    extract: Extractor, database: SourceDatabase
) -> None:
    database.add_variant(12)
    database.add_image(12, "same", position=1)
    database.add_image(12, "same", position=2)
    database.add_variant(13)
    database.add_image(13, "same", position=1)
    database.add_image(13, "SAME", position=2)

    assert outcomes(extract()) == [
        ("same", LISTED, None),
        ("same", FAILED, ReasonCode.IMAGE_ID_REPEATED),
        ("same", LISTED, None),
        ("SAME", LISTED, None),
    ]


def store_raw(database: SourceDatabase, table: str, column: str, hexadecimal: str) -> str:
    """The SQL literal of bytes that are not UTF-8, in a column that can hold them."""
    return f"CAST(x'{hexadecimal}' AS TEXT)" if database.is_sqlite else f"x'{hexadecimal}'"


@pytest.mark.parametrize("column", ["image_url", "image_id"])
def test_bytes_that_are_not_utf8_are_a_reason(
    extract: Extractor, database: SourceDatabase, column: str
) -> None:
    if not database.is_sqlite:
        database.create_tables({column: sa.VARBINARY(255)})
    database.add_variant(12)
    database.add_image(12, "12-1")
    database.add_image(12, "12-2")
    raw = store_raw(database, "inb_images", column, "68FF")
    database.execute(f"UPDATE inb_images SET {column} = {raw} WHERE position = 2")

    good, odd = extract()

    assert (good["status"], good["image_id"]) == (LISTED, "12-1")
    assert (odd["status"], odd["reason_code"]) == (FAILED, ReasonCode.TEXT_NOT_UTF8)
    assert odd[column] == "h\\xff"


def test_bytes_that_are_not_utf8_in_a_describing_column_are_kept_escaped(
    extract: Extractor, database: SourceDatabase
) -> None:
    if not database.is_sqlite:
        database.create_tables({"seller_id": sa.VARBINARY(64)})
    database.add_variant(12)
    database.add_image(12, "12-1")
    raw = store_raw(database, "inb_variants", "seller_id", "68FF")
    database.execute(f"UPDATE inb_variants SET seller_id = {raw}")

    [row] = extract()

    assert (row["seller_id"], row["status"]) == ("h\\xff", LISTED)


# Ranges of variant ids --------------------------------------------------------------------------


@pytest.mark.parametrize("part_size", [1, 3])
def test_parts_hold_every_row_of_a_category_once_with_integer_keys(
    extract: Extractor, database: SourceDatabase, part_size: int
) -> None:
    keys = [2, 9, 10, 11, 99, 100, 2**53 + 1, 2**62]
    for key in keys:
        database.add_variant(key)
        database.add_image(key, f"{key}-1")

    rows = extract({"plan": {"part_size_images": part_size}})

    assert [row["variant_id"] for row in rows] == [str(key) for key in keys]


TEXT_KEYS = ["1", "10", "9", "a-1", "B", "Zz", "a b", "é", "कु-1", "🪑", "b\\", "%", "'q'", '"']


@pytest.mark.parametrize("part_size", [1, 3])
@pytest.mark.parametrize("collation", [None, "utf8mb4_bin"], ids=["unicode", "binary"])
def test_parts_hold_every_row_of_a_category_once_with_text_keys(
    extract: Extractor, database: SourceDatabase, part_size: int, collation: str | None
) -> None:
    if database.is_sqlite:
        collation = collation and "BINARY"
    database.create_tables({"variant_id": sa.String(64, collation=collation)})
    for key in TEXT_KEYS:
        database.add_variant(key)
        database.add_image(key, f"{key}-1")

    rows = extract({"plan": {"part_size_images": part_size}})

    assert sorted(row["variant_id"] for row in rows) == sorted(TEXT_KEYS)
    assert {row["status"] for row in rows} == {LISTED}


@pytest.mark.parametrize("part_size", [1, 100])
def test_parts_tell_text_keys_apart_that_differ_by_case_and_normal_form(
    extract: Extractor, database: SourceDatabase, part_size: int
) -> None:
    keys = ["abc", "ABC", "Abc", "\u00e9", "e\u0301", "b"]
    database.create_tables(
        {"variant_id": sa.String(64, collation=None if database.is_sqlite else "utf8mb4_bin")}
    )
    for key in keys:
        database.add_variant(key)
        database.add_image(key, f"{key}-1")
        database.add_image(key, f"{key}-2")

    rows = extract({"plan": {"part_size_images": part_size}})

    assert sorted(row["image_id"] for row in rows) == sorted(
        f"{key}-{place}" for key in keys for place in (1, 2)
    )
    assert {row["status"] for row in rows} == {LISTED}


@pytest.mark.parametrize("part_size", [1, 100])
@pytest.mark.parametrize("raw", ["00FF", "61FF", "FFFF"], ids=["first", "middle", "last"])
def test_variant_id_that_is_not_utf8_loses_no_row(
    extract: Extractor, database: SourceDatabase, storage: Storage, part_size: int, raw: str
) -> None:
    database.create_tables(
        {"variant_id": sa.String(64) if database.is_sqlite else sa.VARBINARY(64)}
    )
    for key in ("a", "b", "odd"):
        database.add_variant(key)
        database.add_image(key, f"{key}-1")
    literal = store_raw(database, "inb_variants", "variant_id", raw)
    for table in ("inb_variants", "inb_images"):
        database.execute(f"UPDATE {table} SET variant_id = {literal} WHERE variant_id = 'odd'")

    rows = extract({"plan": {"part_size_images": part_size}})

    assert sorted(outcomes(rows)) == [
        ("a-1", LISTED, None),
        ("b-1", LISTED, None),
        ("odd-1", FAILED, ReasonCode.TEXT_NOT_UTF8),
    ]


def test_variant_id_with_a_newline_is_a_reason(
    extract: Extractor, database: SourceDatabase
) -> None:
    database.create_tables({"variant_id": sa.String(64)})
    for key in ("a", "b\nc", "d"):
        database.add_variant(key)
        database.add_image(key, f"image {key[0]}")

    assert outcomes(extract()) == [
        ("image a", LISTED, None),
        ("image b", FAILED, ReasonCode.ID_MALFORMED),
        ("image d", LISTED, None),
    ]


def test_decimal_keys_are_read_as_integers(extract: Extractor, database: SourceDatabase) -> None:
    database.create_tables({"variant_id": sa.Numeric(20, 0)})
    for key in (9, 10):
        database.add_variant(key)
        database.add_image(key, f"{key}-1")

    assert [row["variant_id"] for row in extract()] == ["9", "10"]


# Only what is due -------------------------------------------------------------------------------


def test_only_variants_of_the_unit_are_extracted(
    extract: Extractor, database: SourceDatabase, storage: Storage, settings: Settings
) -> None:
    database.add_variants(4, 1)
    with database.source() as source:
        plan_work(storage, settings, source, run_id=RUN, selection=Selection())
    # One that came after the plan, within the unit's range.
    database.execute("UPDATE inb_variants SET variant_id = 700009 WHERE variant_id = 700004")
    database.add_variant(700004, product_url="new")
    database.execute("DELETE FROM inb_variants WHERE variant_id = 700002")

    report = extract_unit(storage, database, settings)

    assert [row["variant_id"] for row in extracted(storage)] == ["700001", "700003", "700004"]
    assert report.counts == {"rows": 3, "images": 3, "failed": 0}


def test_signature_is_the_same_in_plan_and_extract_and_on_each_row_of_a_variant(
    extract: Extractor, database: SourceDatabase, storage: Storage
) -> None:
    database.add_variants(3, 3)
    database.add_variant(1)
    database.add_image(1, None, image_url=" ", position=None, updated_at=None)
    database.add_variant(2)
    extract()

    key = layout.unit_file(RUN, "7/1", "extract.parquet")
    found = {
        variant_id: {row["signature"] for row in rows}
        for variant_id, rows in read_variants(storage, key, EXTRACTED)
    }

    assert len(found) == 5
    assert found == {
        row["variant_id"]: {row["signature"]}
        for row in read_rows(storage, layout.plan_variants(RUN, 7), PLANNED_VARIANTS)
    }


def test_rows_of_a_variant_follow_each_other_by_position(
    extract: Extractor, database: SourceDatabase
) -> None:
    for variant_id in (2, 1):
        database.add_variant(variant_id)
    for variant_id, position in ((1, 3), (2, 1), (1, 1), (2, 2), (1, 2)):
        database.add_image(variant_id, f"{variant_id}-{position}", position=position)

    assert [row["image_id"] for row in extract()] == ["1-1", "1-2", "1-3", "2-1", "2-2"]


# Snapshots and the report -----------------------------------------------------------------------


def test_report_counts_rows_images_and_failures(
    extract: Extractor, database: SourceDatabase, storage: Storage, settings: Settings
) -> None:
    database.add_variants(2, 2)
    database.add_variant(1)
    database.add_variant(2)
    database.add_image(2, "2-1", image_url=None)
    extract()

    report = extract_unit(storage, database, settings)

    assert (report.stage, report.unit_id) == ("extract_images", "7/1")
    assert report.counts == {"rows": 6, "images": 5, "failed": 1}
    assert report.seconds >= 0


def test_snapshot_is_kept_unless_a_new_one_is_asked_for(
    extract: Extractor, database: SourceDatabase, storage: Storage, settings: Settings
) -> None:
    database.add_variants(1, 2)
    extract()
    key = layout.unit_file(RUN, "7/1", "extract.parquet")
    snapshot = storage.read_bytes(key)
    database.execute("UPDATE inb_images SET image_url = 'https://a.in/new.jpg'")

    extract_unit(storage, database, settings)
    assert storage.read_bytes(key) == snapshot

    extract_unit(storage, database, settings, take_new_snapshot=True)
    assert {row["image_url"] for row in extracted(storage)} == {"https://a.in/new.jpg"}


def test_snapshot_is_not_replaced_by_half_of_a_new_one(
    extract_from_sqlite: Extractor,
    sqlite_database: SourceDatabase,
    storage: Storage,
    settings: Settings,
) -> None:
    sqlite_database.add_variants(1, 2)
    extract_from_sqlite()
    snapshot = extracted(storage)
    sqlite_database.execute("ALTER TABLE inb_images RENAME COLUMN position TO place")

    with pytest.raises(SourceContractError, match="position"):
        extract_unit(storage, sqlite_database, settings, take_new_snapshot=True)

    assert extracted(storage) == snapshot


def test_unit_without_a_plan_is_named(
    sqlite_database: SourceDatabase, storage: Storage, settings: Settings
) -> None:
    with pytest.raises(MissingArtefactError, match="units"):
        extract_unit(storage, sqlite_database, settings)
    with pytest.raises(MissingArtefactError, match="plan"):
        read_plan(storage, RUN)
