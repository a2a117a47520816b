"""Hand-offs made by hand: rows of every stage, plans, units that finished."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from PIL import Image

from image_duplication import layout
from image_duplication.evidence_rows import EVIDENCE, evidence_to_row
from image_duplication.pictures import staged_key
from image_duplication.plans import Plan, PlannedCategory
from image_duplication.records import (
    Engine,
    Kind,
    ReasonCode,
    Role,
    Scope,
    StageReport,
    Status,
    Verdict,
)
from image_duplication.settings import Settings
from image_duplication.stages.report import write_report
from image_duplication.storage import Storage
from image_duplication.tables import (
    DOWNLOADED,
    JUDGED,
    PLANNED_VARIANTS,
    UNITS,
    Row,
    write_rows,
)
from image_duplication.units import STAGES
from tests.matches import make_pair

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""When the first run of a test reads the source."""


def hours_later(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


# Pictures ---------------------------------------------------------------------------------------


def draw_picture(seed: int, width_px: int = 60, height_px: int = 60) -> Image.Image:
    """Coarse coloured patches: no two seeds are alike, and no turn of one is like itself."""
    patches = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width_px, height_px), Image.Resampling.BICUBIC)


def encode(picture: Image.Image, picture_format: str = "PNG", **options: Any) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, picture_format, **options)
    return sink.getvalue()


# Rows -------------------------------------------------------------------------------------------


def sha256(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def failed_row(
    variant_id: str,
    image_id: str,
    position: int | None = 1,
    *,
    category_id: int = 7,
    category_name: str = "Chairs",
    reason_code: ReasonCode = ReasonCode.NOT_FOUND,
    source_as_of: datetime = NOON,
) -> Row:
    """One row of `tables.DOWNLOADED` whose picture could not be fetched."""
    url = f"https://assets-bg.gem.gov.in/{variant_id}/{image_id}.jpg"
    return {
        "category_id": category_id,
        "category_name": category_name,
        "variant_id": variant_id,
        "catalogue_id": f"catalogue-{variant_id}",
        "seller_id": "seller-1",
        "product_url": f"https://mkp.gem.gov.in/{variant_id}",
        "image_id": image_id,
        "position": position,
        "image_url": url,
        "updated_at": NOON,
        "signature": f"signature-{variant_id}",
        "source_as_of": source_as_of,
        "status": Status.FAILED,
        "reason_code": reason_code,
        "corrected_url": url,
        "url_rules": [],
        "content_sha256": None,
        "size_bytes": None,
        "width_px": None,
        "height_px": None,
        "picture_format": None,
        "http_status": 404,
        "attempts": 1,
        "etag": None,
        "last_modified": None,
        "fetched_at": NOON,
    }


def absent_row(variant_id: str, **of_variant: Any) -> Row:
    """The row that stands for a variant without images."""
    return failed_row(variant_id, "", None, **of_variant) | {
        "image_id": None,
        "image_url": None,
        "corrected_url": None,
        "status": Status.NO_IMAGES,
        "reason_code": None,
        "http_status": None,
        "attempts": None,
        "fetched_at": None,
    }


def downloaded_row(
    variant_id: str,
    image_id: str,
    position: int | None,
    content: bytes,
    *,
    picture_format: str = "PNG",
    **of_variant: Any,
) -> Row:
    return failed_row(variant_id, image_id, position, **of_variant) | {
        "status": Status.DOWNLOADED,
        "reason_code": None,
        "content_sha256": sha256(content),
        "size_bytes": len(content),
        "width_px": 60,
        "height_px": 60,
        "picture_format": picture_format,
        "http_status": 200,
    }


def stage_picture(storage: Storage, run_id: str, row: Row, content: bytes) -> Row:
    storage.write_bytes(staged_key(run_id, row), content, durable=False)
    return row


def write_downloads(storage: Storage, run_id: str, unit_id: str, rows: Iterable[Row]) -> None:
    write_rows(storage, layout.unit_file(run_id, unit_id, "downloads.parquet"), DOWNLOADED, rows)


def judged_row(row: Row, **judgement: Any) -> Row:
    """A row of `tables.JUDGED`; unjudged, or absent, unless `judgement` says otherwise."""
    is_absent = row["status"] == Status.NO_IMAGES
    return {
        **row,
        "role": Role.ABSENT if is_absent else Role.UNJUDGED,
        "is_usable": False,
        "quality_notes": [],
        "detail_px": None,
        "compression": None,
        "is_compression_estimated": None,
        "border_share": None,
        "base_image_id": None,
        "keeper_image_id": None,
        "keeper_reason": None,
        "kinds": [],
        "sentence": None,
        "distance": None,
        "engine": None,
        "related": [],
        "feature_version": "1-px50",
        "threshold_version": "1-0123456789ab",
        "judged_at": row["source_as_of"],
        **judgement,
    }


def judged_variant(
    variant_id: str,
    groups: Sequence[Sequence[str]],
    *,
    keepers: Mapping[str, str] | None = None,
    unusable: Sequence[str] = (),
    failed: Sequence[str] = (),
    related: Sequence[tuple[str, str]] = (),
    **of_variant: Any,
) -> list[Row]:
    """Judged rows of one variant, its images in order of position.

    Each group names its base first; `keepers` names a base's keeper where that is not the base;
    `related` names pairs, the earlier image first. Without any image: the row of an empty variant.
    """
    rows: dict[str, Row] = {}
    for group in groups:
        base = group[0]
        keeper = (keepers or {}).get(base, base)
        for image_id in group:
            rows[image_id] = judged_row(
                downloaded_row(
                    variant_id, image_id, 0, f"{variant_id}{image_id}".encode(), **of_variant
                ),
                role=Role.BASE if image_id == base else Role.DUPLICATE,
                is_usable=image_id not in unusable,
                quality_notes=["blank"] if image_id in unusable else [],
                detail_px=48.0,
                compression=3.5,
                is_compression_estimated=True,
                border_share=0.0,
                base_image_id=base,
                keeper_image_id=keeper,
                keeper_reason="kept for its greater resolution",
                **({} if image_id == base else match_fields(Kind.SAME_PICTURE)),
            )
    for image_id in failed:
        rows[image_id] = judged_row(failed_row(variant_id, image_id, 0, **of_variant))
    for first, second in related:
        rows[second]["related"].append({"image_id": first, **match_fields(Kind.TRANSFORMED)})
    for position, image_id in enumerate(sorted(rows)):
        rows[image_id]["position"] = position
    ordered = [rows[image_id] for image_id in sorted(rows)]
    return ordered or [judged_row(absent_row(variant_id, **of_variant))]


def match_fields(kind: Kind) -> dict[str, Any]:
    return {
        "kinds": [kind],
        "sentence": "same photo, saved again",
        "distance": 2.5,
        "engine": Engine.DIFPY,
    }


def evidence_rows(rows: Sequence[Row]) -> list[Row]:
    """Evidence for each pair of a variant's judged pictures."""
    pictures = [row for row in rows if row["role"] in {Role.BASE, Role.DUPLICATE}]
    return [
        evidence_to_row(
            make_pair(mse=1234.5),
            first,
            second,
            feature_version=first["feature_version"],
            pixel_size=50,
        )
        for place, first in enumerate(pictures)
        for second in pictures[place + 1 :]
    ]


# Runs -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """A unit of a run by hand; `finished` is how many of its stages have finished."""

    unit_id: str
    variants: Sequence[Sequence[Row]]
    finished: int = len(STAGES)
    is_degraded: bool = False


def write_plan(
    storage: Storage,
    run_id: str,
    active: Mapping[int, Sequence[str]],
    units: Sequence[Unit] = (),
    *,
    planned_at: datetime = NOON,
    is_dry: bool = False,
    left: Mapping[int, int] | None = None,
    names: Mapping[int, str] | None = None,
    rejected_rows: int = 0,
) -> Plan:
    """Write the plan of a run: each category's active variants in source order, and its units."""
    unit_of = {
        rows[0]["variant_id"]: unit.unit_id for unit in units for rows in unit.variants if rows
    }
    categories = []
    for category_id, variant_ids in active.items():
        mine = [unit for unit in units if unit.unit_id.startswith(f"{category_id}/")]
        write_rows(
            storage,
            layout.plan_variants(run_id, category_id),
            PLANNED_VARIANTS,
            (
                {
                    "variant_id": variant_id,
                    "unit_id": unit_of.get(variant_id),
                    "signature": f"signature-{variant_id}",
                    "images": 1,
                    "due_reason": "new" if variant_id in unit_of else None,
                }
                for variant_id in variant_ids
            ),
        )
        categories.append(
            PlannedCategory(
                category_id=category_id,
                name=(names or {}).get(category_id, "Chairs"),
                variants=len(variant_ids),
                images=len(variant_ids),
                variants_due=sum(len(unit.variants) for unit in mine),
                images_due=sum(len(unit.variants) for unit in mine),
                left=(left or {}).get(category_id, 0),
                unit_ids=tuple(unit.unit_id for unit in mine),
            )
        )
    write_rows(storage, layout.plan_units(run_id), UNITS, [])
    plan = Plan(
        run_id=run_id,
        scope=Scope.FULL,
        planned_at=planned_at,
        is_dry=is_dry,
        categories=tuple(categories),
        rejected_rows=rejected_rows,
    )
    storage.write_json(layout.plan_record(run_id), plan.to_json())
    return plan


def finish_unit(storage: Storage, settings: Settings, run_id: str, unit: Unit) -> None:
    """Write what a unit's stages leave, up to the last that finished."""
    rows = [row for variant in unit.variants for row in variant]
    counts = {
        "images": sum(row["status"] != Status.NO_IMAGES for row in rows),
        "changed": sum(bool(row["url_rules"]) for row in rows),
        "downloaded": sum(row["content_sha256"] is not None for row in rows),
    }
    reports = [
        StageReport(stage, unit.unit_id, 1.5, counts, unit.is_degraded and number == 2)
        for number, stage in enumerate(STAGES)
    ]
    detected, reported = STAGES.index("detect_duplicates"), STAGES.index("write_report")
    if unit.finished > detected:
        write_rows(
            storage,
            layout.unit_file(run_id, unit.unit_id, "judged.parquet"),
            JUDGED,
            (row for rows in unit.variants for row in rows),
        )
        write_rows(
            storage,
            layout.unit_file(run_id, unit.unit_id, "evidence.parquet"),
            EVIDENCE,
            (row for rows in unit.variants for row in evidence_rows(rows)),
        )
    if unit.finished > reported:
        reports[reported] = write_report(storage, settings, run_id=run_id, unit_id=unit.unit_id)
    for report in reports[: unit.finished]:
        record = layout.stage_record(run_id, unit.unit_id, report.stage)
        storage.write_json(record, report.to_json())


def expected_verdict(distinct: int, unjudged: int, images: int, required: int) -> tuple[str, str]:
    """DESIGN §2's rule as it is written there; the reason only as far as it is written there."""
    if distinct >= required:
        return Verdict.COMPLIANT, ""
    short = f"short_by_{required - distinct}"
    if images < required:
        return short, "too_few_images"
    return (short, "") if distinct + unjudged < required else (Verdict.UNDECIDED, "")
