"""The declared schema of every hand-off, checked at each read and write.

Each stage's schema is that of the stage before plus its own columns, so a row can be followed
through the files by (variant_id, image_id). The schema of the evidence follows the evidence's own
fields: see `evidence_rows`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from image_duplication.errors import SchemaError
from image_duplication.storage import Storage

Row = dict[str, Any]

ROW_GROUP_ROWS = 4_096
"""Rows per Parquet row group: what a stage holds of a unit at a time."""

_MISFITS = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError)

_TIME = pa.timestamp("us", tz="UTC")
_WORDS = pa.list_(pa.string())


def _with(schema: pa.Schema, *fields: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([*schema, *(pa.field(name, kind) for name, kind in fields)])


SOURCE_COLUMNS = (
    "category_id",
    "category_name",
    "variant_id",
    "catalogue_id",
    "seller_id",
    "product_url",
    "image_id",
    "position",
    "image_url",
    "updated_at",
)
"""The result columns of include/sql/active_images.sql: the contract with the source."""

UNITS = pa.schema(
    [
        ("unit_id", pa.string()),
        ("category_id", pa.int64()),
        ("category_name", pa.string()),
        ("part", pa.int32()),
        ("parts", pa.int32()),
        ("label", pa.string()),
        # As JSON, so that an integer key is bound as an integer and a text key as text; null: no
        # bound, for the variants of the plan say all the same which rows belong to the unit.
        ("first_variant_id", pa.string()),
        ("last_variant_id", pa.string()),
        ("variants_due", pa.int64()),
        ("images_due", pa.int64()),
    ]
)

PLANNED_VARIANTS = pa.schema(
    [
        ("variant_id", pa.string()),
        ("unit_id", pa.string()),  # null: not judged in this run
        ("signature", pa.string()),
        ("images", pa.int32()),
        ("due_reason", pa.string()),  # null: not due
    ]
)

REJECTED_ROWS = pa.schema(
    [
        ("category_id", pa.string()),
        ("variant_id", pa.string()),
        ("image_id", pa.string()),
        ("image_url", pa.string()),
        ("reason_code", pa.string()),
    ]
)

EXTRACTED = pa.schema(
    [
        ("category_id", pa.int64()),
        ("category_name", pa.string()),
        ("variant_id", pa.string()),
        ("catalogue_id", pa.string()),
        ("seller_id", pa.string()),
        ("product_url", pa.string()),
        ("image_id", pa.string()),
        ("position", pa.int64()),
        ("image_url", pa.string()),
        ("updated_at", _TIME),
        ("signature", pa.string()),  # of the variant's rows, equal on each of them
        ("source_as_of", _TIME),
        ("status", pa.string()),
        ("reason_code", pa.string()),
    ]
)

CORRECTED = _with(EXTRACTED, ("corrected_url", pa.string()), ("url_rules", _WORDS))

DOWNLOADED = _with(
    CORRECTED,
    ("content_sha256", pa.string()),
    ("size_bytes", pa.int64()),
    ("width_px", pa.int32()),  # as stored, before any EXIF rotation
    ("height_px", pa.int32()),
    ("picture_format", pa.string()),  # Pillow's name, from the content
    ("http_status", pa.int32()),  # of the last answer
    ("attempts", pa.int32()),
    ("etag", pa.string()),
    ("last_modified", pa.string()),
    ("fetched_at", _TIME),
)

JUDGED = _with(
    DOWNLOADED,
    ("role", pa.string()),
    ("is_usable", pa.bool_()),
    ("quality_notes", _WORDS),
    # What the keeper rule needs of a picture, so that it can be applied again without the file;
    # null: not judged, or judged by an earlier release.
    ("detail_px", pa.float64()),
    ("compression", pa.float64()),
    ("is_compression_estimated", pa.bool_()),
    ("border_share", pa.float64()),
    ("base_image_id", pa.string()),
    ("keeper_image_id", pa.string()),
    ("keeper_reason", pa.string()),
    ("kinds", _WORDS),  # of the match with the base
    ("sentence", pa.string()),  # what was done to the picture, in words
    ("distance", pa.float64()),
    ("engine", pa.string()),
    (
        "related",
        pa.list_(
            pa.struct(
                [
                    ("image_id", pa.string()),
                    ("kinds", _WORDS),
                    ("sentence", pa.string()),
                    ("distance", pa.float64()),
                    ("engine", pa.string()),
                ]
            )
        ),
    ),
    ("feature_version", pa.string()),
    ("threshold_version", pa.string()),
    ("judged_at", _TIME),
)

FINDINGS = pa.schema(
    [
        ("category_id", pa.int64()),
        ("variant_id", pa.string()),
        ("catalogue_id", pa.string()),
        ("seller_id", pa.string()),
        ("product_url", pa.string()),
        ("relation", pa.string()),
        ("base_image_id", pa.string()),
        ("base_position", pa.int64()),
        ("base_url", pa.string()),
        ("base_sha256", pa.string()),
        ("duplicate_image_id", pa.string()),
        ("duplicate_position", pa.int64()),
        ("duplicate_url", pa.string()),
        ("duplicate_sha256", pa.string()),
        ("kinds", _WORDS),
        ("sentence", pa.string()),
        ("distance", pa.float64()),
        ("engine", pa.string()),
        ("base_quality_notes", _WORDS),
        ("duplicate_quality_notes", _WORDS),
        ("keeper_image_id", pa.string()),
        ("keeper_reason", pa.string()),
        ("action", pa.string()),
        ("feature_version", pa.string()),
        ("threshold_version", pa.string()),
        ("judged_at", _TIME),
        ("run_id", pa.string()),
    ]
)

VERDICTS = pa.schema(
    [
        ("category_id", pa.int64()),
        ("category_name", pa.string()),
        ("variant_id", pa.string()),
        ("catalogue_id", pa.string()),
        ("seller_id", pa.string()),
        ("product_url", pa.string()),
        ("verdict", pa.string()),  # compliant, short_by_<n> or undecided
        ("reason", pa.string()),
        ("required", pa.int32()),
        ("images", pa.int32()),
        ("distinct_usable", pa.int32()),
        ("unjudged", pa.int32()),
        ("unfetched", pa.int32()),  # of the unjudged, those that another request may fetch
        ("fetched_at", _TIME),  # when a host last gave or confirmed its pictures, the oldest
        ("redundant", pa.int32()),
        ("signature", pa.string()),
        ("feature_version", pa.string()),
        ("threshold_version", pa.string()),
        ("source_as_of", _TIME),
        ("judged_at", _TIME),
        ("run_id", pa.string()),
    ]
)

ARCHIVE_MANIFEST = pa.schema(
    [
        ("category_id", pa.int64()),
        ("variant_id", pa.string()),
        ("image_id", pa.string()),
        ("content_sha256", pa.string()),
        ("size_bytes", pa.int64()),
        ("staged_key", pa.string()),
        ("archived_key", pa.string()),
    ]
)

FOUND_FINDINGS = pa.schema(
    [
        ("variant_id", pa.string()),
        ("seller_id", pa.string()),
        ("finding_digest", pa.binary(16)),  # of variant, relation and unordered content hashes
    ]
)

SETTLED_VARIANTS = pa.schema([("variant_id", pa.string())])

CHANGES = pa.schema(
    [
        ("category_id", pa.int64()),
        ("seller_id", pa.string()),
        ("new", pa.int64()),
        ("repeated", pa.int64()),
        ("resolved", pa.int64()),
    ]
)
"""Findings of one run against the state that it found, by category and seller."""

REMOVED_IMAGES = pa.schema(
    [
        ("category_id", pa.int64()),
        ("variant_id", pa.string()),
        ("image_id", pa.string()),
        ("image_url", pa.string()),  # as the source states it, like `updated_at`
        ("position", pa.int64()),
        ("updated_at", _TIME),
        ("content_sha256", pa.string()),
        ("keeper_image_id", pa.string()),
        ("keeper_image_url", pa.string()),
        ("keeper_updated_at", _TIME),
        ("keeper_sha256", pa.string()),
        ("kinds", _WORDS),
        ("sentence", pa.string()),
        ("decision_id", pa.int64()),  # null: not reviewed
    ]
)
"""The manifest of a removal of images."""

REMOVED_VARIANTS = pa.schema(
    [
        ("category_id", pa.int64()),
        ("variant_id", pa.string()),
        ("catalogue_id", pa.string()),
        ("seller_id", pa.string()),
        ("product_url", pa.string()),
        ("verdict", pa.string()),
        ("required", pa.int32()),
        ("distinct_usable", pa.int32()),
        ("signature", pa.string()),
        ("judged_at", _TIME),
        ("notice_id", pa.int64()),
        ("noticed_at", _TIME),
    ]
)
"""The manifest of a removal of variants."""

SHORT_VARIANTS = pa.schema(
    [
        ("category_id", pa.int64()),
        ("variant_id", pa.string()),
        ("catalogue_id", pa.string()),
        ("seller_id", pa.string()),
        ("product_url", pa.string()),
        ("verdict", pa.string()),
        ("required", pa.int32()),
        ("distinct_usable", pa.int32()),
        ("removed_images", pa.int32()),
    ]
)
"""Variants that stay short after a removal of images."""

RETENTION_MANIFEST = pa.schema(
    [
        ("kind", pa.string()),
        ("key", pa.string()),
        ("category_id", pa.int64()),  # of an archived picture, else null
        ("size_bytes", pa.int64()),
        ("modified_at", _TIME),
    ]
)
"""The files that the maintenance may delete."""

UNREFERENCED = pa.schema([("key", pa.string()), ("unreferenced_since", _TIME)])
"""Archived pictures that nothing refers to, and since when that is known."""


_PHOTO = [("photo", pa.int32()), ("image_id", pa.string()), ("url", pa.string())]

NOTICED_VARIANTS = pa.schema(
    [
        ("category_id", pa.int64()),
        ("category_name", pa.string()),
        ("variant_id", pa.string()),
        ("catalogue_id", pa.string()),
        ("seller_id", pa.string()),
        ("product_url", pa.string()),
        ("required", pa.int32()),
        ("images", pa.int32()),
        ("distinct_usable", pa.int32()),
        ("due_on", pa.string()),  # the last whole day, as YYYY-MM-DD
        ("is_overdue", pa.bool_()),
        ("earlier_notices", pa.int32()),  # of the variant, settled
        ("seller_earlier_notices", pa.int32()),  # of all the seller's variants, settled
        # `photo` counts the variant's images from 1, by position.
        (
            "findings",
            pa.list_(
                pa.struct(
                    [
                        *_PHOTO,
                        ("other_photo", pa.int32()),
                        ("other_url", pa.string()),
                        ("keep_photo", pa.int32()),
                        ("keep_url", pa.string()),
                        ("kinds", _WORDS),
                        ("sentence", pa.string()),
                    ]
                )
            ),
        ),
        ("problems", pa.list_(pa.struct([*_PHOTO, ("problem", pa.string())]))),
    ]
)
"""What notices say: a row per variant that is short, by category."""

SETTLED_NOTICES = pa.schema(
    [
        ("notice_id", pa.int64()),
        ("is_withdrawn", pa.bool_()),  # should not have been given, by a person's decision
    ]
)


def check_schema(found: pa.Schema, declared: pa.Schema, what: str) -> None:
    """Raise SchemaError naming the first column that differs from the declared schema."""
    if found.equals(declared):
        return
    for field in declared:
        place = found.get_field_index(field.name)
        if place < 0:
            raise SchemaError(f"{what}: column {field.name!r} is missing")
        if found.field(place).type != field.type:
            raise SchemaError(
                f"{what}: column {field.name!r} has type {found.field(place).type}, "
                f"expected {field.type}"
            )
        if found.field(place).nullable != field.nullable:
            raise SchemaError(f"{what}: column {field.name!r} differs in whether it may be null")
    extra = [name for name in found.names if name not in declared.names]
    if extra:
        raise SchemaError(f"{what}: column {extra[0]!r} is not declared")
    raise SchemaError(f"{what}: columns are in another order: {found.names}")


class TableWriter:
    """Writes rows to one Parquet file, which appears whole when the block ends, or not at all."""

    def __init__(self, storage: Storage, key: str, schema: pa.Schema) -> None:
        self._storage = storage
        self._key = key
        self._schema = schema
        self._waiting: list[Row] = []
        self._stack = contextlib.ExitStack()
        self.rows = 0

    def __enter__(self) -> Self:
        """Open the sink."""
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(self._storage.writing(self._key))
            self._file = stack.enter_context(
                pq.ParquetWriter(sink, self._schema, compression="zstd")
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        """Write what is waiting and give the file its name; on an error, leave nothing."""
        try:
            if error[0] is None:
                self._flush(len(self._waiting))
        except BaseException as fault:
            self._stack.__exit__(type(fault), fault, fault.__traceback__)
            raise
        self._stack.__exit__(*error)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows; row groups have the same bounds however the rows arrive."""
        for row in rows:
            self._waiting.append(dict(row))
            if len(self._waiting) == ROW_GROUP_ROWS:
                self._flush(ROW_GROUP_ROWS)

    def _flush(self, count: int) -> None:
        if not count:
            return
        self._file.write_table(to_table(self._waiting, self._schema, self._key))
        self.rows += count
        self._waiting = []


def to_table(rows: list[Row], schema: pa.Schema, what: str) -> pa.Table:
    """Rows as a table of the declared schema. Raises SchemaError naming the column that is off."""
    declared = set(schema.names)
    for row in rows:
        if row.keys() != declared:
            odd = sorted(row.keys() ^ declared)
            raise SchemaError(f"{what}: column {odd[0]!r} is missing or not declared")
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except _MISFITS as error:
        raise SchemaError(f"{what}: {_describe_misfit(rows, schema)}") from error


def _describe_misfit(rows: list[Row], schema: pa.Schema) -> str:
    """Which column has a value that does not fit; pyarrow's own message does not say it."""
    for field in schema:
        try:
            pa.array([row[field.name] for row in rows], type=field.type)
        except _MISFITS as error:
            return f"a value does not fit column {field.name!r} of type {field.type}: {error}"
    return "a value does not fit its column"


def read_row_groups(
    storage: Storage, key: str, schema: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[list[Row]]:
    """The rows of a hand-off, one row group at a time; of the columns named, or of all.

    Raises MissingArtefactError when there is no such file, SchemaError when it differs.
    """
    with storage.reading(key) as source:
        file = _open_parquet(source, key)
        check_schema(file.schema_arrow, schema, key)
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=columns).to_pylist()


def read_rows(
    storage: Storage, key: str, schema: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[Row]:
    """The rows of a hand-off, one by one; of the columns named, or of all."""
    for group in read_row_groups(storage, key, schema, columns):
        yield from group


def read_variants(storage: Storage, key: str, schema: pa.Schema) -> Iterator[tuple[str, list[Row]]]:
    """The rows of a hand-off, one variant at a time: consecutive rows of equal variant_id."""
    return _group_by_variant(read_rows(storage, key, schema))


def read_state(storage: Storage, key: str, schema: pa.Schema) -> Iterator[tuple[str, list[Row]]]:
    """The variants of a category's state, which an earlier release may have written.

    A column that it lacks, or had in another form, is null; one that is no longer declared is left
    out. Hand-offs within a run have no such tolerance.
    """
    return _group_by_variant(read_state_rows(storage, key, schema))


def read_state_tables(
    storage: Storage, key: str, schema: pa.Schema, variant_ids: pa.Array
) -> Iterator[pa.Table]:
    """The state of some variants by row groups, with the tolerance of `read_state`, by column."""
    with storage.reading(key) as source:
        file = _open_parquet(source, key)
        known = _known_columns(file, schema)
        for number in range(file.num_row_groups if "variant_id" in known else 0):
            # A state may be many times larger than what is asked for: first its ids alone.
            if not _may_hold(file, number, variant_ids):
                continue
            ids = file.read_row_group(number, columns=["variant_id"])["variant_id"]
            is_asked_for = pc.is_in(ids, value_set=variant_ids)
            if pc.any(is_asked_for).as_py():
                found = file.read_row_group(number, columns=known).filter(is_asked_for)
                yield pa.table(
                    [
                        found[field.name]
                        if field.name in known
                        else pa.nulls(found.num_rows, field.type)
                        for field in schema
                    ],
                    schema=schema,
                )


def _may_hold(file: pq.ParquetFile, number: int, variant_ids: pa.Array) -> bool:
    """Whether a row group may have any of the variants, by the bounds in the file's footer."""
    column = file.schema_arrow.get_field_index("variant_id")
    bounds = file.metadata.row_group(number).column(column).statistics
    if bounds is None or not bounds.has_min_max:
        return True
    asked = pc.min_max(variant_ids).as_py()
    return bool(asked["min"] <= bounds.max and bounds.min <= asked["max"])


def _known_columns(file: pq.ParquetFile, schema: pa.Schema) -> list[str]:
    found = file.schema_arrow
    return [
        field.name
        for field in schema
        if field.name in found.names and found.field(field.name).type == field.type
    ]


def read_state_rows(storage: Storage, key: str, schema: pa.Schema) -> Iterator[Row]:
    """The rows of a category's state, one by one, with the tolerance of `read_state`."""
    with storage.reading(key) as source:
        file = _open_parquet(source, key)
        known = _known_columns(file, schema)
        for number in range(file.num_row_groups):
            for row in file.read_row_group(number, columns=known).to_pylist():
                yield {name: row.get(name) for name in schema.names}


def _group_by_variant(found: Iterator[Row]) -> Iterator[tuple[str, list[Row]]]:
    variant_id: str | None = None
    rows: list[Row] = []
    for row in found:
        if rows and row["variant_id"] != variant_id:
            yield str(variant_id), rows
            rows = []
        variant_id = row["variant_id"]
        rows.append(row)
    if rows:
        yield str(variant_id), rows


def write_rows(
    storage: Storage, key: str, schema: pa.Schema, rows: Iterable[Mapping[str, Any]]
) -> int:
    """Write a whole hand-off; the number of rows written."""
    with TableWriter(storage, key, schema) as writer:
        writer.write(rows)
    return writer.rows


def count_rows(storage: Storage, key: str) -> int:
    """Rows of a hand-off, from its footer alone."""
    with storage.reading(key) as source:
        return int(_open_parquet(source, key).metadata.num_rows)


def _open_parquet(source: IO[bytes], key: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(source)
    except pa.ArrowInvalid as error:
        raise SchemaError(f"{key}: not a Parquet file: {error}") from error
