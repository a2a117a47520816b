"""Stage publish_run: each category's files from its parts and previous state; the run's summary.

The only writer of a category's files. Repeatable: from the same parts, state and decisions it gives
the same files, and it never puts an older judgement over a newer one. Facts are stated as judged;
reports and counts leave out what people have rejected. What it reports against the state that
it found is explained in `finding_changes`.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from image_duplication import layout
from image_duplication.carried_decisions import find_carried
from image_duplication.category_csvs import write_category_csvs
from image_duplication.category_index import add_to_category_index
from image_duplication.csv_files import write_csv
from image_duplication.errors import (
    ImageDuplicationError,
    SchemaError,
    StorageError,
    TransientError,
    UnitsFailedError,
)
from image_duplication.evidence_rows import EVIDENCE
from image_duplication.finding_changes import (
    compare_findings,
    keep_found_findings,
    keep_settled_variants,
)
from image_duplication.gallery.category_pages import write_gallery
from image_duplication.plans import Plan, PlannedCategory, read_plan
from image_duplication.records import Relation, StageReport
from image_duplication.reviewed_category import ReviewedCategory
from image_duplication.reviews import Reviews
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.decisions import Decided, Decision
from image_duplication.store.leases import now_in_utc
from image_duplication.summary import (
    CarriedDecision,
    CategorySummary,
    RunSummary,
    UnitFailure,
    render_text,
)
from image_duplication.tables import (
    CHANGES,
    FINDINGS,
    JUDGED,
    PLANNED_VARIANTS,
    VERDICTS,
    Row,
    TableWriter,
    read_rows,
    read_state,
    read_state_rows,
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


@dataclass(frozen=True, slots=True)
class _Merge:
    """How one category's new state is put together, variant by variant."""

    category_id: int
    order: dict[str, int]  # place of each active variant in the source's order
    judged: frozenset[str]  # taken from this run's parts
    kept: frozenset[str]  # taken from the previous state
    stated: frozenset[str]  # all variants of the previous state
    parts: tuple[str, ...]  # folders of the finished units, in order
    is_state_sorted: bool


Owning = Callable[[int], contextlib.AbstractContextManager[object]]
"""Keeps other runs off a category while its files are written; may raise CategoryTakenError."""

Deciding = Callable[[int], Decided]
"""Gives what people have decided of a category."""

Carrying = Callable[[Sequence[Decision]], None]
"""Records decisions of one category that go on, unless something was decided meanwhile."""

Telling = Callable[[RunSummary], None]
"""Is handed the summary once it is written, also when the stage raises afterwards."""


@dataclass(frozen=True, slots=True)
class People:
    """What people have decided: how to ask for it, and how to let it go on."""

    deciding: Deciding
    carrying: Carrying


NOBODY = People(lambda _: Decided(), lambda _: None)
"""For a catalogue of which nothing was decided."""


def publish_run(
    storage: Storage,
    settings: Settings,
    *,
    run_id: str,
    owning: Owning = contextlib.nullcontext,
    people: People = NOBODY,
    telling: Telling | None = None,
) -> RunSummary:
    """Write the category files of a run and its summary.

    Raises at the very end, when all that can be published is: StorageError if publishing again may
    help, UnitsFailedError if a unit failed or a category has a file that cannot be read.
    """
    plan = read_plan(storage, run_id)
    if plan.is_dry:
        logger.info("run %s was planned only: nothing to publish", run_id)
        return RunSummary.of(plan, [], {})
    categories = []
    failed: dict[int, ImageDuplicationError] = {}
    with (
        TableWriter(storage, layout.findings_history(run_id), FINDINGS) as history,
        TableWriter(storage, layout.run_changes(run_id, "parquet"), CHANGES) as changes,
    ):
        for category in plan.categories:
            try:
                with owning(category.category_id):
                    summary, changed = _publish_category(
                        storage, settings, plan, category, people, history
                    )
            except ImageDuplicationError as error:  # a failing category never stops another
                logger.exception("category %s is not published", category.category_id)
                failed[category.category_id] = error
                continue
            changes.write(changed)
            categories.append(summary)
            logger.info("category %s: %s", category.category_id, summary.verdicts)
    _write_changes_csv(storage, run_id)
    add_to_category_index(storage, {c.category_id: c.name for c in categories if c.variants})
    run = RunSummary.of(plan, categories, {c: str(error) for c, error in failed.items()})
    storage.write_json(layout.run_summary(run_id, "json"), run.to_json())
    text = render_text(run)
    storage.write_bytes(layout.run_summary(run_id, "txt"), text.encode())
    logger.info("run %s\n%s", run_id, text)
    if telling is not None:
        telling(run)
    if any(isinstance(error, TransientError) for error in failed.values()):
        raise StorageError(_describe_failures(plan, run))
    if run.units_failed or run.categories_failed:
        raise UnitsFailedError(_describe_failures(plan, run))
    return run


def _write_changes_csv(storage: Storage, run_id: str) -> None:
    rows = read_rows(storage, layout.run_changes(run_id, "parquet"), CHANGES)
    write_csv(
        storage,
        layout.run_changes(run_id, "csv"),
        tuple(CHANGES.names),
        ([row[name] for name in CHANGES.names] for row in rows),
    )


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
    people: People,
    history: TableWriter,
) -> tuple[CategorySummary, list[Row]]:
    """Write one category's files; its summary, and its rows of `tables.CHANGES`."""
    reports = {u: read_stage_reports(storage, plan.run_id, u) for u in category.unit_ids}
    finished = [unit_id for unit_id, done in reports.items() if len(done) >= REPORTED]
    previous = _State.read(storage, category.category_id)
    state = _State(plan.planned_at, plan.run_id)
    if previous is not None and previous.planned_at > state.planned_at:
        state = previous
    merge = _plan_merge(storage, plan, category, finished, state)
    not_judged = _find_not_judged(storage, plan, category, finished, merge)
    # Whatever is replaced below, a repeat of this run still knows what was there.
    keep_found_findings(storage, plan.run_id, category.category_id, merge.stated)
    is_current = previous is not None and previous.is_whole and not previous.not_judged
    is_stale = bool(merge.judged or category.left or not_judged or not is_current)
    if is_stale:
        gone = merge.stated - merge.kept - merge.judged
        keep_settled_variants(storage, plan.run_id, category.category_id, merge.judged | gone)
        # Should this break off below, the next run sees that the files are not all of one state.
        replace(state, is_whole=False).write(storage, category.category_id)
        for subject, (_, schema) in _SUBJECTS.items():
            write_rows(
                storage,
                layout.current(subject, category.category_id),
                schema,
                (row for _, rows in _merged(storage, merge, subject) for row in rows),
            )
        # Of the others nothing has changed, unless a run broke off after it had replaced them.
        is_whole = previous is None or previous.is_whole
        changed_variants = merge.judged if is_whole else merge.judged | merge.kept
        _carry_over(storage, settings, plan, category.category_id, people, changed_variants)
    decided = people.deciding(category.category_id)
    reviews = Reviews.of(decided.holding, allows_unreviewed_identical=True)
    reviewed = ReviewedCategory.read(storage, category.category_id, reviews)
    is_stale = (
        is_stale
        or previous is None
        or previous.newest_decision != decided.newest
        # An earlier release wrote none.
        or not storage.exists(layout.gallery(category.category_id))
    )
    if is_stale:
        write_category_csvs(
            reviewed, not_judged=not_judged, write_extract=settings.report.write_extract_csv
        )
        write_gallery(reviewed, settings, not_judged=len(not_judged))
        replace(
            state, is_whole=True, not_judged=len(not_judged), newest_decision=decided.newest
        ).write(storage, category.category_id)
    changed = compare_findings(
        storage, plan.run_id, category.category_id, merge.parts, reviews.rejected
    )
    summary = _summarise(
        reviewed,
        plan,
        category,
        reports,
        changed,
        # What is whole may have been written by an earlier try of this run.
        is_renewed=is_stale or (previous is not None and previous.run_id == plan.run_id),
    )
    for unit_id in finished:
        key = layout.unit_file(plan.run_id, unit_id, "findings.parquet")
        history.write(read_rows(storage, key, FINDINGS))
    return summary, changed


def _carry_over(
    storage: Storage,
    settings: Settings,
    plan: Plan,
    category_id: int,
    people: People,
    variant_ids: frozenset[str],
) -> None:
    """Let the decisions go on whose pictures were only saved anew; the run lists them."""
    carried = find_carried(
        storage,
        settings,
        people.deciding(category_id),
        run_id=plan.run_id,
        category_id=category_id,
        variant_ids=variant_ids,
        now=now_in_utc(),
    )
    if not carried:
        return
    # Listed first: once they are recorded, a repeat of the run finds none to carry.
    listed = [
        CarriedDecision(
            decision.pair.variant_id,
            decision.verdict,
            decision.carried_from or 0,
            (decision.pair.lower_sha256, decision.pair.higher_sha256),
        )
        for decision in carried
    ]
    known = _read_carried(storage, plan.run_id, category_id)
    storage.write_json(
        layout.carried_decisions(plan.run_id, category_id),
        {"decisions": [asdict(one) for one in dict.fromkeys((*known, *listed))]},
    )
    people.carrying(carried)


def _read_carried(storage: Storage, run_id: str, category_id: int) -> tuple[CarriedDecision, ...]:
    key = layout.carried_decisions(run_id, category_id)
    if not storage.exists(key):
        return ()
    return tuple(
        CarriedDecision(**record | {"sha256s": tuple(record["sha256s"])})
        for record in storage.read_json(key)["decisions"]
    )


def _find_not_judged(
    storage: Storage,
    plan: Plan,
    category: PlannedCategory,
    finished: list[str],
    merge: _Merge,
) -> list[str]:
    """The variants of units that failed which no run has judged yet."""
    failed = set(category.unit_ids) - set(finished)
    key = layout.plan_variants(plan.run_id, category.category_id)
    return [
        row["variant_id"]
        for row in read_rows(storage, key, PLANNED_VARIANTS)
        if row["unit_id"] in failed and row["variant_id"] not in merge.judged | merge.kept
    ]


# Merging ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _State:
    """The newest run that a category's files come from.

    Its reports list `not_judged` variants, and heed the decisions up to `newest_decision`.
    """

    planned_at: datetime
    run_id: str
    not_judged: int = 0
    is_whole: bool = True
    newest_decision: int = 0

    @classmethod
    def read(cls, storage: Storage, category_id: int) -> _State | None:
        key = layout.category_state(category_id)
        if not storage.exists(key):
            return None
        record = storage.read_json(key)
        try:
            planned_at = datetime.fromisoformat(record["planned_at"])
            return cls(
                planned_at,
                record["run_id"],
                record["not_judged"],
                record["is_whole"],
                record.get("newest_decision", 0),  # earlier releases heeded none
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SchemaError(f"{key}: {record!r} is no state of a category") from error

    def write(self, storage: Storage, category_id: int) -> None:
        record = {**asdict(self), "planned_at": self.planned_at.isoformat()}
        storage.write_json(layout.category_state(category_id), record)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What decides which of two judgements of one variant holds."""

    as_of: datetime
    signature: str
    unfetched: int

    @classmethod
    def of(cls, verdict: Row) -> _Standing:
        return cls(verdict["source_as_of"], verdict["signature"], verdict["unfetched"])

    def outlasts(self, fresh: _Standing) -> bool:
        """Whether this earlier judgement holds against a fresh one.

        It does when it saw the source later; and when it saw the very same rows with more of their
        pictures, for an outage of the image host takes no finding back.
        """
        if self.as_of > fresh.as_of:
            return True
        return self.signature == fresh.signature and self.unfetched < fresh.unfetched


def _plan_merge(
    storage: Storage,
    plan: Plan,
    category: PlannedCategory,
    finished: list[str],
    state: _State,
) -> _Merge:
    """Decide for each variant whether this run's judgement or the previous one holds."""
    listed = _read_active(storage, plan.run_id, category.category_id)
    order = {variant_id: place for place, variant_id in enumerate(listed)}
    parts = tuple(layout.unit_file(plan.run_id, unit_id, "") for unit_id in finished)
    fresh = {
        row["variant_id"]: _Standing.of(row)
        for part in parts
        for row in read_rows(storage, f"{part}verdicts.parquet", VERDICTS)
        if row["variant_id"] in order
    }
    previous: dict[str, _Standing] = {}
    key = layout.current("verdicts", category.category_id)
    if storage.exists(key):
        previous = {
            row["variant_id"]: _Standing.of(row) for row in read_state_rows(storage, key, VERDICTS)
        }
    # An older run that is published after a newer one takes nothing back: neither a judgement, nor
    # a variant that came into the catalogue since, nor one that left it.
    newest_plan = layout.plan_variants(state.run_id, category.category_id)
    if state.run_id != plan.run_id and storage.exists(newest_plan):
        active = _read_active(storage, state.run_id, category.category_id) | previous.keys()
        fresh = {v: standing for v, standing in fresh.items() if v in active}
    newer = {v for v, earlier in previous.items() if v in fresh and earlier.outlasts(fresh[v])}
    kept = newer | {
        v
        for v, earlier in previous.items()
        if v not in fresh and (v in order or earlier.as_of > plan.planned_at)
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
        stated=frozenset(previous),
        parts=parts,
        is_state_sorted=places == sorted(places),
    )


def _read_active(storage: Storage, run_id: str, category_id: int) -> dict[str, None]:
    """The variants that were active when a run was planned, in the source's order."""
    key = layout.plan_variants(run_id, category_id)
    rows = read_rows(storage, key, PLANNED_VARIANTS, ("variant_id",))
    return {row["variant_id"]: None for row in rows}


def _merged(storage: Storage, merge: _Merge, subject: str) -> Variants:
    """One subject's rows by variant, in the source's order, a variant at a time."""
    file_name, schema = _SUBJECTS[subject]
    parts = (read_variants(storage, f"{part}{file_name}", schema) for part in merge.parts)
    fresh = _chosen(itertools.chain.from_iterable(parts), merge.judged)
    state_key = layout.current(subject, merge.category_id)
    previous = read_state(storage, state_key, schema) if storage.exists(state_key) else iter(())
    state = _chosen(previous, merge.kept)
    if not merge.is_state_sorted:
        # The source's collation changed since: only now is the state held in memory.
        state = iter(sorted(state, key=lambda variant: merge.order[variant[0]]))
    return heapq.merge(fresh, state, key=lambda variant: merge.order[variant[0]])


def _chosen(variants: Variants, variant_ids: frozenset[str]) -> Variants:
    return (variant for variant in variants if variant[0] in variant_ids)


# Summary ----------------------------------------------------------------------------------------


def _summarise(
    reviewed: ReviewedCategory,
    plan: Plan,
    category: PlannedCategory,
    reports: dict[str, list[StageReport]],
    changed: list[Row],
    *,
    is_renewed: bool,
) -> CategorySummary:
    """What the run did to a category, and how the category stands after it."""
    storage = reviewed.storage
    failed_by_reason: Counter[str] = Counter()
    for unit_id, done in reports.items():
        if len(done) >= REPORTED:
            judged = layout.unit_file(plan.run_id, unit_id, "judged.parquet")
            failed_by_reason.update(
                row["reason_code"]
                for row in read_rows(storage, judged, JUDGED, ("reason_code",))
                if row["reason_code"]
            )
    verdicts = Counter(row["verdict"] for row in reviewed.verdicts())
    kinds: Counter[str] = Counter()
    findings = related = 0
    for row in reviewed.findings():
        if row["relation"] == Relation.DUPLICATE:
            findings += 1
            kinds.update(row["kinds"])
        else:
            related += 1
    return CategorySummary(
        category_id=category.category_id,
        name=category.name,
        variants_judged=_sum_count(reports, "write_report", "variants"),
        variants=sum(verdicts.values()),
        images=_sum_count(reports, "extract_images", "images"),
        corrected=_sum_count(reports, "correct_urls", "changed"),
        downloaded=_sum_count(reports, "download_images", "downloaded"),
        failed_by_reason=dict(sorted(failed_by_reason.items())),
        findings=findings,
        related=related,
        findings_by_kind=dict(sorted(kinds.items())),
        findings_new=sum(row["new"] for row in changed),
        findings_repeated=sum(row["repeated"] for row in changed),
        findings_resolved=sum(row["resolved"] for row in changed),
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
        is_renewed=is_renewed,
        decisions_carried=_read_carried(storage, plan.run_id, category.category_id),
    )


def _sum_count(reports: dict[str, list[StageReport]], stage: str, name: str) -> int:
    return sum(
        report.counts[name]
        for report in itertools.chain(*reports.values())
        if report.stage == stage
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
