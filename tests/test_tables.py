"""The declared schemas: what does not fit is named, and equal rows give equal files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_duplication import tables
from image_duplication.errors import MissingArtefactError, SchemaError
from image_duplication.storage import Storage
from image_duplication.tables import (
    ROW_GROUP_ROWS,
    Row,
    TableWriter,
    check_schema,
    count_rows,
    read_row_groups,
    read_rows,
    read_state,
    read_variants,
    to_table,
    write_rows,
)

SCHEMA = pa.schema(
    [
        ("variant_id", pa.string()),
        ("position", pa.int64()),
        ("updated_at", pa.timestamp("us", tz="UTC")),
        ("kinds", pa.list_(pa.string())),
    ]
)
NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)


def row(variant_id: str = "v", position: int | None = 1) -> Row:
    return {
        "variant_id": variant_id,
        "position": position,
        "updated_at": NOON,
        "kinds": ["cropped"],
    }


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (pa.schema(list(SCHEMA)[:-1]), "column 'kinds' is missing"),
        (
            SCHEMA.set(1, pa.field("position", pa.int32())),
            "column 'position' has type int32, expected int64",
        ),
        (
            SCHEMA.set(2, pa.field("updated_at", pa.timestamp("us"))),
            "column 'updated_at' has type timestamp[us], expected timestamp[us, tz=UTC]",
        ),
        (SCHEMA.append(pa.field("colour", pa.string())), "column 'colour' is not declared"),
        (
            pa.schema([SCHEMA.field(1), SCHEMA.field(0), *list(SCHEMA)[2:]]),
            "columns are in another order",
        ),
        (
            SCHEMA.set(1, pa.field("position", pa.int64(), nullable=False)),
            "column 'position' differs",
        ),
    ],
    ids=["missing", "type", "zone", "undeclared", "order", "nullability"],
)
def test_schema_mismatch_names_file_and_column_when_read(
    storage: Storage, found: pa.Schema, message: str
) -> None:
    with storage.writing("a.parquet") as sink:
        pq.write_table(found.empty_table(), sink)

    with pytest.raises(SchemaError) as caught:
        list(read_rows(storage, "a.parquet", SCHEMA))

    assert "a.parquet" in str(caught.value)
    assert message in str(caught.value)


def test_schema_that_is_equal_passes() -> None:
    check_schema(pa.schema(list(SCHEMA), metadata={"by": "another"}), SCHEMA, "a.parquet")


@pytest.mark.parametrize("place", [0, 1, 5])
@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        ({"variant_id": "v", "position": 1, "updated_at": NOON}, "kinds"),
        (row() | {"colour": "red"}, "colour"),
        (row() | {"position": "first"}, "position"),
        (row() | {"position": 2**70}, "position"),
        (row() | {"variant_id": 12}, "variant_id"),
        (row() | {"variant_id": "\ud800"}, "variant_id"),
        (row() | {"updated_at": "yesterday"}, "updated_at"),
        (row() | {"kinds": 7}, "kinds"),
    ],
    ids=["missing", "undeclared", "text_for_number", "over_64_bits", "number_for_text",
         "surrogate", "text_for_time", "number_for_list"],
)  # fmt: skip
def test_row_that_does_not_fit_names_file_and_column_when_written(
    storage: Storage, tmp_path: Path, wrong: Row, column: str, place: int
) -> None:
    rows = [row() for _ in range(6)]
    rows[place] = wrong

    with pytest.raises(SchemaError, match=rf"a\.parquet: .*'{column}'"):
        write_rows(storage, "a.parquet", SCHEMA, rows)

    assert files(tmp_path) == []


def test_rows_read_back_as_they_were_written(storage: Storage) -> None:
    rows = [row("कुर्सी", None), row("b", -(2**62)), row("") | {"kinds": []}]

    assert write_rows(storage, "a/b.parquet", SCHEMA, rows) == 3
    assert list(read_rows(storage, "a/b.parquet", SCHEMA)) == rows
    assert count_rows(storage, "a/b.parquet") == 3


def test_table_without_rows_is_a_file_too(storage: Storage) -> None:
    assert write_rows(storage, "a.parquet", SCHEMA, []) == 0
    assert list(read_rows(storage, "a.parquet", SCHEMA)) == []
    assert count_rows(storage, "a.parquet") == 0


def in_batches(size: int, rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


@pytest.mark.parametrize("size", [1, 7, ROW_GROUP_ROWS, ROW_GROUP_ROWS + 1, 10**6])
def test_file_is_equal_however_its_rows_arrive(storage: Storage, size: int) -> None:
    rows = [row(str(number), number) for number in range(2 * ROW_GROUP_ROWS + 3)]
    write_rows(storage, "at_once.parquet", SCHEMA, rows)

    with TableWriter(storage, "in_batches.parquet", SCHEMA) as writer:
        for batch in in_batches(size, rows):
            writer.write(batch)

    assert storage.read_bytes("in_batches.parquet") == storage.read_bytes("at_once.parquet")
    groups = [len(group) for group in read_row_groups(storage, "in_batches.parquet", SCHEMA)]
    assert groups == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 3]


def test_writer_keeps_its_own_copy_of_a_row(storage: Storage) -> None:
    reused = row("a")
    with TableWriter(storage, "a.parquet", SCHEMA) as writer:
        writer.write([reused])
        reused["variant_id"] = "b"
        writer.write([reused])

    assert [read["variant_id"] for read in read_rows(storage, "a.parquet", SCHEMA)] == ["a", "b"]


@pytest.mark.parametrize("written", [1, ROW_GROUP_ROWS + 1], ids=["waiting", "flushed"])
def test_exception_inside_the_block_leaves_no_file(
    storage: Storage, tmp_path: Path, written: int
) -> None:
    def rows() -> Iterator[Row]:
        for _ in range(written):
            yield row()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_rows(storage, "a/b.parquet", SCHEMA, rows())

    assert files(tmp_path) == []


def test_exception_inside_the_block_keeps_the_earlier_file(storage: Storage) -> None:
    write_rows(storage, "a.parquet", SCHEMA, [row("earlier")])

    with contextlib.suppress(SchemaError):
        write_rows(storage, "a.parquet", SCHEMA, [row(), row() | {"position": "x"}])

    assert [read["variant_id"] for read in read_rows(storage, "a.parquet", SCHEMA)] == ["earlier"]


def test_table_is_written_to_object_storage_too() -> None:
    storage = Storage("memory://tables")

    write_rows(storage, "a.parquet", SCHEMA, [row("a"), row("b")])

    assert [one for one, _ in read_variants(storage, "a.parquet", SCHEMA)] == ["a", "b"]
    storage.delete("a.parquet")


def test_variants_are_read_one_at_a_time_across_row_groups(storage: Storage) -> None:
    size = ROW_GROUP_ROWS + 10
    rows = [row("a", n) for n in range(ROW_GROUP_ROWS - 3)] + [row("b", n) for n in range(size)]
    rows += [row("c")]
    write_rows(storage, "a.parquet", SCHEMA, rows)

    variants = list(read_variants(storage, "a.parquet", SCHEMA))

    assert [(name, len(listed)) for name, listed in variants] == [
        ("a", ROW_GROUP_ROWS - 3),
        ("b", size),
        ("c", 1),
    ]
    assert [one for _, listed in variants for one in listed] == rows


def test_variants_of_an_empty_table_are_none(storage: Storage) -> None:
    write_rows(storage, "a.parquet", SCHEMA, [])

    assert list(read_variants(storage, "a.parquet", SCHEMA)) == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"variant_id,position\n" * 9])
def test_file_that_is_not_parquet_is_a_schema_error(storage: Storage, content: bytes) -> None:
    storage.write_bytes("a.parquet", content)

    with pytest.raises(SchemaError, match=r"a\.parquet: not a Parquet file"):
        list(read_rows(storage, "a.parquet", SCHEMA))
    with pytest.raises(SchemaError, match=r"a\.parquet: not a Parquet file"):
        count_rows(storage, "a.parquet")


def test_table_that_is_missing_is_named(storage: Storage) -> None:
    with pytest.raises(MissingArtefactError, match=r"'a\.parquet'"):
        list(read_rows(storage, "a.parquet", SCHEMA))


def test_schema_of_each_stage_continues_that_of_the_stage_before() -> None:
    steps = [tables.EXTRACTED, tables.CORRECTED, tables.DOWNLOADED, tables.JUDGED]

    for before, after in zip(steps, steps[1:], strict=False):
        assert after.names[: len(before.names)] == before.names
        assert len(after.names) > len(before.names)


def test_extracted_rows_carry_the_source_contract() -> None:
    assert tuple(tables.EXTRACTED.names[:10]) == tables.SOURCE_COLUMNS


def test_table_in_memory_has_the_declared_schema() -> None:
    assert to_table([row()], SCHEMA, "here").schema.equals(SCHEMA)
    assert to_table([], SCHEMA, "here").num_rows == 0


def test_state_of_an_earlier_release_reads_with_nulls(storage: Storage) -> None:
    then = pa.schema([("variant_id", pa.string()), ("old", pa.string()), ("mse", pa.string())])
    now = pa.schema([("variant_id", pa.string()), ("mse", pa.float64()), ("new", pa.string())])
    write_rows(storage, "state.parquet", then, [{"variant_id": "v", "old": "x", "mse": "1"}])
    assert list(read_state(storage, "state.parquet", now)) == [
        ("v", [{"variant_id": "v", "mse": None, "new": None}])
    ]


def test_state_without_the_figures_of_the_keeper_rule_reads_with_nulls(storage: Storage) -> None:
    added = {"detail_px", "compression", "is_compression_estimated", "border_share"}
    then = pa.schema([field for field in tables.JUDGED if field.name not in added])
    stored = dict.fromkeys(then.names) | {"variant_id": "v", "image_id": "1", "is_usable": True}
    write_rows(storage, "state.parquet", then, [stored])
    assert list(read_state(storage, "state.parquet", tables.JUDGED)) == [
        ("v", [stored | dict.fromkeys(added)])
    ]


def test_hand_off_of_an_earlier_release_is_refused(storage: Storage) -> None:
    write_rows(storage, "a.parquet", pa.schema([("variant_id", pa.string())]), [])
    now = pa.schema([("variant_id", pa.string()), ("new", pa.string())])
    with pytest.raises(SchemaError, match="'new' is missing"):
        list(read_variants(storage, "a.parquet", now))
