"""Stage archive_images: every downloaded picture to its category's folder, by manifest."""

from __future__ import annotations

import logging
import time

from image_duplication import layout
from image_duplication.errors import MissingArtefactError
from image_duplication.pictures import archived_key, staged_key
from image_duplication.records import StageReport
from image_duplication.storage import Storage
from image_duplication.tables import (
    ARCHIVE_MANIFEST,
    JUDGED,
    Row,
    TableWriter,
    read_rows,
    read_variants,
)

logger = logging.getLogger(__name__)


def archive_images(storage: Storage, *, run_id: str, unit_id: str) -> StageReport:
    """Write `archive.parquet`, the manifest, then carry it out; safe to repeat at any point.

    Raises MissingArtefactError when a picture is neither staged nor archived.
    """
    started = time.monotonic()
    manifest = layout.unit_file(run_id, unit_id, "archive.parquet")
    judged = layout.unit_file(run_id, unit_id, "judged.parquet")
    with TableWriter(storage, manifest, ARCHIVE_MANIFEST) as writer:
        for row in read_rows(storage, judged, JUDGED):
            if row["content_sha256"]:
                writer.write([_manifest_row(run_id, row)])
    counts = {"images": 0, "moved": 0, "bytes": 0}
    for _, rows in read_variants(storage, manifest, ARCHIVE_MANIFEST):
        for row in rows:
            counts["moved"] += _move(storage, row)
            counts["images"] += 1
            counts["bytes"] += row["size_bytes"]
        storage.delete_folder(rows[0]["staged_key"].rpartition("/")[0])
    return StageReport("archive_images", unit_id, time.monotonic() - started, counts)


def _manifest_row(run_id: str, row: Row) -> Row:
    return {
        **{name: row[name] for name in ARCHIVE_MANIFEST.names if name in row},
        "staged_key": staged_key(run_id, row),
        "archived_key": archived_key(row),
    }


def _move(storage: Storage, row: Row) -> bool:
    """Move one picture; False when an earlier try had moved it."""
    if storage.size(row["staged_key"]) == row["size_bytes"]:
        storage.move(row["staged_key"], row["archived_key"])
        return True
    if storage.size(row["archived_key"]) != row["size_bytes"]:
        raise MissingArtefactError(
            f"picture of image {row['image_id']!r}, variant {row['variant_id']!r}, is neither at "
            f"{row['staged_key']!r} nor at {row['archived_key']!r}; clear download_images"
        )
    return False
