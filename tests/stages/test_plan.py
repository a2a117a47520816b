"""Stage plan_work: what is due, cut into units and runs, on either database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from image_duplication import layout
from image_duplication.errors import (
    ConfigurationError,
    ImageDuplicationError,
    MissingArtefactError,
)
from image_duplication.judgement_versions import feature_version
from image_duplication.plans import Plan, lead_run_id, read_plan, read_unit
from image_duplication.records import ReasonCode, Scope, Selection
from image_duplication.settings import INCLUDE_VARIABLE, Settings, load_settings
from image_duplication.stages.plan import describe_plan, plan_work
from image_duplication.storage import Storage
from image_duplication.tables import (
    PLANNED_VARIANTS,
    REJECTED_ROWS,
    UNITS,
    VERDICTS,
    Row,
    read_rows,
    write_rows,
)
from tests.catalogues import SourceDatabase

RUN = "manual__2024-04-01T00:00:00+00:00"
NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("plain_environment")

Planner = Callable[..., Plan]


@pytest.fixture
def plan(storage: Storage, database: SourceDatabase) -> Planner:
    """Plans a run on the database as it is filled; `plan_settings` override the section."""
    return planner(storage, database)


@pytest.fixture
def plan_on_sqlite(storage: Storage, sqlite_database: SourceDatabase) -> Planner:
    """The same where the database makes no difference."""
    return planner(storage, sqlite_database)


def planner(storage: Storage, database: SourceDatabase) -> Planner:
    def plan_it(plan_settings: dict[str, Any] | None = None, **choices: Any) -> Plan:
        settings = load_settings({"plan": plan_settings or {}})
        with database.source() as source:
            selected = {f.name: choices.pop(f.name) for f in fields(Selection) if f.name in choices}
            asked = {"run_id": RUN, "now": lambda: NOON, "selection": Selection(**selected)}
            return plan_work(storage, settings, source, **(asked | choices))

    return plan_it


def units_of(storage: Storage, run_id: str = RUN) -> list[Row]:
    return list(read_rows(storage, layout.plan_units(run_id), UNITS))


def planned(storage: Storage, category_id: int = 7, run_id: str = RUN) -> dict[str, Row]:
    key = layout.plan_variants(run_id, category_id)
    return {row["variant_id"]: row for row in read_rows(storage, key, PLANNED_VARIANTS)}


def sizes(storage: Storage) -> list[tuple[str, int, int]]:
    return [(u["unit_id"], u["variants_due"], u["images_due"]) for u in units_of(storage)]


# Parts ------------------------------------------------------------------------------------------


def test_plan_of_a_small_category_is_one_unit(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    database.add_variants(3, 2)

    made = plan()

    assert made.unit_ids == ["7/1"]
    [unit] = units_of(storage)
    assert unit == {
        "unit_id": "7/1",
        "category_id": 7,
        "category_name": "Category 7",
        "part": 1,
        "parts": 1,
        "label": "7 Category 7",
        "first_variant_id": "700001",
        "last_variant_id": "700003",
        "variants_due": 3,
        "images_due": 6,
    }
    assert read_unit(storage, RUN, "7/1") == unit


def test_plan_cuts_a_large_category_between_variants(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    database.add_variants(7, 3)

    plan({"part_size_images": 7})

    assert sizes(storage) == [("7/1", 2, 6), ("7/2", 2, 6), ("7/3", 2, 6), ("7/4", 1, 3)]
    assert [unit["label"] for unit in units_of(storage)] == [
        f"7 Category 7 ({number}/4)" for number in (1, 2, 3, 4)
    ]
    ranges = [(u["first_variant_id"], u["last_variant_id"]) for u in units_of(storage)]
    assert ranges == [
        ("700001", "700002"),
        ("700003", "700004"),
        ("700005", "700006"),
        ("700007", "700007"),
    ]
    assert [row["unit_id"] for row in planned(storage).values()] == [
        "7/1", "7/1", "7/2", "7/2", "7/3", "7/3", "7/4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("images", "part_size", "parts"),
    [
        ([2, 2, 2], 6, [6]),
        ([2, 2, 2], 5, [4, 2]),
        ([2, 2, 2], 4, [4, 2]),
        ([2, 2, 2], 1, [2, 2, 2]),
        ([1, 50, 1], 10, [1, 50, 1]),
        ([50], 10, [50]),
        ([5, 5, 5, 5], 10, [10, 10]),
        ([0, 0, 0], 1, [0]),
        ([3, 0, 0, 3], 3, [3, 3]),
    ],
    ids=["exact", "one_over", "pairs", "smallest", "huge_in_the_middle", "huge_alone",
         "exact_twice", "no_images", "empty_between"],
)  # fmt: skip
def test_parts_are_cut_at_exact_boundaries(
    plan_on_sqlite: Planner,
    storage: Storage,
    sqlite_database: SourceDatabase,
    images: list[int],
    part_size: int,
    parts: list[int],
) -> None:
    for variant_id, count in enumerate(images, start=1):
        sqlite_database.add_variant(variant_id)
        for place in range(count):
            sqlite_database.add_image(variant_id, f"{variant_id}-{place}")

    plan_on_sqlite({"part_size_images": part_size})

    assert [unit["images_due"] for unit in units_of(storage)] == parts
    assert sum(unit["variants_due"] for unit in units_of(storage)) == len(images)


def test_plan_leaves_out_what_is_not_active(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    database.add_variant(1)
    database.add_image(1, "1-1")
    database.add_image(1, "1-2", is_active=0)
    database.add_variant(2, is_active=0)
    database.add_image(2, "2-1")
    database.add_variant(3, "8", is_active=0)

    made = plan()

    assert [category.category_id for category in made.categories] == [7]
    assert {name: row["images"] for name, row in planned(storage).items()} == {"1": 1}


def test_plan_counts_a_variant_without_images_as_due(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    database.add_variant(1)
    database.add_variant(2)
    database.add_image(2, "2-1", is_active=0)

    [category] = plan().categories

    assert (category.variants_due, category.images_due) == (2, 0)
    assert sizes(storage) == [("7/1", 2, 0)]


def test_plan_binds_text_keys_as_text(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    database.create_tables({"variant_id": sa.String(64)})
    for variant_id in ("10", "9", "कु", "b"):
        database.add_variant(variant_id)

    plan()

    [unit] = units_of(storage)
    assert (json.loads(unit["first_variant_id"]), json.loads(unit["last_variant_id"])) == (
        "10",
        "कु",
    )
    assert list(planned(storage)) == ["10", "9", "b", "कु"]


def test_label_names_the_part_and_fits_airflow_however_long_the_name(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    for variant_id in (1, 2):
        database.add_variant(variant_id, category_name="कुर्सी " * 36)
        database.add_image(variant_id, f"{variant_id}-1")

    plan({"part_size_images": 1})

    for unit in units_of(storage):
        assert len(unit["label"]) <= 250  # the width of Airflow's rendered_map_index
        assert unit["label"].startswith("7 कुर्सी")
        assert unit["label"].endswith(f" ({unit['part']}/2)")


# Due --------------------------------------------------------------------------------------------


def remember_verdicts(
    storage: Storage, settings: Settings, rows: Iterable[Row], **changes: Row
) -> None:
    """Write the state as a run leaves it that judged `rows`; `changes` by variant id."""
    state = []
    for row in rows:
        blank = dict.fromkeys(VERDICTS.names)
        state.append(
            blank
            | {
                "category_id": 7,
                "variant_id": row["variant_id"],
                "verdict": "compliant",
                "signature": row["signature"],
                "feature_version": feature_version(settings.detection),
                "run_id": "earlier",
            }
            | changes.get(f"v{row['variant_id']}", {})
        )
    write_rows(storage, layout.current("verdicts", 7), VERDICTS, state)


def test_variants_are_due_when_new_changed_undecided_or_judged_by_older_features(
    plan: Planner, storage: Storage, settings: Settings, database: SourceDatabase
) -> None:
    for variant_id in range(1, 7):
        database.add_variant(variant_id)
        database.add_image(variant_id, f"{variant_id}-1")
    plan(run_id="first")
    rows = planned(storage, run_id="first")
    assert {row["due_reason"] for row in rows.values()} == {"new"}
    remember_verdicts(
        storage,
        settings,
        [row for name, row in rows.items() if name != "6"] + [rows["1"] | {"variant_id": "99"}],
        v3={"verdict": "undecided"},
        v4={"feature_version": "0-px50"},
        v5={"verdict": "short_by_2", "unfetched": 1},
    )
    database.execute("UPDATE inb_images SET image_url = 'https://a.in/b.jpg' WHERE variant_id = 2")

    [category] = plan().categories

    assert {name: row["due_reason"] for name, row in planned(storage).items()} == {
        "1": None,
        "2": "changed",
        "3": "undecided",
        "4": "older_features",
        "5": "unfetched",
        "6": "new",
    }
    assert (category.variants, category.variants_due, category.left) == (6, 5, 1)
    assert category.unit_ids == ("7/1",)
    assert [name for name, row in planned(storage).items() if row["unit_id"]] == [
        "2",
        "3",
        "4",
        "5",
        "6",
    ]


@pytest.mark.parametrize(
    ("age", "reason"),
    [(timedelta(days=28), "revalidation"), (timedelta(days=27, hours=23), None), (None, None)],
    ids=["old", "young", "never fetched"],
)
def test_variant_is_due_when_its_pictures_were_confirmed_long_ago(
    plan_on_sqlite: Planner,
    storage: Storage,
    settings: Settings,
    sqlite_database: SourceDatabase,
    age: timedelta | None,
    reason: str | None,
) -> None:
    sqlite_database.add_variant(1)
    sqlite_database.add_image(1, "1-1")
    plan_on_sqlite(run_id="first")
    rows = planned(storage, run_id="first").values()
    remember_verdicts(storage, settings, rows, v1={"fetched_at": age and NOON - age})

    plan_on_sqlite()

    assert planned(storage)["1"]["due_reason"] == reason


def test_every_variant_is_due_in_full_scope(
    plan_on_sqlite: Planner, storage: Storage, settings: Settings, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(3, 1)
    plan_on_sqlite(run_id="first")
    remember_verdicts(storage, settings, planned(storage, run_id="first").values())

    assert plan_on_sqlite(run_id="second").unit_ids == []
    assert plan_on_sqlite(run_id="third", scope=Scope.FULL).unit_ids == ["7/1"]
    rows = planned(storage, run_id="third")
    assert {row["due_reason"] for row in rows.values()} == {"full"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE inb_images SET updated_at = '2025-01-01 00:00:00' WHERE image_id = '700002-1'",
        "UPDATE inb_images SET position = 9 WHERE image_id = '700002-1'",
        "UPDATE inb_images SET position = NULL WHERE image_id = '700002-1'",
        "UPDATE inb_images SET image_url = NULL WHERE image_id = '700002-1'",
        "UPDATE inb_images SET is_active = 0 WHERE image_id = '700002-2'",
        "DELETE FROM inb_images WHERE variant_id = 700002",
        "INSERT INTO inb_images (variant_id, is_active) VALUES (700002, 1)",
    ],
    ids=["time", "position", "no_position", "no_url", "inactive", "all_gone", "blank_row"],
)
def test_variant_is_due_when_any_of_its_image_rows_changed(
    plan: Planner, storage: Storage, settings: Settings, database: SourceDatabase, change: str
) -> None:
    database.add_variants(3, 2)
    plan(run_id="first")
    remember_verdicts(storage, settings, planned(storage, run_id="first").values())

    database.execute(change)
    plan()

    reasons = {name: row["due_reason"] for name, row in planned(storage).items()}
    assert reasons == {"700001": None, "700002": "changed", "700003": None}


def test_plan_of_a_category_whose_variants_all_left_says_so(
    plan_on_sqlite: Planner, storage: Storage, settings: Settings, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(2, 1)
    plan_on_sqlite(run_id="first")
    remember_verdicts(storage, settings, planned(storage, run_id="first").values())
    sqlite_database.execute("UPDATE inb_variants SET is_active = 0")

    [category] = plan_on_sqlite(category_ids=[7]).categories

    assert (category.variants, category.left, category.unit_ids) == (0, 2, ())


def test_category_whose_verdicts_cannot_be_read_is_named_and_all_due(
    plan_on_sqlite: Planner,
    storage: Storage,
    sqlite_database: SourceDatabase,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sqlite_database.add_variants(2, 1)
    storage.write_bytes(layout.current("verdicts", 7), b"no Parquet file")

    [category] = plan_on_sqlite().categories

    assert category.variants_due == 2
    assert "category 7: its verdicts cannot be read" in caplog.text
    assert "verdicts/current/category=7" in caplog.text


# Categories -------------------------------------------------------------------------------------


@pytest.fixture
def three_categories(database: SourceDatabase) -> None:
    for category_id in ("9", "7", "8"):
        database.add_variants(1, 1, category_id)


@pytest.fixture
def categories_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A categories file that the settings may name, in an include folder of its own."""
    include = tmp_path / "include"
    include.mkdir()
    shipped = load_settings().include
    (include / "sql").symlink_to(shipped / "sql")
    (include / "config").mkdir()
    monkeypatch.setenv(INCLUDE_VARIABLE, str(include))
    return include / "config" / "categories.csv"


def ids(plan: Plan) -> list[int]:
    return [category.category_id for category in plan.categories]


@pytest.mark.usefixtures("three_categories")
def test_categories_come_from_the_database_when_nothing_names_them(plan: Planner) -> None:
    assert ids(plan()) == [7, 8, 9]


@pytest.mark.usefixtures("three_categories")
@pytest.mark.parametrize("none", [None, []])
def test_categories_come_from_the_file_before_the_database(
    plan: Planner, categories_file: Path, none: Sequence[int] | None
) -> None:
    categories_file.write_text('name,id\nकुर्सी,9\n"Lamps, desk",7\n', encoding="utf-8")

    made = plan({"categories_file": "categories.csv"}, category_ids=none)

    assert [(c.category_id, c.name) for c in made.categories] == [(7, "Lamps, desk"), (9, "कुर्सी")]


@pytest.mark.usefixtures("three_categories")
def test_categories_come_from_the_parameter_before_the_file(
    plan: Planner, categories_file: Path
) -> None:
    categories_file.write_text("name,id\nChairs,9\n", encoding="utf-8")

    made = plan({"categories_file": "categories.csv"}, category_ids=[8, 9, 8])

    assert [(c.category_id, c.name) for c in made.categories] == [(8, "Category 8"), (9, "Chairs")]


@pytest.mark.usefixtures("three_categories")
def test_chosen_category_that_is_not_in_the_source_is_planned_empty(plan: Planner) -> None:
    made = plan(category_ids=[8, 404])

    assert [(c.category_id, c.variants, c.unit_ids) for c in made.categories] == [
        (8, 1, ("8/1",)),
        (404, 0, ()),
    ]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"name,id\nChairs,7\nLamps,x8\n", "line 3: id 'x8'"),
        (b"name,id\nChairs,0\n", "line 2: id '0'"),
        (b"name,id\nChairs,-4\n", "line 2: id '-4'"),
        (b"name,id\nChairs\n", "line 2: id None"),
        (b'name,id\n"two\nlines",7\nLamps,8.5\n', "line 4: id '8.5'"),
        (b"title,id\nChairs,7\n", "columns ['title', 'id']"),
        (b"", "columns None"),
        (b"name,id\n", "names no category"),
        (b"name,id\nCh\xff,7\n", "cannot be read"),
        (b"name,id\n" + b"x" * 200_000 + b",7\n", "cannot be read"),
        (None, "cannot be read"),
    ],
    ids=["text", "zero", "negative", "short_row", "after_a_broken_line", "columns", "empty",
         "header_only", "not_utf8", "huge_field", "missing"],
)  # fmt: skip
def test_wrong_categories_file_is_named_with_its_line(
    plan_on_sqlite: Planner, categories_file: Path, content: bytes | None, named: str
) -> None:
    if content is not None:
        categories_file.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        plan_on_sqlite({"categories_file": "categories.csv"})

    assert str(categories_file) in str(caught.value)
    assert named in str(caught.value)


def test_categories_file_of_a_spreadsheet_is_read(
    plan_on_sqlite: Planner, categories_file: Path
) -> None:
    categories_file.write_bytes("\ufeffid,name,note\r\n 7 , Chairs ,x\r\n".encode())

    [category] = plan_on_sqlite({"categories_file": "categories.csv"}).categories

    assert (category.category_id, category.name) == (7, "Chairs")


# Rejected rows ----------------------------------------------------------------------------------


def rejected(storage: Storage, run_id: str = RUN) -> list[Row]:
    return list(read_rows(storage, layout.plan_rejected(run_id), REJECTED_ROWS))


def test_images_of_a_category_that_is_no_integer_are_rejected_with_the_reason(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    strays = ["chairs", "", "7.5", "-3", "0", "007", "७", "9" * 25, "7\n", None]
    database.add_variants(1, 2, "7")
    for number, stray in enumerate(strays, start=1):
        database.add_variant(number, stray)
        database.add_image(number, f"{number}-1")
        database.add_image(number, f"{number}-old", is_active=0)

    made = plan()

    assert ids(made) == [7]
    assert made.rejected_rows == len(strays)
    rows = rejected(storage)
    assert {row["reason_code"] for row in rows} == {ReasonCode.CATEGORY_NOT_INTEGER}
    assert {(row["variant_id"], row["image_id"]) for row in rows} == {
        (str(number), f"{number}-1") for number in range(1, len(strays) + 1)
    }
    assert {row["category_id"] for row in rows} == set(strays)
    assert planned(storage).keys() == {"700001"}


def test_category_that_is_not_utf8_is_rejected_and_not_lost(
    plan_on_sqlite: Planner, storage: Storage, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(1, 1, "7")
    sqlite_database.add_variant(1)
    sqlite_database.add_image(1, "1-1")
    sqlite_database.execute(
        "UPDATE inb_variants SET category_id = CAST(x'37FF' AS TEXT) WHERE variant_id = 1"
    )

    made = plan_on_sqlite()

    assert ids(made) == [7]
    assert made.rejected_rows == 1
    [row] = rejected(storage)
    assert (row["category_id"], row["reason_code"]) == ("7\\xff", "category_not_integer")


def test_plan_of_chosen_categories_rejects_nothing(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    database.add_variants(1, 1, "7")
    database.add_variant(1, "chairs")
    database.add_image(1, "1-1")

    assert plan(category_ids=[7]).rejected_rows == 0
    assert rejected(storage) == []


# Runs -------------------------------------------------------------------------------------------


def all_plans(storage: Storage, first: Plan) -> list[Plan]:
    return [first, *(read_plan(storage, run_id) for run_id in first.sibling_run_ids)]


@pytest.mark.parametrize("categories", [1, 20], ids=["one_category", "twenty_categories"])
def test_20_units_with_8_a_run_make_3_runs(
    plan: Planner, storage: Storage, database: SourceDatabase, categories: int
) -> None:
    for category_id in range(1, categories + 1):
        database.add_variants(20 // categories, 1, str(category_id))

    first = plan({"part_size_images": 1, "max_units_per_run": 8})

    plans = all_plans(storage, first)
    assert [len(one.unit_ids) for one in plans] == [8, 8, 4]
    assert [one.sibling_run_ids for one in plans[1:]] == [(), ()]
    listed = [unit_id for one in plans for unit_id in one.unit_ids]
    assert len(set(listed)) == 20
    for one in plans:
        # Each run's plan is readable on its own: its units, and all variants of its categories.
        assert [unit["unit_id"] for unit in units_of(storage, one.run_id)] == one.unit_ids
        for category in one.categories:
            variants = planned(storage, category.category_id, one.run_id)
            assert len(variants) == category.variants == 20 // categories
            own = {row["unit_id"] for row in variants.values()} - {None}
            assert own == set(category.unit_ids)
        assert [read_unit(storage, one.run_id, unit)["unit_id"] for unit in one.unit_ids]
    judged = [
        variant_id
        for one in plans
        for category in one.categories
        for variant_id, row in planned(storage, category.category_id, one.run_id).items()
        if row["unit_id"]
    ]
    assert len(judged) == len(set(judged)) == 20


@pytest.mark.parametrize(
    ("units", "runs"),
    [
        ([3, 3, 3], [[3, 3], [3]]),
        ([8, 1], [[8], [1]]),
        ([5, 4, 3], [[5], [4, 3]]),
        ([2, 17, 1], [[2], [8], [8], [1, 1]]),
        ([7, 0, 1], [[7, 0, 1]]),
        ([8, 0, 1], [[8, 0], [1]]),
    ],
    ids=str,
)
def test_category_stays_in_one_run_unless_it_is_larger_than_a_run(
    plan_on_sqlite: Planner,
    storage: Storage,
    settings: Settings,
    sqlite_database: SourceDatabase,
    units: list[int],
    runs: list[list[int]],
) -> None:
    chosen = list(range(1, len(units) + 1))
    for category_id, count in zip(chosen, units, strict=True):
        sqlite_database.add_variants(count, 1, str(category_id))

    first = plan_on_sqlite({"part_size_images": 1, "max_units_per_run": 8}, category_ids=chosen)

    assert [
        [len(category.unit_ids) for category in one.categories] for one in all_plans(storage, first)
    ] == runs


def test_sibling_runs_have_names_of_their_own_and_share_the_choices(
    plan_on_sqlite: Planner, storage: Storage, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(3, 1)

    first = plan_on_sqlite(
        {"part_size_images": 1, "max_units_per_run": 1}, scope=Scope.FULL, plan_only=True
    )

    assert first.sibling_run_ids == (f"{RUN}__sibling_1", f"{RUN}__sibling_2")
    for one in all_plans(storage, first):
        assert (one.scope, one.is_dry, one.planned_at) == (Scope.FULL, True, NOON)


def test_sibling_run_keeps_the_plan_that_was_made_for_it(
    plan_on_sqlite: Planner, storage: Storage, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(3, 1)
    limits = {"part_size_images": 1, "max_units_per_run": 2}
    first = plan_on_sqlite(limits)
    [sibling] = first.sibling_run_ids

    assert plan_on_sqlite(limits, run_id=sibling).unit_ids == ["7/3"]


# Snapshots --------------------------------------------------------------------------------------


def test_plan_is_kept_on_a_second_call_and_replaced_on_demand(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    database.add_variants(1, 1, "7")
    first = plan()
    database.add_variants(1, 1, "8")

    assert plan() == first
    assert plan() == read_plan(storage, RUN)
    replaced = plan(take_new_snapshot=True)

    assert ids(replaced) == [7, 8]
    assert read_plan(storage, RUN) == replaced


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection((8,)), r"category_ids \[7\]; its parameters are now 'changed' and \[8\]"),
        (Selection((7, 8)), r"'changed' and \[7, 8\]: set take_new_snapshot"),
        (Selection(), "'changed' and null"),
        (Selection((7,), scope=Scope.FULL), r"scope 'changed' .* are now 'full'"),
    ],
    ids=["another category", "one more", "no choice", "another scope"],
)
def test_plan_for_other_categories_is_not_kept_in_silence(
    plan_on_sqlite: Planner, sqlite_database: SourceDatabase, selection: Selection, said: str
) -> None:
    for category_id in ("7", "8"):
        sqlite_database.add_variants(1, 1, category_id)
    plan_on_sqlite(selection=Selection((7,)))

    with pytest.raises(ConfigurationError, match=said):
        plan_on_sqlite(selection=selection)
    replaced = plan_on_sqlite(selection=selection, take_new_snapshot=True)
    assert ids(replaced) == list(selection.category_ids or (7, 8))


def test_plan_is_kept_for_the_same_categories_in_another_order(
    plan_on_sqlite: Planner, sqlite_database: SourceDatabase
) -> None:
    for category_id in ("7", "8"):
        sqlite_database.add_variants(1, 1, category_id)
    first = plan_on_sqlite(selection=Selection((7, 8)))

    assert plan_on_sqlite(selection=Selection((8, 7))) == first


def test_plan_of_an_unchanged_source_is_equal_byte_for_byte(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    database.add_variants(4, 2)
    keys = [layout.plan_units(RUN), layout.plan_variants(RUN, 7), layout.plan_record(RUN)]
    plan()
    before = [storage.read_bytes(key) for key in keys]

    plan(take_new_snapshot=True)

    assert [storage.read_bytes(key) for key in keys] == before


def test_plan_that_breaks_off_leaves_no_record_of_a_whole_one(
    plan: Planner, storage: Storage, database: SourceDatabase
) -> None:
    for category_id in ("7", "8"):
        database.add_variants(1, 1, category_id)
    plan()
    # The categories can be listed but not read, so the new plan stops half-way.
    database.execute("DROP TABLE inb_images")

    with pytest.raises(ImageDuplicationError):
        plan(take_new_snapshot=True)

    with pytest.raises(MissingArtefactError):
        read_plan(storage, RUN)


def test_plan_record_reads_back_as_it_was_made(
    plan_on_sqlite: Planner, storage: Storage, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(2, 1)
    made = plan_on_sqlite({"part_size_images": 1, "max_units_per_run": 1})

    assert read_plan(storage, RUN) == made
    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_unit_that_is_not_in_the_plan_is_named(
    plan_on_sqlite: Planner, storage: Storage, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(1, 1)
    plan_on_sqlite()

    with pytest.raises(MissingArtefactError, match="'7/2'"):
        read_unit(storage, RUN, "7/2")


# For a person -----------------------------------------------------------------------------------


def test_description_says_units_images_requests_and_minutes(
    plan_on_sqlite: Planner, storage: Storage, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(20, 1)
    sqlite_database.add_variant(1, "chairs")
    sqlite_database.add_image(1, "1-1")
    limits = {"part_size_images": 1, "max_units_per_run": 8, "seconds_per_image": 9.0}

    text = describe_plan(plan_on_sqlite(limits), load_settings({"plan": limits}), storage)

    assert "20 units in 3 run(s), 1 categories" in text
    assert "20 images due, about 20 requests, about 3 minute(s)" in text
    assert "1 source rows rejected" in text
    assert text.count("7 Category 7: ") == 3


def test_description_counts_the_categories_of_all_its_runs(
    plan_on_sqlite: Planner, storage: Storage, settings: Settings, sqlite_database: SourceDatabase
) -> None:
    for category_id in range(1, 21):
        sqlite_database.add_variants(1, 1, str(category_id))

    text = describe_plan(plan_on_sqlite({"max_units_per_run": 8}), settings, storage)

    assert "20 units in 3 run(s), 20 categories" in text


def test_description_is_bound_by_the_rate_that_a_host_allows(
    plan_on_sqlite: Planner, storage: Storage, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(10, 30)
    slow = load_settings({"download": {"rate_per_host_per_s": 1.0}})
    unlimited = load_settings(
        {"download": {"rate_per_host_per_s": None}, "plan": {"seconds_per_image": 0.2}}
    )
    made = plan_on_sqlite()

    assert "about 5 minute(s)" in describe_plan(made, slow, storage)
    assert "about 1 minute(s)" in describe_plan(made, unlimited, storage)


def test_description_names_variants_that_left(
    plan_on_sqlite: Planner, storage: Storage, settings: Settings, sqlite_database: SourceDatabase
) -> None:
    sqlite_database.add_variants(2, 1)
    plan_on_sqlite(run_id="first")
    remember_verdicts(storage, settings, planned(storage, run_id="first").values())
    sqlite_database.execute("UPDATE inb_variants SET is_active = 0 WHERE variant_id = 700001")

    text = describe_plan(plan_on_sqlite(), settings, storage)

    assert "7 Category 7: 0 of 1 variants due, 0 of 1 images, 0 unit(s), 1 variant(s) left" in text


# Backfills --------------------------------------------------------------------------------------


def at(year: int, month: int, day: int, *clock: int) -> datetime:
    """A moment as the tables have it, without a zone."""
    return datetime(year, month, day, *clock)  # noqa: DTZ001


WEEK = (datetime(2024, 3, 24, 2, tzinfo=UTC), datetime(2024, 3, 31, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("updated_at", "is_due"),
    [
        (at(2024, 3, 24, 2), True),
        (at(2024, 3, 27, 12), True),
        (at(2024, 3, 24, 1, 59, 59), False),
        (at(2024, 3, 31, 2), False),
        (None, False),
    ],
    ids=["its first moment", "within", "before", "its end", "never"],
)
def test_interval_takes_the_variants_that_changed_within_it(
    plan: Planner, storage: Storage, database: SourceDatabase, updated_at: Any, is_due: bool
) -> None:
    database.add_variant(1)
    database.add_image(1, "o1", updated_at=at(2020, 1, 1))
    database.add_variant(2)
    database.add_image(2, "a1", updated_at=at(2020, 1, 1))
    database.add_image(2, "a2", updated_at=updated_at)

    made = plan(updated_within=WEEK)

    reasons = {v: row["due_reason"] for v, row in planned(storage).items()}
    assert reasons == {"1": None, "2": "updated" if is_due else None}
    # A due variant is judged with all of its images.
    assert [category.images_due for category in made.categories] == [2 if is_due else 0]


@pytest.mark.parametrize(
    ("updated_at", "is_due"),
    [(at(2024, 3, 24, 7, 30), True), (at(2024, 3, 24, 7, 29), False)],
    ids=["at its start in Kolkata", "a minute before"],
)
def test_interval_is_compared_on_the_source_s_own_clock(
    plan: Planner,
    database: SourceDatabase,
    monkeypatch: pytest.MonkeyPatch,
    updated_at: datetime,
    is_due: bool,
) -> None:
    database.add_variant(1)
    database.add_image(1, "i", updated_at=updated_at)

    monkeypatch.setenv("IMAGE_DUPLICATION__SOURCE__TIMEZONE", "Asia/Kolkata")

    made = plan(updated_within=WEEK)

    assert [category.variants_due for category in made.categories] == [int(is_due)]


def test_interval_takes_what_was_judged_already_and_leaves_what_is_new(
    plan: Planner, storage: Storage, settings: Settings, database: SourceDatabase
) -> None:
    database.add_variant(1)
    database.add_image(1, "i", updated_at=at(2024, 3, 27))
    database.add_variant(2)
    database.add_image(2, "n", updated_at=at(2024, 4, 1))
    plan()
    remember_verdicts(storage, settings, [planned(storage)["1"]])

    plan(run_id="backfill", updated_within=WEEK)

    reasons = {v: r["due_reason"] for v, r in planned(storage, run_id="backfill").items()}
    assert reasons == {"1": "updated", "2": None}


def test_plan_keeps_its_interval_and_says_it(
    plan: Planner, storage: Storage, settings: Settings, database: SourceDatabase
) -> None:
    database.add_variants(1, 1)

    made = plan(updated_within=WEEK)

    assert read_plan(storage, RUN) == made
    assert made.updated_within == WEEK
    said = describe_plan(made, settings, storage)
    assert "updated from 2024-03-24 02:00 to 2024-03-31 02:00 UTC" in said


def test_sibling_run_knows_the_run_that_planned_it(plan: Planner, database: SourceDatabase) -> None:
    database.add_variants(2, 1)

    made = plan({"part_size_images": 1, "max_units_per_run": 1})

    assert [lead_run_id(sibling) for sibling in made.sibling_run_ids] == [RUN]
    assert lead_run_id(RUN) == RUN
