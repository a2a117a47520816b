"""The pictures that a variant shows already, as the last run that judged it found them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from image_duplication import layout
from image_duplication.errors import UploadRefusedError
from image_duplication.judged_variants import list_images
from image_duplication.pictures import archived_key
from image_duplication.queries import Source
from image_duplication.settings import Settings
from image_duplication.source_rows import read_integer, read_text
from image_duplication.storage import Storage
from image_duplication.tables import JUDGED, Row, read_state_tables
from image_duplication.verdicts import without_repeats

_COLUMNS = pa.schema(
    [
        JUDGED.field(name)
        for name in (
            "category_id",
            "variant_id",
            "image_id",
            "position",
            "image_url",
            "reason_code",
            "content_sha256",
            "picture_format",
            "role",
        )
    ]
)


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One picture of a variant, and how to `read` its bytes.

    `content_sha256` is None for a picture that the run could not fetch; such a one is not read.
    """

    image_id: str | None
    position: int | None
    content_sha256: str | None
    read: Callable[[], bytes]


def read_shown_pictures(
    storage: Storage, settings: Settings, *, category_id: int, variant_id: str
) -> list[ShownPicture]:
    """The pictures of a variant by position, from its category's published state.

    No picture is read yet. Raises UploadRefusedError (`variant_unknown`) where no run has judged
    such a variant, and (`too_many_shown`) where it has more than `upload.max_shown`.
    """
    rows = without_repeats(_read_rows(storage, category_id, variant_id))
    if not rows:
        raise UploadRefusedError(
            "variant_unknown",
            f"variant {variant_id!r} of category {category_id} is in no report yet; expected one "
            "that a run of image_duplication has judged",
        )
    listed = list_images(rows)
    if len(listed) > settings.upload.max_shown:
        raise UploadRefusedError(
            "too_many_shown",
            f"variant {variant_id!r} shows {len(listed)} pictures; an upload is compared with at "
            f"most {settings.upload.max_shown} (upload.max_shown)",
        )
    return [_show(storage, row) for row in listed]


def _read_rows(storage: Storage, category_id: int, variant_id: str) -> list[Row]:
    key = layout.current("images", category_id)
    if not storage.exists(key):
        return []
    asked = pa.array([variant_id], pa.string())
    return [
        row
        for table in read_state_tables(storage, key, _COLUMNS, asked)
        for row in table.to_pylist()
    ]


def _show(storage: Storage, row: Row) -> ShownPicture:
    key = archived_key(row) if row["content_sha256"] else ""
    return ShownPicture(
        row["image_id"],
        row["position"],
        row["content_sha256"],
        functools.partial(storage.read_bytes, key),
    )


def find_category(source: Source, variant_id: str) -> int:
    """The category of a variant, asked of the catalogue's database.

    Raises UploadRefusedError (`variant_unknown`) where no active variant has this id, and
    (`category_needed`) where variants of several categories have it.
    """
    rows = source.rows(
        "categories_of_variant", ("variant_id", "category_id"), {"variant_id": variant_id}
    )
    # A database may find "7 chairs" or "ABC" where the key is 7 or "abc".
    exact = (row for row in rows if read_text(row["variant_id"]) == variant_id)
    categories = {read_integer(row["category_id"]) for row in exact}
    found = sorted(category for category in categories if category is not None)
    if not found:
        raise UploadRefusedError(
            "variant_unknown",
            f"no active variant has the id {variant_id!r}; expected one of the catalogue",
        )
    if len(found) > 1:
        raise UploadRefusedError(
            "category_needed",
            f"variants of the categories {', '.join(map(str, found))} have the id "
            f"{variant_id!r}; say which category is meant",
        )
    return found[0]
