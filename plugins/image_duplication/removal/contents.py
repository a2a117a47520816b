"""Whether pictures still have the bytes that were judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import pyarrow as pa

from image_duplication import layout
from image_duplication.storage import Storage
from image_duplication.tables import JUDGED, Row, read_state_tables


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """A picture that a removal relies on: one to be removed, a keeper, or one of a variant."""

    category_id: int
    variant_id: str
    image_id: str
    image_url: str
    updated_at: datetime | None
    content_sha256: str


FindChanged = Callable[[AbstractSet[ListedPicture]], AbstractSet[ListedPicture]]
"""Which of some pictures no longer have the content of `content_sha256`."""

_COLUMNS = ("category_id", "variant_id", "image_id", "image_url", "updated_at", "content_sha256")
_SCHEMA = pa.schema(
    [JUDGED.field(name) for name in (*_COLUMNS, "corrected_url", "etag", "last_modified")]
)


def read_pictures(
    storage: Storage, variants: Iterable[tuple[int, str]]
) -> frozenset[ListedPicture]:
    """The pictures of some variants, given as (category_id, variant_id), as last judged."""
    return frozenset(_listed(row) for row in _read_rows(storage, variants))


def read_last_judged(
    storage: Storage, pictures: AbstractSet[ListedPicture]
) -> dict[ListedPicture, Row]:
    """The latest judgement's row of those pictures that had the same content then.

    With `corrected_url`, `etag` and `last_modified`.
    """
    judged = {
        _identify(_listed(row)): row
        for row in _read_rows(storage, ((p.category_id, p.variant_id) for p in pictures))
    }
    return {p: row for p in pictures if (row := judged.get(_identify(p))) is not None}


def find_judged_otherwise(
    storage: Storage, pictures: AbstractSet[ListedPicture]
) -> AbstractSet[ListedPicture]:
    """Those pictures that a later judgement has found to be others; no host is asked."""
    return pictures - read_last_judged(storage, pictures).keys()


def _read_rows(storage: Storage, variants: Iterable[tuple[int, str]]) -> Iterator[Row]:
    for category_id, group in groupby(sorted(set(variants)), key=lambda variant: variant[0]):
        key = layout.current("images", category_id)
        if not storage.exists(key):
            continue
        wanted = pa.array([variant_id for _, variant_id in group], pa.string())
        for table in read_state_tables(storage, key, _SCHEMA, wanted):
            yield from (
                row for row in table.to_pylist() if row["content_sha256"] and row["image_id"]
            )


def _listed(row: Row) -> ListedPicture:
    return ListedPicture(**{name: row[name] for name in _COLUMNS})


def _identify(picture: ListedPicture) -> tuple[int, str, str, str]:
    # Not by URL or time: whether the source's row is the same is checked under its lock.
    return (
        picture.category_id,
        picture.variant_id,
        picture.image_id,
        picture.content_sha256,
    )
