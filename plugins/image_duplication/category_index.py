"""Every category that was ever published: one whose last variant left must be published once more.

Written by publish_run alone.
"""

from __future__ import annotations

from image_duplication import layout
from image_duplication.storage import Storage


def read_category_index(storage: Storage) -> dict[int, str]:
    """Category names by id."""
    key = layout.category_index()
    if not storage.exists(key):
        return {}
    return {int(category_id): name for category_id, name in storage.read_json(key).items()}


def add_to_category_index(storage: Storage, names: dict[int, str]) -> None:
    """Add categories, or give known ones their present names."""
    known = read_category_index(storage)
    merged = known | names
    if merged != known:
        storage.write_json(
            layout.category_index(),
            {str(category_id): name for category_id, name in merged.items()},
        )
