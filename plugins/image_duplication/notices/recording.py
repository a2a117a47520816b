"""Records in the store that sellers were told, and settles the notices that are done with."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from image_duplication import layout
from image_duplication.notices.listing import read_listing, read_noticed
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.notices import record_notices, settle_notices, withdraw_notices
from image_duplication.tables import SETTLED_NOTICES, read_rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many notices a run has recorded, settled and withdrawn; none when it is repeated."""

    new: int
    settled: int
    withdrawn: int


def record_listing(storage: Storage, store: Store, *, run_id: str) -> Recorded:
    """Record a run's notices, from which the days count; a dry run records nothing.

    Repeatable: a notice that is open stays as it is, and nothing is told twice.
    """
    listing = read_listing(storage, run_id)
    if listing.is_dry:
        logger.info("notices %s: a dry run records nothing", run_id)
        return Recorded(0, 0, 0)
    new = sum(
        record_notices(
            store,
            category_id,
            [(row["variant_id"], row["seller_id"]) for row in rows],
            noticed_at=listing.noticed_at,
        )
        for category_id, rows in read_noticed(storage, listing)
    )
    done = list(read_rows(storage, layout.settled_notices(run_id), SETTLED_NOTICES))
    recorded = Recorded(
        new,
        settle_notices(
            store,
            [row["notice_id"] for row in done if not row["is_withdrawn"]],
            settled_at=listing.noticed_at,
        ),
        withdraw_notices(store, [row["notice_id"] for row in done if row["is_withdrawn"]]),
    )
    logger.info("notices %s: %s", run_id, recorded)
    return recorded
