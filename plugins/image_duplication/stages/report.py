"""Stage write_report: one unit's findings and verdicts from its judged images, and thumbnails."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from image_duplication import layout
from image_duplication.judged_variants import tell_keeper
from image_duplication.records import Action, Relation, Role, StageReport, Verdict
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.tables import (
    FINDINGS,
    JUDGED,
    VERDICTS,
    Row,
    TableWriter,
    read_variants,
)
from image_duplication.thumbnails import write_thumbnails
from image_duplication.verdicts import judge_variant


def write_report(storage: Storage, settings: Settings, *, run_id: str, unit_id: str) -> StageReport:
    """Write `findings.parquet` and `verdicts.parquet` of one unit, in the order of its variants.

    Makes the thumbnails that people look at: of variants with a finding, or not compliant.
    """
    started = time.monotonic()
    counts = Counter(variants=0, images=0, findings=0)
    judged = layout.unit_file(run_id, unit_id, "judged.parquet")
    with (
        TableWriter(
            storage, layout.unit_file(run_id, unit_id, "findings.parquet"), FINDINGS
        ) as findings,
        TableWriter(
            storage, layout.unit_file(run_id, unit_id, "verdicts.parquet"), VERDICTS
        ) as verdicts,
    ):

        def report_and_choose_shown() -> Iterator[Row]:
            for _, rows in read_variants(storage, judged, JUDGED):
                found = list(_find_findings(rows, run_id))
                verdict = _verdict_row(rows, settings.policy.required_pictures, run_id)
                findings.write(found)
                verdicts.write([verdict])
                counts["variants"] += 1
                counts["images"] += sum(row["role"] != Role.ABSENT for row in rows)
                counts["findings"] += len(found)
                if found or verdict["verdict"] != Verdict.COMPLIANT:
                    yield from (row for row in rows if row["content_sha256"])

        counts.update(write_thumbnails(storage, settings, run_id, report_and_choose_shown()))
    return StageReport("write_report", unit_id, time.monotonic() - started, dict(counts))


def _find_findings(rows: list[Row], run_id: str) -> Iterator[Row]:
    by_image = {row["image_id"]: row for row in rows if row["content_sha256"]}
    # The rows come in the source's order; findings go by position, like the judgement.
    for row in rows:
        if row["role"] == Role.DUPLICATE:
            base = by_image[row["base_image_id"]]
            yield _finding_row(run_id, Relation.DUPLICATE, base, row, row) | tell_keeper(row)
        for match in row["related"]:
            yield _finding_row(run_id, Relation.RELATED, by_image[match["image_id"]], row, match)


def _finding_row(run_id: str, relation: Relation, base: Row, duplicate: Row, match: Row) -> Row:
    return {
        **{
            name: duplicate[name]
            for name in ("category_id", "variant_id", "catalogue_id", "seller_id", "product_url")
        },
        "relation": relation,
        "base_image_id": base["image_id"],
        "base_position": base["position"],
        "base_url": base["corrected_url"],
        "base_sha256": base["content_sha256"],
        "duplicate_image_id": duplicate["image_id"],
        "duplicate_position": duplicate["position"],
        "duplicate_url": duplicate["corrected_url"],
        "duplicate_sha256": duplicate["content_sha256"],
        "kinds": match["kinds"],
        "sentence": match["sentence"],
        "distance": match["distance"],
        "engine": match["engine"],
        "base_quality_notes": base["quality_notes"],
        "duplicate_quality_notes": duplicate["quality_notes"],
        "keeper_image_id": None,
        "keeper_reason": None,
        "action": Action.NONE,
        "feature_version": duplicate["feature_version"],
        "threshold_version": duplicate["threshold_version"],
        "judged_at": duplicate["judged_at"],
        "run_id": run_id,
    }


def _verdict_row(rows: list[Row], required: int, run_id: str) -> Row:
    judgement = judge_variant(rows, required=required)
    return {
        **{
            name: rows[0][name]
            for name in (
                "category_id",
                "category_name",
                "variant_id",
                "catalogue_id",
                "seller_id",
                "product_url",
                "signature",
                "feature_version",
                "threshold_version",
                "source_as_of",
                "judged_at",
            )
        },
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "required": required,
        "images": judgement.images,
        "distinct_usable": judgement.distinct_usable,
        "unjudged": judgement.unjudged,
        "unfetched": judgement.unfetched,
        "fetched_at": min(
            (row["fetched_at"] for row in rows if row["content_sha256"] and row["fetched_at"]),
            default=None,
        ),
        "redundant": judgement.redundant,
        "run_id": run_id,
    }
