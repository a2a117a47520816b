"""Stage detect_duplicates: each variant's pictures judged, with the evidence kept."""

from __future__ import annotations

import functools
import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from image_duplication import layout
from image_duplication.detection import (
    MOST_LOOKS,
    Candidate,
    DecodeError,
    Group,
    Match,
    Picture,
    compare_pictures,
    decode,
    describe_picture,
    group_images,
    judge_pairs,
)
from image_duplication.detection.sentences import describe_match
from image_duplication.errors import MissingArtefactError
from image_duplication.evidence_rows import EVIDENCE, evidence_to_row
from image_duplication.judgement_versions import feature_version, threshold_version
from image_duplication.parallel import count_processes, map_in_order
from image_duplication.pictures import find_picture
from image_duplication.records import Kind, ReasonCode, Role, StageReport, Status
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.tables import (
    DOWNLOADED,
    JUDGED,
    Row,
    TableWriter,
    count_rows,
    read_variants,
)

logger = logging.getLogger(__name__)

_BATCH_VARIANTS = 16
_IMAGES_WORTH_A_PROCESS = 400
_PROGRESS_INTERVAL_S = 10.0


@dataclass(frozen=True, slots=True)
class _Judge:
    """What a worker process needs to judge variants."""

    storage: Storage
    settings: Settings
    run_id: str
    judged_at: datetime


def detect_duplicates(
    storage: Storage, settings: Settings, *, run_id: str, unit_id: str, judged_at: datetime
) -> StageReport:
    """Write `judged.parquet`, a row per image, and `evidence.parquet`, a row per compared pair.

    `judged_at` is the run's own time, so that judging a snapshot again gives an equal file.
    """
    started = time.monotonic()
    downloads = layout.unit_file(run_id, unit_id, "downloads.parquet")
    images = count_rows(storage, downloads)
    processes = count_processes(
        settings.detection.processes,
        task_slots=settings.detection.task_slots,
        images=images,
        images_worth_one=_IMAGES_WORTH_A_PROCESS,
    )
    judge = _Judge(storage, settings, run_id, judged_at)
    counts = {"images": 0, "judged": 0, "failed": 0, "pairs": 0, "duplicates": 0, "related": 0}
    progress = _Progress(unit_id, images)
    with (
        TableWriter(storage, layout.unit_file(run_id, unit_id, "judged.parquet"), JUDGED) as judged,
        TableWriter(
            storage, layout.unit_file(run_id, unit_id, "evidence.parquet"), EVIDENCE
        ) as evidence,
    ):
        batches = _batches(rows for _, rows in read_variants(storage, downloads, DOWNLOADED))
        work = functools.partial(_judge_batch, judge)
        for judged_rows, evidence_rows in map_in_order(work, batches, processes):
            judged.write(judged_rows)
            evidence.write(evidence_rows)
            _count(counts, judged_rows, evidence_rows)
            progress.log(counts["images"])
    seconds = time.monotonic() - started
    logger.info("unit %s: %s in %.1f s, %s process(es)", unit_id, counts, seconds, processes)
    return StageReport("detect_duplicates", unit_id, seconds, counts)


def _batches(variants: Iterator[list[Row]]) -> Iterator[list[list[Row]]]:
    while batch := list(itertools.islice(variants, _BATCH_VARIANTS)):
        yield batch


def _count(counts: dict[str, int], judged_rows: list[Row], evidence_rows: list[Row]) -> None:
    counts["images"] += sum(row["role"] != Role.ABSENT for row in judged_rows)
    counts["judged"] += sum(row["role"] in {Role.BASE, Role.DUPLICATE} for row in judged_rows)
    counts["failed"] += sum(row["status"] == Status.FAILED for row in judged_rows)
    counts["duplicates"] += sum(row["role"] == Role.DUPLICATE for row in judged_rows)
    counts["related"] += sum(len(row["related"]) for row in judged_rows)
    counts["pairs"] += len(evidence_rows)


class _Progress:
    """A log line every few seconds: count, share, rate, time left."""

    def __init__(self, unit_id: str, total: int) -> None:
        self._unit_id = unit_id
        self._total = total
        self._started = self._logged = time.monotonic()

    def log(self, done: int) -> None:
        now = time.monotonic()
        if now - self._logged < _PROGRESS_INTERVAL_S:
            return
        self._logged = now
        rate = done / (now - self._started)
        logger.info(
            "unit %s: %s of %s images judged (%.0f%%), %.0f a second, %.0f s left",
            self._unit_id,
            done,
            self._total,
            100 * done / self._total,
            rate,
            (self._total - done) / rate if rate else 0,
        )


def _judge_batch(judge: _Judge, variants: list[list[Row]]) -> tuple[list[Row], list[Row]]:
    judged: list[Row] = []
    evidence: list[Row] = []
    for rows in variants:
        judged_rows, evidence_rows = _judge_variant(judge, rows)
        judged += judged_rows
        evidence += evidence_rows
    return judged, evidence


def _judge_variant(judge: _Judge, rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """One variant's rows in, the same rows judged out, in the order of the rows."""
    judged = [_unjudged_row(judge, row) for row in rows]
    ordered = sorted((row for row in judged if row["content_sha256"]), key=_by_position)
    seen: list[tuple[Row, Picture]] = []
    by_content: dict[str, Picture] = {}
    for row in ordered:
        picture = _look_at(
            judge,
            row,
            by_content.get(row["content_sha256"]),
            with_look=len(by_content) < MOST_LOOKS,
        )
        if picture:
            seen.append((row, picture))
            by_content[picture.content_sha256] = picture
    detection = judge.settings.detection
    evidence = compare_pictures([picture for _, picture in seen], detection)
    matches = judge_pairs(evidence, detection)
    candidates = [
        Candidate(place, picture.width_px, picture.height_px, picture.quality)
        for place, (_, picture) in enumerate(seen)
    ]
    groups, related = group_images(candidates, matches)
    pictured = [row for row, _ in seen]
    _write_groups(pictured, groups, related)
    return judged, [
        evidence_to_row(
            pair,
            pictured[pair.first],
            pictured[pair.second],
            feature_version=feature_version(detection),
            pixel_size=detection.difpy.pixel_size,
        )
        for pair in evidence
    ]


def _by_position(row: Row) -> tuple[bool, int, str]:
    position = row["position"]
    return (position is None, position or 0, row["image_id"])


def _unjudged_row(judge: _Judge, row: Row) -> Row:
    detection = judge.settings.detection
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
        "feature_version": feature_version(detection),
        "threshold_version": threshold_version(detection),
        "judged_at": judge.judged_at,
    }


def _look_at(
    judge: _Judge, row: Row, same_content: Picture | None, *, with_look: bool
) -> Picture | None:
    """The picture of a downloaded row; None, with the reason on the row, when it cannot be read.

    `same_content` is an earlier picture of the same bytes, which need not be decoded again.
    """
    key = find_picture(judge.storage, judge.run_id, row)
    if key is None:
        raise MissingArtefactError(
            f"picture of image {row['image_id']!r}, variant {row['variant_id']!r}, "
            f"{row['content_sha256'][:16]}, is neither staged nor archived; clear download_images"
        )
    try:
        picture = same_content or _describe_file(
            judge, key, row["content_sha256"], with_look=with_look
        )
    except DecodeError as error:
        logger.warning("image %r cannot be decoded: %s", row["image_id"], error)
        row["status"] = Status.FAILED
        row["reason_code"] = ReasonCode.DECODE_FAILED
        return None
    quality = picture.quality
    row["is_usable"] = picture.is_usable
    row["quality_notes"] = list(quality.notes)
    row["detail_px"] = quality.detail_px
    row["compression"] = quality.compression
    row["is_compression_estimated"] = quality.is_compression_estimated
    row["border_share"] = quality.border_share
    return picture


def _describe_file(judge: _Judge, key: str, content_sha256: str, *, with_look: bool) -> Picture:
    settings = judge.settings
    decoded = decode(
        judge.storage.read_bytes(key),
        formats=settings.download.formats,
        max_pixels=settings.download.max_pixels,
    )
    return describe_picture(
        decoded,
        content_sha256,
        settings.detection,
        min_side_px=settings.policy.min_side_px,
        with_look=with_look,
    )


def _write_groups(rows: list[Row], groups: list[Group], related: list[Match]) -> None:
    """Put the groups on the rows of the pictures, which stand in the order of their places."""
    for group in groups:
        base_image_id = rows[group.base]["image_id"]
        rows[group.base]["role"] = Role.BASE
        for place in (group.base, *(match.second for match in group.matches)):
            rows[place]["base_image_id"] = base_image_id
            rows[place]["keeper_image_id"] = rows[group.keeper]["image_id"]
            rows[place]["keeper_reason"] = group.keeper_reason
        for match in group.matches:
            rows[match.second].update(role=Role.DUPLICATE, **_describe(match))
    for match in related:
        rows[match.second]["related"].append(
            {"image_id": rows[match.first]["image_id"], **_describe(match)}
        )


def _describe(match: Match) -> dict[str, Any]:
    return {
        "kinds": [kind for kind in Kind if kind in match.kinds],
        "sentence": describe_match(match),
        "distance": match.distance,
        "engine": match.engine,
    }
