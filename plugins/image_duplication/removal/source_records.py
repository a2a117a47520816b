"""The source's rows as a removal finds them, read and locked in its transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from image_duplication.records import RemovalKind
from image_duplication.removal.writer import WriterTransaction
from image_duplication.source_rows import read_integer, read_text, read_time, sign

_IMAGES = (
    "row_key",
    "variant_id",
    "image_id",
    "position",
    "image_url",
    "updated_at",
    "is_active",
)
_VARIANTS = ("row_key", "variant_id", "category_id", "is_active")

DEACTIVATE: Mapping[RemovalKind, str] = {
    RemovalKind.IMAGES: "deactivate_images",
    RemovalKind.VARIANTS: "deactivate_variants",
}
REACTIVATE: Mapping[RemovalKind, str] = {
    RemovalKind.IMAGES: "reactivate_images",
    RemovalKind.VARIANTS: "reactivate_variants",
}
"""The statements of `include/sql/removal/` that change rows."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One row of the source. `is_active` is None for a value that is neither 1 nor 0.

    Of a variant: `image_id`, `image_url` and `updated_at` are None. Of an image: `category_id` is.
    """

    row_key: str
    variant_id: str
    is_active: bool | None
    image_id: str | None = None
    image_url: str | None = None
    updated_at: datetime | None = None
    category_id: int | None = None


def read_images(
    transaction: WriterTransaction, variant_ids: Iterable[str], zone: ZoneInfo
) -> list[SourceRecord]:
    """Every image row of some variants, active or not."""
    return [
        SourceRecord(
            row_key=read_text(row["row_key"]) or "",
            variant_id=read_text(row["variant_id"]) or "",
            is_active=_read_flag(row["is_active"]),
            image_id=read_text(row["image_id"]),
            image_url=read_text(row["image_url"]),
            updated_at=read_time(row["updated_at"], zone),
        )
        for row in _read(transaction, "image_rows", _IMAGES, variant_ids)
    ]


def read_variants(transaction: WriterTransaction, variant_ids: Iterable[str]) -> list[SourceRecord]:
    """The rows of some variants, active or not."""
    return [
        SourceRecord(
            row_key=read_text(row["row_key"]) or "",
            variant_id=read_text(row["variant_id"]) or "",
            is_active=_read_flag(row["is_active"]),
            category_id=read_integer(row["category_id"]),
        )
        for row in _read(transaction, "variant_rows", _VARIANTS, variant_ids)
    ]


def read_records(
    transaction: WriterTransaction, kind: RemovalKind, variant_ids: Iterable[str], zone: ZoneInfo
) -> list[SourceRecord]:
    """The rows that a removal of a kind changes, of some variants."""
    if kind is RemovalKind.VARIANTS:
        return read_variants(transaction, variant_ids)
    return read_images(transaction, variant_ids, zone)


def sign_images(transaction: WriterTransaction, variant_ids: Iterable[str]) -> dict[str, str]:
    """The signature of each variant's active image rows, as a run would find it."""
    active: dict[str, list[dict[str, Any]]] = {variant_id: [] for variant_id in variant_ids}
    for row in _read(transaction, "image_rows", _IMAGES, list(active)):
        listed = active.get(read_text(row["variant_id"]) or "")
        if listed is not None and _read_flag(row["is_active"]):
            listed.append(row)
    # A variant without images is signed as the one row of nulls that the extract gives for it.
    return {v: sign(rows or [dict.fromkeys(_IMAGES)]) for v, rows in active.items()}


def _read(
    transaction: WriterTransaction,
    statement: str,
    columns: tuple[str, ...],
    variant_ids: Iterable[str],
) -> list[dict[str, Any]]:
    return transaction.read_rows(statement, columns, sorted(set(variant_ids)))


def _read_flag(value: object) -> bool | None:
    number = read_integer(value)
    return bool(number) if number in {0, 1} else None
