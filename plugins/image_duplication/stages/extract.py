"""Stage extract_images: one unit's active image rows, from the source to the first hand-off."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from image_duplication import layout
from image_duplication.plans import read_unit
from image_duplication.queries import Source
from image_duplication.records import ReasonCode, StageReport, Status
from image_duplication.settings import Settings
from image_duplication.source_rows import (
    find_fault,
    has_no_images,
    read_integer,
    read_text,
    read_time,
    sign,
)
from image_duplication.storage import Storage
from image_duplication.tables import (
    EXTRACTED,
    PLANNED_VARIANTS,
    SOURCE_COLUMNS,
    Row,
    TableWriter,
    read_rows,
)

logger = logging.getLogger(__name__)

_ABSENT = {"status": Status.NO_IMAGES, "reason_code": None}


def extract_images(
    storage: Storage,
    settings: Settings,
    source: Source,
    *,
    run_id: str,
    unit_id: str,
    take_new_snapshot: bool = False,
) -> StageReport:
    """Write `extract.parquet`: every active image row of the unit's due variants.

    A snapshot that is there already is kept, unless a new one is asked for. A bad row is written
    with its reason; a variant without images gets one row of status `no_images`.
    """
    started = time.monotonic()
    key = layout.unit_file(run_id, unit_id, "extract.parquet")
    if storage.exists(key) and not take_new_snapshot:
        logger.info("unit %s: keeping the snapshot %s", unit_id, key)
    else:
        unit = read_unit(storage, run_id, unit_id)
        due = {
            row["variant_id"]
            for row in read_rows(
                storage, layout.plan_variants(run_id, unit["category_id"]), PLANNED_VARIANTS
            )
            if row["unit_id"] == unit_id
        }
        with TableWriter(storage, key, EXTRACTED) as writer:
            writer.write(_extracted_rows(source, settings, unit, due))
    counts = {"rows": 0, "images": 0, "failed": 0}
    for row in read_rows(storage, key, EXTRACTED):
        counts["rows"] += 1
        counts["images"] += row["status"] != Status.NO_IMAGES
        counts["failed"] += row["status"] == Status.FAILED
    return StageReport("extract_images", unit_id, time.monotonic() - started, counts)


def _extracted_rows(source: Source, settings: Settings, unit: Row, due: set[str]) -> Iterator[Row]:
    as_of = datetime.now(UTC)
    rows = source.rows(
        "active_images",
        SOURCE_COLUMNS,
        {
            "category_id": str(unit["category_id"]),
            "first_variant_id": json.loads(unit["first_variant_id"]),
            "last_variant_id": json.loads(unit["last_variant_id"]),
        },
    )
    missing = set(due)
    for variant_id, of_variant in itertools.groupby(
        rows, key=lambda row: read_text(row["variant_id"]) or ""
    ):
        if variant_id not in due:
            continue
        missing.discard(variant_id)
        listed = list(of_variant)
        signature = sign(listed)
        is_absent = has_no_images(listed)
        seen: set[str | None] = set()
        for row in listed:
            yield {
                **_read_columns(row, settings, unit),
                "signature": signature,
                "source_as_of": as_of,
                **(_ABSENT if is_absent else _judge_row(row, settings, seen)),
            }
    if missing:
        logger.warning(
            "unit %s: %d planned variants are no longer active in the source, e.g. %r",
            unit["unit_id"],
            len(missing),
            min(missing),
        )


def _read_columns(row: Row, settings: Settings, unit: Row) -> Row:
    return {
        "category_id": unit["category_id"],
        "category_name": read_text(row["category_name"]) or unit["category_name"],
        "variant_id": read_text(row["variant_id"]) or "",
        "catalogue_id": read_text(row["catalogue_id"]),
        "seller_id": read_text(row["seller_id"]),
        "product_url": read_text(row["product_url"]),
        "image_id": read_text(row["image_id"]),
        "position": read_integer(row["position"]),
        "image_url": read_text(row["image_url"]),
        "updated_at": read_time(row["updated_at"], ZoneInfo(settings.source.timezone)),
    }


def _judge_row(row: Row, settings: Settings, seen: set[str | None]) -> dict[str, Any]:
    """Status and reason of one row; `seen` holds the variant's image ids so far.

    An id is looked for within its variant only: what other variants a unit holds is chance.
    """
    fault = find_fault(row, max_url_length=settings.source.max_url_length)
    image_id = read_text(row["image_id"])
    if fault is None and image_id in seen:
        fault = ReasonCode.IMAGE_ID_REPEATED
    seen.add(image_id)
    return {"status": Status.FAILED if fault else Status.LISTED, "reason_code": fault}
