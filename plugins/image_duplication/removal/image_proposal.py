"""Proposes which images of chosen categories are to be deactivated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from image_duplication import layout
from image_duplication.records import RemovalKind, Verdict
from image_duplication.removal.category_states import read_judged_variants
from image_duplication.removal.choosing import choose_images
from image_duplication.removal.manifest import CategoryProposal, Proposal
from image_duplication.removal.proposing import is_above, propose
from image_duplication.reviewed_category import review_variant
from image_duplication.reviews import Reviews
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.decisions import read_current
from image_duplication.store.leases import now_in_utc
from image_duplication.tables import SHORT_VARIANTS, Row, TableWriter


def propose_images(
    storage: Storage,
    settings: Settings,
    store: Store,
    *,
    removal_id: str,
    category_ids: Iterable[int],
    proposed_by: str,
    allow_unreviewed_identical: bool | None = None,
    now: datetime | None = None,
) -> Proposal:
    """Write the manifest of a removal of images, and propose it; repeatable by its id.

    `allow_unreviewed_identical` overrides the setting; `now` is in UTC, without a zone. Raises
    RemovalRefusedError when a category's state is not whole.
    """
    allows = settings.removal.allow_unreviewed_identical
    if allow_unreviewed_identical is not None:
        allows = allow_unreviewed_identical
    max_share = settings.removal.max_share

    def write_manifest(manifest: TableWriter) -> list[CategoryProposal]:
        key = layout.removal_short_variants(removal_id)
        with TableWriter(storage, key, SHORT_VARIANTS) as short:
            return [
                _propose_category(
                    storage,
                    category_id,
                    Reviews.of(
                        read_current(store, category_id), allows_unreviewed_identical=allows
                    ),
                    max_share,
                    manifest,
                    short,
                )
                for category_id in sorted(set(category_ids))
            ]

    return propose(
        storage,
        store,
        write_manifest,
        kind=RemovalKind.IMAGES,
        removal_id=removal_id,
        proposed_by=proposed_by,
        max_share=max_share,
        now=now or now_in_utc(),
    )


def _propose_category(
    storage: Storage,
    category_id: int,
    reviews: Reviews,
    max_share: float,
    manifest: TableWriter,
    short: TableWriter,
) -> CategoryProposal:
    name, rows, active, variants, short_variants = "", 0, 0, 0, 0
    excluded: Counter[str] = Counter()
    for variant in read_judged_variants(storage, category_id):
        chosen, why_not = choose_images(variant, reviews)
        manifest.write(chosen)
        name = variant.verdict["category_name"] or name
        rows += len(chosen)
        active += sum(row["image_id"] is not None for row in variant.images)
        variants += bool(chosen)
        excluded += why_not
        if is_short(variant.verdict):
            verdict = review_variant(variant, reviews).verdict
            if is_short(verdict):
                short.write([_short_row(verdict, len(chosen))])
                short_variants += 1
    return CategoryProposal(
        category_id=category_id,
        category_name=name,
        rows=rows,
        active=active,
        needs_confirmation=is_above(rows, active, max_share),
        variants=variants,
        short_variants=short_variants,
        excluded={str(reason): count for reason, count in sorted(excluded.items())},
    )


def is_short(verdict: Row) -> bool:
    """Whether a variant shows too few pictures: with its duplicates, as it does without them."""
    return Verdict.of(verdict["verdict"]) is Verdict.SHORT


def _short_row(verdict: Row, removed_images: int) -> Row:
    kept = [name for name in SHORT_VARIANTS.names if name in verdict]
    return {
        **{name: verdict[name] for name in kept},
        "removed_images": removed_images,
    }
