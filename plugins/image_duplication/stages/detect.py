"""Stage detect_duplicates: each variant's pictures judged, with the evidence kept.

What an earlier run found of the same bytes is judged again, and no picture is read for it: evidence
does not depend on the order of the pictures, so it is the same figures either way.
"""

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
    Candidate,
    DecodeError,
    Group,
    Match,
    PairEvidence,
    Picture,
    compare_pictures,
    describe_content,
    describe_contents,
    group_images,
    judge_pairs,
)
from image_duplication.detection.quality import Quality
from image_duplication.detection.sentences import describe_match
from image_duplication.earlier_evidence import EarlierVariant, read_earlier_evidence
from image_duplication.errors import MissingArtefactError
from image_duplication.evidence_rows import EVIDENCE, evidence_to_row
from image_duplication.judged_variants import by_position
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

_COUNTS = (
    "images",
    "judged",
    "failed",
    "pairs",
    "duplicates",
    "related",
    "decoded",
    "remembered",
)


@dataclass(frozen=True, slots=True)
class _Judge:
    """What a worker process needs to judge variants."""

    storage: Storage
    settings: Settings
    run_id: str
    judged_at: datetime


@dataclass(frozen=True, slots=True)
class _Task:
    """One variant's rows, and what is known of its pictures."""

    rows: list[Row]
    earlier: EarlierVariant | None


@dataclass(slots=True)
class _Judgement:
    """What judging some variants gave."""

    judged: list[Row]
    evidence: list[Row]
    decoded: int = 0
    remembered: int = 0

    def add(self, other: _Judgement) -> None:
        self.judged += other.judged
        self.evidence += other.evidence
        self.decoded += other.decoded
        self.remembered += other.remembered


def detect_duplicates(
    storage: Storage, settings: Settings, *, run_id: str, unit_id: str, judged_at: datetime
) -> StageReport:
    """Write `judged.parquet`, a row per image, and `evidence.parquet`, a row per compared pair.

    `judged_at` is the run's own time, so that judging a snapshot again gives an equal file.

    A variant of which every content was looked at before, and every pair compared, by the same
    feature version, is judged from that evidence: moved, renamed and added copies change nothing of
    it. Of any other variant every picture is decoded, for a changed one is compared with them all;
    except those known to be unreadable.

    Counts: `images`, of them `judged` and `failed`; `pairs` with evidence; `duplicates` and
    `related` found; pictures `decoded`, or tried, by this run; images `remembered`, that is judged
    from stored evidence.
    """
    started = time.monotonic()
    downloads = layout.unit_file(run_id, unit_id, "downloads.parquet")
    images = count_rows(storage, downloads)
    earlier, unknown_images = read_earlier_evidence(storage, settings, downloads)
    processes = count_processes(
        settings.detection.processes,
        task_slots=settings.detection.task_slots,
        images=unknown_images,
        images_worth_one=_IMAGES_WORTH_A_PROCESS,
    )
    judge = _Judge(storage, settings, run_id, judged_at)
    counts = dict.fromkeys(_COUNTS, 0)
    progress = _Progress(unit_id, images)
    with (
        TableWriter(storage, layout.unit_file(run_id, unit_id, "judged.parquet"), JUDGED) as judged,
        TableWriter(
            storage, layout.unit_file(run_id, unit_id, "evidence.parquet"), EVIDENCE
        ) as evidence,
    ):
        batches = _batches(
            _Task(rows, earlier.find(variant_id))
            for variant_id, rows in read_variants(storage, downloads, DOWNLOADED)
        )
        work = functools.partial(_judge_batch, judge)
        for judgement in map_in_order(work, batches, processes):
            judged.write(judgement.judged)
            evidence.write(judgement.evidence)
            _count(counts, judgement)
            progress.log(counts["images"])
    seconds = time.monotonic() - started
    logger.info("unit %s: %s in %.1f s, %s process(es)", unit_id, counts, seconds, processes)
    return StageReport("detect_duplicates", unit_id, seconds, counts)


def _batches(tasks: Iterator[_Task]) -> Iterator[list[_Task]]:
    while batch := list(itertools.islice(tasks, _BATCH_VARIANTS)):
        yield batch


def _count(counts: dict[str, int], judgement: _Judgement) -> None:
    rows = judgement.judged
    counts["images"] += sum(row["role"] != Role.ABSENT for row in rows)
    counts["judged"] += sum(row["role"] in {Role.BASE, Role.DUPLICATE} for row in rows)
    counts["failed"] += sum(row["status"] == Status.FAILED for row in rows)
    counts["duplicates"] += sum(row["role"] == Role.DUPLICATE for row in rows)
    counts["related"] += sum(len(row["related"]) for row in rows)
    counts["pairs"] += len(judgement.evidence)
    counts["decoded"] += judgement.decoded
    counts["remembered"] += judgement.remembered


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


def _judge_batch(judge: _Judge, tasks: list[_Task]) -> _Judgement:
    judgement = _Judgement([], [])
    for task in tasks:
        judgement.add(_judge_variant(judge, task))
    return judgement


def _judge_variant(judge: _Judge, task: _Task) -> _Judgement:
    """One variant's rows in, the same rows judged out, in the order of the rows."""
    judged = [_unjudged_row(judge, row) for row in task.rows]
    ordered = sorted((row for row in judged if row["content_sha256"]), key=by_position)
    findings = _remember(ordered, task.earlier) or _examine(judge, ordered, task.earlier)
    detection = judge.settings.detection
    groups, related = group_images(findings.candidates, judge_pairs(findings.evidence, detection))
    _write_groups(findings.pictured, groups, related)
    return _Judgement(
        judged,
        [
            evidence_to_row(
                pair,
                findings.pictured[pair.first],
                findings.pictured[pair.second],
                feature_version=feature_version(detection),
                pixel_size=detection.difpy.pixel_size,
            )
            for pair in findings.evidence
        ],
        decoded=findings.decoded,
        remembered=findings.remembered,
    )


@dataclass(frozen=True, slots=True)
class _Findings:
    """What there is to judge one variant by.

    `pictured` are the rows of its readable pictures; places are indices into it.
    """

    pictured: list[Row]
    candidates: list[Candidate]
    evidence: list[PairEvidence]
    decoded: int = 0
    remembered: int = 0


def _remember(ordered: list[Row], earlier: EarlierVariant | None) -> _Findings | None:
    """What is known of a variant's pictures, if it is all that judging them takes."""
    recalled = earlier and earlier.recall([row["content_sha256"] for row in ordered])
    if not recalled:
        return None
    pictured = []
    for row, quality in zip(ordered, recalled.qualities, strict=True):
        if quality is None:
            _write_unreadable(row)
        else:
            _write_quality(row, quality)
            pictured.append(row)
    return _Findings(
        pictured, recalled.candidates, recalled.evidence, remembered=len(recalled.qualities)
    )


def _examine(judge: _Judge, ordered: list[Row], earlier: EarlierVariant | None) -> _Findings:
    """What decoding and comparing the pictures shows."""
    row_of = {row["content_sha256"]: row for row in reversed(ordered)}
    unreadable = {content for content in row_of if earlier and earlier.is_unreadable(content)}
    tried = row_of.keys() - unreadable
    described = describe_contents(
        tried, lambda content, with_look: _look_at(judge, row_of[content], with_look=with_look)
    )
    pictured = [row for row in ordered if row["content_sha256"] in described]
    pictures = [described[row["content_sha256"]] for row in pictured]
    for row in ordered:
        if row["content_sha256"] in described:
            _write_quality(row, described[row["content_sha256"]].quality)
        else:
            _write_unreadable(row)
    return _Findings(
        pictured,
        [
            Candidate(place, picture.width_px, picture.height_px, picture.quality)
            for place, picture in enumerate(pictures)
        ],
        compare_pictures(pictures, judge.settings.detection),
        decoded=len(tried),
        remembered=sum(row["content_sha256"] in unreadable for row in ordered),
    )


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


def _look_at(judge: _Judge, row: Row, *, with_look: bool) -> Picture | None:
    """The picture of a downloaded row; None when it cannot be read."""
    key = find_picture(judge.storage, judge.run_id, row)
    if key is None:
        raise MissingArtefactError(
            f"picture of image {row['image_id']!r}, variant {row['variant_id']!r}, "
            f"{row['content_sha256'][:16]}, is neither staged nor archived; clear download_images"
        )
    try:
        return describe_content(
            judge.storage.read_bytes(key),
            row["content_sha256"],
            judge.settings,
            with_look=with_look,
        )
    except DecodeError as error:
        logger.warning("image %r cannot be decoded: %s", row["image_id"], error)
        return None


def _write_unreadable(row: Row) -> None:
    row["status"] = Status.FAILED
    row["reason_code"] = ReasonCode.DECODE_FAILED


def _write_quality(row: Row, quality: Quality) -> None:
    row["is_usable"] = quality.is_usable
    row["quality_notes"] = list(quality.notes)
    row["detail_px"] = quality.detail_px
    row["compression"] = quality.compression
    row["is_compression_estimated"] = quality.is_compression_estimated
    row["border_share"] = quality.border_share


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
