"""Stage publish_run: each category's files from its parts and previous state; the run's summary.

The only writer of a category's files. Repeatable: from the same parts and state it gives the same
files, and it never puts an older judgement over a newer one.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from image_duplication import layout
from image_duplication.csv_files import write_csv
from image_duplication.errors import PermanentError, UnitsFailedError
from image_duplication.plans import Plan, PlannedCategory, read_plan
from image_duplication.records import Action, Relation, StageReport, Status
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.summary import CategorySummary, RunSummary, UnitFailure, render_text
from image_duplication.tables import (
    EVIDENCE,
    FINDINGS,
    JUDGED,
    PLANNED_VARIANTS,
    SOURCE_COLUMNS,
    VERDICTS,
    Row,
    TableWriter,
    read_rows,
    read_variants,
    write_rows,
)
from image_duplication.units import REPORTED, STAGES, read_stage_reports

logger = logging.getLogger(__name__)

Variants = Iterator[tuple[str, list[Row]]]

_FAILURES_NAMED = 20

_SUBJECTS = {
    # subject: hand-off of a unit, schema. The verdicts come last: they say what is judged.
    "evidence": ("evidence.parquet", EVIDENCE),
    "images": ("judged.parquet", JUDGED),
    "findings": ("findings.parquet", FINDINGS),
    "verdicts": ("verdicts.parquet", VERDICTS),
}

_DUPLICATES_COLUMNS = (
    "category_id",
    "variant_id",
    "catalogue_id",
    "seller_id",
    "product_url",
    "relation",
    "base_image_id",
    "base_url",
    "duplicate_image_id",
    "duplicate_url",
    "kinds",
    "distance",
    "engine",
    "keeper_image_id",
    "keeper_reason",
    "action",
)

_COMPLIANCE_COLUMNS = (
    "category_id",
    "category_name",
    "variant_id",
    "catalogue_id",
    "seller_id",
    "product_url",
    "verdict",
    "reason",
    "required",
    "images",
    "distinct_usable",
    "unjudged",
    "redundant",
    "judged_at",
    "run_id",
)

_EXTRACT_COLUMNS = (*SOURCE_COLUMNS, "status", "reason_code", "corrected_url")


@dataclass(frozen=True, slots=True)
class _Merge:
    """How one category's new state is put together, variant by variant."""

    category_id: int
    order: dict[str, int]  # place of each active variant in the source's order
    judged: frozenset[str]  # taken from this run's parts
    kept: frozenset[str]  # taken from the previous state
    parts: tuple[str, ...]  # folders of the finished units, in order
    is_state_sorted: bool


def publish_run(storage: Storage, settings: Settings, *, run_id: str) -> RunSummary:
    """Write the category files of a run and its summary.

    Raises UnitsFailedError at the very end, when all that can be published is, if a unit failed or
    a category has a file that cannot be read.
    """
    plan = read_plan(storage, run_id)
    if plan.is_dry:
        logger.info("run %s was planned only: nothing to publish", run_id)
        return RunSummary.of(plan, [], {})
    categories = []
    failed: dict[int, str] = {}
    with TableWriter(storage, layout.findings_history(run_id), FINDINGS) as history:
        for category in plan.categories:
            try:
                summary = _publish_category(storage, settings, plan, category, history)
            except PermanentError as error:  # a failing category never stops another
                logger.exception("category %s is not published", category.category_id)
                failed[category.category_id] = str(error)
                continue
            categories.append(summary)
            logger.info("category %s: %s", category.category_id, summary.verdicts)
    run = RunSummary.of(plan, categories, failed)
    storage.write_json(layout.run_summary(run_id, "json"), run.to_json())
    text = render_text(run)
    storage.write_bytes(layout.run_summary(run_id, "txt"), text.encode())
    logger.info("run %s\n%s", run_id, text)
    if run.units_failed or run.categories_failed:
        raise UnitsFailedError(_describe_failures(plan, run))
    return run


def _describe_failures(plan: Plan, run: RunSummary) -> str:
    failures = [f"category {c}: {reason}" for c, reason in run.categories_failed.items()]
    failures += [str(failure) for failure in run.units_failed]
    return (
        f"{len(run.units_failed)} of {len(plan.unit_ids)} units and {len(run.categories_failed)} "
        f"of {len(plan.categories)} categories failed, the rest is published: "
        + "; ".join(failures[:_FAILURES_NAMED])
    )


def _publish_category(
    storage: Storage,
    settings: Settings,
    plan: Plan,
    category: PlannedCategory,
    history: TableWriter,
) -> CategorySummary:
    reports = {u: read_stage_reports(storage, plan.run_id, u) for u in category.unit_ids}
    finished = [unit_id for unit_id, done in reports.items() if len(done) >= REPORTED]
    merge = _plan_merge(storage, plan, category, finished)
    if merge.judged or category.left or not _is_published(storage, category.category_id):
        for subject, (_, schema) in _SUBJECTS.items():
            write_rows(
                storage,
                layout.current(subject, category.category_id),
                schema,
                (row for _, rows in _merged(storage, merge, subject) for row in rows),
            )
        _write_csvs(storage, settings, category.category_id)
    summary = _summarise(storage, plan, category, reports)
    for unit_id in finished:
        key = layout.unit_file(plan.run_id, unit_id, "findings.parquet")
        history.write(read_rows(storage, key, FINDINGS))
    return summary


def _is_published(storage: Storage, category_id: int) -> bool:
    return storage.exists(layout.current("verdicts", category_id))


# Merging ----------------------------------------------------------------------------------------


def _plan_merge(
    storage: Storage, plan: Plan, category: PlannedCategory, finished: list[str]
) -> _Merge:
    """Decide for each variant whether this run's judgement or the previous one holds."""
    planned = layout.plan_variants(plan.run_id, category.category_id)
    order = {
        row["variant_id"]: place
        for place, row in enumerate(read_rows(storage, planned, PLANNED_VARIANTS))
    }
    parts = tuple(layout.unit_file(plan.run_id, unit_id, "") for unit_id in finished)
    fresh = {
        row["variant_id"]: row["source_as_of"]
        for part in parts
        for row in read_rows(storage, f"{part}verdicts.parquet", VERDICTS)
        if row["variant_id"] in order
    }
    previous: dict[str, datetime] = {}
    key = layout.current("verdicts", category.category_id)
    if storage.exists(key):
        previous = {
            row["variant_id"]: row["source_as_of"] for row in read_rows(storage, key, VERDICTS)
        }
    # An older run that is published after a newer one takes nothing back: neither a judgement,
    # nor a variant that came into the catalogue after it was planned.
    newer = {v for v, as_of in previous.items() if v in fresh and as_of > fresh[v]}
    kept = newer | {
        v
        for v, as_of in previous.items()
        if v not in fresh and (v in order or as_of > plan.planned_at)
    }
    for variant_id in previous:
        if variant_id in kept:
            order.setdefault(variant_id, len(order))
    places = [order[variant_id] for variant_id in previous if variant_id in kept]
    return _Merge(
        category_id=category.category_id,
        order=order,
        judged=frozenset(fresh.keys() - newer),
        kept=frozenset(kept),
        parts=parts,
        is_state_sorted=places == sorted(places),
    )


def _merged(storage: Storage, merge: _Merge, subject: str) -> Variants:
    """One subject's rows by variant, in the source's order, a variant at a time."""
    file_name, schema = _SUBJECTS[subject]
    fresh = _chosen(storage, [f"{part}{file_name}" for part in merge.parts], schema, merge.judged)
    state_key = layout.current(subject, merge.category_id)
    state = _chosen(storage, [state_key] if storage.exists(state_key) else [], schema, merge.kept)
    if not merge.is_state_sorted:
        # The source's collation changed since: only now is the state held in memory.
        state = iter(sorted(state, key=lambda variant: merge.order[variant[0]]))
    return heapq.merge(fresh, state, key=lambda variant: merge.order[variant[0]])


def _chosen(
    storage: Storage, keys: list[str], schema: pa.Schema, variant_ids: frozenset[str]
) -> Variants:
    for key in keys:
        for variant_id, rows in read_variants(storage, key, schema):
            if variant_id in variant_ids:
                yield variant_id, rows


# Files for people -------------------------------------------------------------------------------


def _write_csvs(storage: Storage, settings: Settings, category_id: int) -> None:
    findings = layout.current("findings", category_id)
    verdicts = layout.current("verdicts", category_id)
    write_csv(
        storage,
        layout.report(category_id, "duplicates"),
        (*_DUPLICATES_COLUMNS, "redundant_image_id"),
        (
            [*(row[name] for name in _DUPLICATES_COLUMNS), _find_redundant(row)[0]]
            for row in read_rows(storage, findings, FINDINGS)
        ),
    )
    links: dict[str, list[str]] = {}
    for row in read_rows(storage, findings, FINDINGS):
        if row["relation"] == Relation.DUPLICATE:
            links.setdefault(row["catalogue_id"] or "", []).append(_find_redundant(row)[1] or "")
    write_csv(
        storage,
        layout.report(category_id, "summary"),
        ("catalogue_id", "duplicate_links", "No.of Duplicates"),
        ((catalogue_id, found, len(found)) for catalogue_id, found in links.items()),
    )
    write_csv(
        storage,
        layout.report(category_id, "compliance"),
        _COMPLIANCE_COLUMNS,
        (
            [row[name] for name in _COMPLIANCE_COLUMNS]
            for row in read_rows(storage, verdicts, VERDICTS)
        ),
    )
    if settings.report.write_extract_csv:
        images = layout.current("images", category_id)
        write_csv(
            storage,
            layout.extract_csv(category_id),
            _EXTRACT_COLUMNS,
            (
                [row[name] for name in _EXTRACT_COLUMNS]
                for row in read_rows(storage, images, JUDGED)
                if row["status"] != Status.NO_IMAGES
            ),
        )


def _find_redundant(finding: Row) -> tuple[str | None, str | None]:
    """Image id and URL of the image that a finding asks to remove."""
    if finding["action"] == Action.REMOVE_DUPLICATE:
        return finding["duplicate_image_id"], finding["duplicate_url"]
    if finding["action"] == Action.REMOVE_BASE:
        return finding["base_image_id"], finding["base_url"]
    return None, None


# Summary ----------------------------------------------------------------------------------------


def _summarise(
    storage: Storage,
    plan: Plan,
    category: PlannedCategory,
    reports: dict[str, list[StageReport]],
) -> CategorySummary:
    """What the run did to a category, and how the category stands after it."""
    failed_by_reason: Counter[str] = Counter()
    images = corrected = downloaded = 0
    for unit_id, done in reports.items():
        if len(done) < REPORTED:
            continue
        for row in read_rows(
            storage, layout.unit_file(plan.run_id, unit_id, "judged.parquet"), JUDGED
        ):
            images += row["status"] != Status.NO_IMAGES
            corrected += bool(row["url_rules"])
            downloaded += row["content_sha256"] is not None
            if row["reason_code"]:
                failed_by_reason[row["reason_code"]] += 1
    verdicts = Counter(
        row["verdict"]
        for row in read_rows(storage, layout.current("verdicts", category.category_id), VERDICTS)
    )
    kinds: Counter[str] = Counter()
    findings = related = 0
    for row in read_rows(storage, layout.current("findings", category.category_id), FINDINGS):
        if row["relation"] == Relation.DUPLICATE:
            findings += 1
            kinds.update(row["kinds"])
        else:
            related += 1
    return CategorySummary(
        category_id=category.category_id,
        name=category.name,
        variants_judged=sum(
            done[REPORTED - 1].counts["variants"]
            for done in reports.values()
            if len(done) >= REPORTED
        ),
        variants=sum(verdicts.values()),
        images=images,
        corrected=corrected,
        downloaded=downloaded,
        failed_by_reason=dict(sorted(failed_by_reason.items())),
        findings=findings,
        related=related,
        findings_by_kind=dict(sorted(kinds.items())),
        verdicts=dict(sorted(verdicts.items())),
        units=len(reports),
        units_failed=tuple(
            UnitFailure(unit_id, STAGES[len(done)])
            for unit_id, done in reports.items()
            if len(done) < len(STAGES)
        ),
        units_degraded=tuple(
            unit_id for unit_id, done in reports.items() if any(r.is_degraded for r in done)
        ),
        stage_seconds=_sum_seconds(reports),
        stage_images=_sum_images(reports),
    )


def _sum_seconds(reports: dict[str, list[StageReport]]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for report in itertools.chain(*reports.values()):
        seconds[report.stage] = seconds.get(report.stage, 0.0) + report.seconds
    return seconds


def _sum_images(reports: dict[str, list[StageReport]]) -> dict[str, int]:
    images: Counter[str] = Counter()
    for report in itertools.chain(*reports.values()):
        images[report.stage] += report.counts.get("images", 0)
    return dict(images)
