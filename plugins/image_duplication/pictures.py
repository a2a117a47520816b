"""Where a downloaded picture is, told from its row alone: in staging, or already in the archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from image_duplication import layout
from image_duplication.storage import Storage


def staged_key(run_id: str, row: Mapping[str, Any]) -> str:
    """Where the download stage puts the picture of a row."""
    folder = layout.staging_folder(run_id, row["category_id"], row["variant_id"])
    return f"{folder}/{_name(row)}"


def archived_key(row: Mapping[str, Any]) -> str:
    """Where the archive stage puts the picture of a row."""
    return f"{layout.archive_folder(row['category_id'], row['variant_id'])}/{_name(row)}"


def find_picture(storage: Storage, run_id: str, row: Mapping[str, Any]) -> str | None:
    """The key of a row's picture, whole, or None when it is in neither place."""
    for key in (staged_key(run_id, row), archived_key(row)):
        if storage.size(key) == row["size_bytes"]:
            return key
    return None


def _name(row: Mapping[str, Any]) -> str:
    return layout.picture_name(row["image_id"], row["content_sha256"], row["picture_format"])
