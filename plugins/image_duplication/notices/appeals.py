"""A seller's appeal against a finding, recorded as a decision once somebody has settled it."""

from __future__ import annotations

import logging
from datetime import datetime

from image_duplication.errors import ConfigurationError
from image_duplication.judged_variants import JudgedVariant
from image_duplication.records import DecisionOrigin, DecisionVerdict, Relation, Verdict
from image_duplication.removal.category_states import read_judged_variants
from image_duplication.reviewed_verdicts import judge_reviewed
from image_duplication.reviews import Reviews
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.decisions import Decision, Pair, read_current, record
from image_duplication.store.leases import now_in_utc
from image_duplication.store.notices import read_open_notices, withdraw_notices
from image_duplication.tables import Row

logger = logging.getLogger(__name__)


def record_appeal(
    storage: Storage,
    store: Store,
    *,
    category_id: int,
    variant_id: str,
    image_ids: tuple[str, str],
    is_granted: bool,
    settled_by: str,
    note: str = "",
    now: datetime | None = None,
) -> bool:
    """Record the answer to an appeal against the finding of two images; whether a notice is off.

    Granted, the two are different pictures: the finding is in no later notice or removal, and the
    variant's open notice is withdrawn if the variant shows enough pictures so. Refused, the finding
    is confirmed. `now` is in UTC, without a zone. Raises ConfigurationError when there is no such
    finding, and RemovalRefusedError when the category's state is not whole.
    """
    variant = _find_variant(storage, category_id, variant_id)
    finding = _find_finding(variant, image_ids)
    pair = Pair.of(
        category_id,
        variant_id,
        (finding["base_sha256"], finding["duplicate_sha256"]),
        finding["kinds"] or (),
    )
    verdict = DecisionVerdict.REJECTED if is_granted else DecisionVerdict.CONFIRMED
    decided_at = now or now_in_utc()
    decision = Decision(pair, verdict, DecisionOrigin.APPEAL, settled_by, decided_at, note)
    record(store, [decision])
    logger.info(
        "category %d, variant %s, images %s: appeal %s",
        category_id, variant_id, " and ".join(image_ids), "granted" if is_granted else "refused",
    )  # fmt: skip
    return is_granted and _withdraw_if_enough(store, variant, category_id)


def _find_variant(storage: Storage, category_id: int, variant_id: str) -> JudgedVariant:
    for variant in read_judged_variants(storage, category_id):
        if variant.variant_id == variant_id:
            return variant
    raise ConfigurationError(
        f"variant {variant_id!r} is not in category {category_id}; expected an active variant of it"
    )


def _find_finding(variant: JudgedVariant, image_ids: tuple[str, str]) -> Row:
    duplicates = [row for row in variant.findings if row["relation"] == Relation.DUPLICATE]
    known = [(row["base_image_id"], row["duplicate_image_id"]) for row in duplicates]
    for row, images in zip(duplicates, known, strict=True):
        if set(images) == set(image_ids):
            return row
    allowed = ", ".join(" and ".join(images) for images in known) or "none, for it has no finding"
    raise ConfigurationError(
        f"variant {variant.variant_id!r} has no finding of images {' and '.join(image_ids)}; "
        f"expected {allowed}"
    )


def _withdraw_if_enough(store: Store, variant: JudgedVariant, category_id: int) -> bool:
    """Withdraw the variant's notice at once: until the next notices it could be acted upon."""
    notice = read_open_notices(store, category_id).get(variant.variant_id)
    reviews = Reviews.of(read_current(store, category_id), allows_unreviewed_identical=True)
    if notice is None or judge_reviewed(variant, reviews).verdict != Verdict.COMPLIANT:
        return False
    return withdraw_notices(store, [notice.notice_id]) == 1
