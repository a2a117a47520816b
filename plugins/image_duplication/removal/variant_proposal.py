"""Proposes which variants, still short long after the notice to their seller, should go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from image_duplication.judged_variants import JudgedVariant
from image_duplication.records import ExclusionReason, RemovalKind, Verdict
from image_duplication.removal.category_states import read_judged_variants
from image_duplication.removal.image_proposal import is_short
from image_duplication.removal.manifest import CategoryProposal, Proposal
from image_duplication.removal.proposing import is_above, propose
from image_duplication.reviewed_verdicts import judge_reviewed
from image_duplication.reviews import Reviews
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.decisions import read_current
from image_duplication.store.leases import now_in_utc
from image_duplication.store.notices import Notice, read_open_notices
from image_duplication.tables import REMOVED_VARIANTS, Row, TableWriter


def propose_variants(
    storage: Storage,
    settings: Settings,
    store: Store,
    *,
    removal_id: str,
    category_ids: Iterable[int],
    proposed_by: str,
    now: datetime | None = None,
) -> Proposal:
    """Write the manifest of a removal of variants, and propose it; repeatable by its id.

    A variant is proposed when its last verdict is short, without the duplicates that a person has
    rejected too, and its seller was told `notice_days` ago.
    `now` is in UTC, without a zone. Raises RemovalRefusedError when a category's state is not
    whole.
    """
    moment = now or now_in_utc()
    told_until = moment - timedelta(days=settings.removal.notice_days)
    max_share = settings.removal.max_share

    def write_manifest(manifest: TableWriter) -> list[CategoryProposal]:
        return [
            _propose_category(
                storage,
                category_id,
                read_open_notices(store, category_id),
                Reviews.of(read_current(store, category_id), allows_unreviewed_identical=True),
                told_until,
                max_share,
                manifest,
            )
            for category_id in sorted(set(category_ids))
        ]

    return propose(
        storage,
        store,
        write_manifest,
        kind=RemovalKind.VARIANTS,
        removal_id=removal_id,
        proposed_by=proposed_by,
        max_share=max_share,
        now=moment,
    )


def _propose_category(
    storage: Storage,
    category_id: int,
    notices: Mapping[str, Notice],
    reviews: Reviews,
    told_until: datetime,
    max_share: float,
    manifest: TableWriter,
) -> CategoryProposal:
    name, rows, active, short_variants = "", 0, 0, 0
    excluded: Counter[str] = Counter()
    for variant in read_judged_variants(storage, category_id):
        active += 1
        name = variant.verdict["category_name"] or name
        short_variants += is_short(variant.verdict)
        notice = notices.get(variant.variant_id)
        if notice is None:
            continue
        reason = _find_exclusion(variant, reviews, notice, told_until)
        if reason is None:
            manifest.write([_manifest_row(variant.verdict, notice)])
            rows += 1
        else:
            excluded[reason] += 1
    return CategoryProposal(
        category_id=category_id,
        category_name=name,
        rows=rows,
        active=active,
        needs_confirmation=is_above(rows, active, max_share),
        variants=rows,
        short_variants=short_variants,
        excluded={str(reason): count for reason, count in sorted(excluded.items())},
    )


def _find_exclusion(
    variant: JudgedVariant, reviews: Reviews, notice: Notice, told_until: datetime
) -> ExclusionReason | None:
    if not is_short(variant.verdict):
        return ExclusionReason.NOT_SHORT
    if Verdict.of(judge_reviewed(variant, reviews).verdict) is not Verdict.SHORT:
        return ExclusionReason.REJECTED
    return ExclusionReason.NOTICE_NOT_OVER if notice.noticed_at > told_until else None


def _manifest_row(verdict: Row, notice: Notice) -> Row:
    kept = [name for name in REMOVED_VARIANTS.names if name in verdict]
    return {
        **{name: verdict[name] for name in kept},
        "notice_id": notice.notice_id,
        "noticed_at": notice.noticed_at.replace(tzinfo=UTC),
    }
