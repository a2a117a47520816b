"""Small copies of pictures, for people to look at; no judgement is made from them."""

from __future__ import annotations

import io
import itertools
import logging
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from image_duplication import layout
from image_duplication.detection.decoding import DecodeError, decode_small
from image_duplication.pictures import find_picture
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.tables import Row

logger = logging.getLogger(__name__)

THUMBNAIL_PX = 320
"""Longer side."""

_QUALITY = 80
_IN_FLIGHT = 16  # pictures at once: in object storage each waits for four answers
_DECODED_AT_ONCE = 2  # of these; a decoded picture may take 120 MB
_BATCH_PICTURES = 1_024


class ThumbnailOutcome(StrEnum):
    """What became of one thumbnail; the names are those of a stage's counts."""

    KEPT = "thumbnails_kept"  # it was there
    MADE = "thumbnails_made"
    FAILED = "thumbnails_failed"  # the picture is gone, or cannot be decoded


def make_thumbnail(content: bytes, settings: Settings) -> bytes:
    """A JPEG copy as a buyer sees the picture, its longer side THUMBNAIL_PX or less.

    Raises DecodeError.
    """
    small = decode_small(
        content,
        formats=settings.download.formats,
        max_pixels=settings.download.max_pixels,
        side_px=THUMBNAIL_PX,
    )
    sink = io.BytesIO()
    small.save(sink, "JPEG", quality=_QUALITY, optimize=True)
    return sink.getvalue()


def write_thumbnails(
    storage: Storage, settings: Settings, run_id: str, rows: Iterable[Row]
) -> Counter[str]:
    """Make the missing thumbnails of downloaded images (`tables.DOWNLOADED`), many at once.

    Returns how many were kept, made and failed; a picture that fails stays without one.
    """
    decoding = threading.Semaphore(_DECODED_AT_ONCE)
    counts = Counter({str(outcome): 0 for outcome in ThumbnailOutcome})
    waiting = iter(rows)
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        while batch := list(itertools.islice(waiting, _BATCH_PICTURES)):
            wanted: dict[str, Row] = {}
            for row in batch:  # one of equal bytes stands for all of them
                wanted.setdefault(row["content_sha256"], row)
            counts.update(
                pool.map(
                    lambda row: _ensure(storage, settings, run_id, row, decoding), wanted.values()
                )
            )
    return counts


def _ensure(
    storage: Storage, settings: Settings, run_id: str, row: Row, decoding: threading.Semaphore
) -> ThumbnailOutcome:
    key = layout.thumbnail(row["category_id"], row["content_sha256"])
    # An empty file is what a crash may have left of one that was not forced to disk.
    if storage.size(key):
        return ThumbnailOutcome.KEPT
    picture = find_picture(storage, run_id, row)
    if picture is None:
        logger.info("no picture of image %s: it gets no thumbnail", row["image_id"])
        return ThumbnailOutcome.FAILED
    content = storage.read_bytes(picture)
    try:
        with decoding:
            thumbnail = make_thumbnail(content, settings)
    except DecodeError as error:
        logger.info("no thumbnail of image %s: %s", row["image_id"], error)
        return ThumbnailOutcome.FAILED
    storage.write_bytes(key, thumbnail, durable=False)
    return ThumbnailOutcome.MADE
