"""Stage archive_images: every downloaded picture to its category's folder, by manifest."""

from __future__ import annotations

import itertools
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

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

_IN_FLIGHT = 32  # variants at once: in object storage a picture's move waits for five answers
_BATCH_VARIANTS = 1_024


class _Archived(NamedTuple):
    """What was done for one variant."""

    images: int
    moved: int
    size_bytes: int


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
    variants = read_variants(storage, manifest, ARCHIVE_MANIFEST)
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        while batch := list(itertools.islice(variants, _BATCH_VARIANTS)):
            for done in pool.map(lambda variant: _archive_variant(storage, variant[1]), batch):
                counts["images"] += done.images
                counts["moved"] += done.moved
                counts["bytes"] += done.size_bytes
    return StageReport("archive_images", unit_id, time.monotonic() - started, counts)


def _archive_variant(storage: Storage, rows: list[Row]) -> _Archived:
    """Move a variant's pictures, then remove its staging folder with whatever a kill left there."""
    moved = sum(_move(storage, row) for row in rows)
    storage.delete_folder(rows[0]["staged_key"].rpartition("/")[0])
    return _Archived(len(rows), moved, sum(row["size_bytes"] for row in rows))


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
