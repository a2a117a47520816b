"""Whether pictures still have the bytes that were judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import pyarrow as pa

from image_duplication import layout
from image_duplication.storage import Storage
from image_duplication.tables import JUDGED, read_state_tables


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """A picture that a removal relies on: one to be removed, a keeper, or one of a variant."""

    category_id: int
    variant_id: str
    image_id: str
    image_url: str
    updated_at: datetime | None
    content_sha256: str


HasSameContent = Callable[[ListedPicture], bool]
"""Whether a picture still has the content of `content_sha256`; asked before each transaction."""

_COLUMNS = ("category_id", "variant_id", "image_id", "image_url", "updated_at", "content_sha256")
_SCHEMA = pa.schema([JUDGED.field(name) for name in _COLUMNS])


def read_pictures(
    storage: Storage, variants: Iterable[tuple[int, str]]
) -> frozenset[ListedPicture]:
    """The pictures of some variants, given as (category_id, variant_id), as last judged."""
    found = set()
    for category_id, group in groupby(sorted(set(variants)), key=lambda variant: variant[0]):
        key = layout.current("images", category_id)
        if not storage.exists(key):
            continue
        wanted = pa.array([variant_id for _, variant_id in group], pa.string())
        for table in read_state_tables(storage, key, _SCHEMA, wanted):
            found |= {
                ListedPicture(**{name: row[name] for name in _COLUMNS})
                for row in table.to_pylist()
                if row["content_sha256"] and row["image_id"]
            }
    return frozenset(found)


def find_changed(
    storage: Storage, pictures: Iterable[ListedPicture], has_same_content: HasSameContent | None
) -> frozenset[ListedPicture]:
    """Those pictures that no longer have their content.

    Without a way to ask, those that a later judgement has found to be others.
    """
    asked = frozenset(pictures)
    if has_same_content is None:
        judged = {
            (p.category_id, p.variant_id, p.image_id, p.content_sha256)
            for p in read_pictures(storage, ((p.category_id, p.variant_id) for p in asked))
        }
        return frozenset(
            p
            for p in asked
            if (p.category_id, p.variant_id, p.image_id, p.content_sha256) not in judged
        )
    # In a stable order, so that a repeat asks in the same one.
    ordered = sorted(asked, key=lambda p: (p.category_id, p.variant_id, p.image_id))
    return frozenset(p for p in ordered if not has_same_content(p))
