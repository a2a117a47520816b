"""Every category that was ever published: one whose last variant left must be published once more.

Written by publish_run alone.
"""

from __future__ import annotations

from image_duplication import layout
from image_duplication.errors import SchemaError
from image_duplication.storage import Storage


def read_category_index(storage: Storage) -> dict[int, str]:
    """Category names by id."""
    key = layout.category_index()
    if not storage.exists(key):
        return {}
    record = storage.read_json(key)
    try:
        return {int(category_id): str(name) for category_id, name in record.items()}
    except (AttributeError, ValueError) as error:
        raise SchemaError(f"{key}: {record!r} is no list of category names by id") from error


def add_to_category_index(storage: Storage, names: dict[int, str]) -> None:
    """Add categories, or give known ones their present names."""
    known = read_category_index(storage)
    merged = known | names
    if merged != known:
        storage.write_json(
            layout.category_index(),
            {str(category_id): name for category_id, name in merged.items()},
        )
