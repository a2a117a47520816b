"""Lists the variants that a run of notices is about, and the earlier notices that it settles.

Written once per run and kept when the run is repeated, so that its pages are the same, and so that
an old run never says anything of today.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from image_duplication import layout
from image_duplication.errors import (
    CategoriesLeftOutError,
    ConfigurationError,
    PermanentError,
)
from image_duplication.judged_variants import JudgedVariant
from image_duplication.notices.contents import Due, describe_variant
from image_duplication.records import Verdict
from image_duplication.removal.category_states import read_judged_variants
from image_duplication.reviewed_verdicts import judge_reviewed
from image_duplication.reviews import Reviews
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.decisions import read_current
from image_duplication.store.leases import now_in_utc
from image_duplication.store.notices import (
    Notice,
    count_settled_by_seller,
    count_settled_by_variant,
    read_open_notices,
)
from image_duplication.tables import (
    NOTICED_VARIANTS,
    SETTLED_NOTICES,
    Row,
    TableWriter,
    read_rows,
)

logger = logging.getLogger(__name__)

_NAMED = 20


@dataclass(frozen=True, slots=True)
class Listing:
    """One run of notices: what it was asked, and when.

    `noticed_at` is in UTC, without a zone; `failed` says why a category could not be read.
    """

    run_id: str
    is_dry: bool
    noticed_at: datetime
    category_ids: tuple[int, ...]
    variants: int
    failed: dict[int, str]

    def check_complete(self) -> None:
        """Raise CategoriesLeftOutError naming the categories that could not be read."""
        if self.failed:
            named = [f"{category_id}: {why}" for category_id, why in self.failed.items()]
            more = [f"{len(named) - _NAMED} more"] if len(named) > _NAMED else []
            raise CategoriesLeftOutError(
                f"{len(named)} category(ies) are left out, the others are told: "
                + "; ".join([*named[:_NAMED], *more])
            )

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return asdict(self) | {
            "noticed_at": self.noticed_at.isoformat(),
            "failed": {str(category_id): why for category_id, why in self.failed.items()},
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """The record that `to_json` gave."""
        return cls(
            **record
            | {
                "noticed_at": datetime.fromisoformat(record["noticed_at"]),
                "category_ids": tuple(record["category_ids"]),
                "failed": {int(category_id): why for category_id, why in record["failed"].items()},
            }
        )


def list_short_variants(
    storage: Storage,
    settings: Settings,
    store: Store,
    *,
    run_id: str,
    category_ids: Iterable[int],
    is_dry: bool,
    now: datetime | None = None,
) -> Listing:
    """Write what the notices of a run say; nothing is recorded in the store.

    A run that has its list keeps it. A category whose state cannot be read is left out and named;
    the others go on. `now` is in UTC, without a zone.
    """
    if storage.exists(layout.notices_record(run_id)):
        listing = read_listing(storage, run_id)
        if listing.is_dry != is_dry:
            raise ConfigurationError(
                f"run of notices {run_id!r} has its list, written with dry_run "
                f"{listing.is_dry}; expected the same, or a new run"
            )
        logger.info("notices %s: keeping the list of %d variants", run_id, listing.variants)
        return listing
    moment = now or now_in_utc()
    asked = tuple(sorted(set(category_ids)))
    failed: dict[int, str] = {}
    sellers = count_settled_by_seller(store)
    variants = 0
    with (
        TableWriter(storage, layout.noticed_variants(run_id), NOTICED_VARIANTS) as noticed,
        TableWriter(storage, layout.settled_notices(run_id), SETTLED_NOTICES) as settled,
    ):
        for category_id in asked:
            try:
                category = _Category(store, settings, category_id, moment, sellers)
                noticed.write(category.list_short(read_judged_variants(storage, category_id)))
                settled.write(category.list_settled())
                variants += category.listed
            except PermanentError as error:
                logger.error("notices %s: category %d is left out: %s", run_id, category_id, error)
                failed[category_id] = str(error)
    listing = Listing(run_id, is_dry, moment, asked, variants, failed)
    storage.write_json(layout.notices_record(run_id), listing.to_json())
    logger.info(
        "notices %s: %d variants of %d categories are short, %d categories left out",
        run_id, variants, len(asked), len(failed),
    )  # fmt: skip
    return listing


def read_listing(storage: Storage, run_id: str) -> Listing:
    """The record of a run of notices. Raises MissingArtefactError when it has none."""
    return Listing.from_json(storage.read_json(layout.notices_record(run_id)))


def read_noticed(storage: Storage, listing: Listing) -> Iterator[tuple[int, Iterator[Row]]]:
    """A run's rows of `tables.NOTICED_VARIANTS` by category; those that failed are left out."""
    rows = read_rows(storage, layout.noticed_variants(listing.run_id), NOTICED_VARIANTS)
    for category_id, mine in itertools.groupby(rows, key=lambda row: int(row["category_id"])):
        # What was written of a category before it failed stays in the file.
        if category_id not in listing.failed:
            yield category_id, mine


class _Category:
    """One category's open notices on their way: they go on, or are settled, or withdrawn."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        category_id: int,
        moment: datetime,
        earlier_of_sellers: Counter[str],
    ) -> None:
        self._open = read_open_notices(store, category_id)
        self._reviews = Reviews.of(
            read_current(store, category_id), allows_unreviewed_identical=True
        )
        self._earlier = count_settled_by_variant(store, category_id)
        self._earlier_of_sellers = earlier_of_sellers
        self._moment = moment
        self._lasting = timedelta(days=settings.removal.notice_days)
        self._zone = ZoneInfo(settings.notices.timezone)
        self._withdrawn: list[int] = []
        self.listed = 0

    def list_short(self, variants: Iterable[JudgedVariant]) -> Iterator[Row]:
        """The rows of the variants that are short."""
        for variant in variants:
            if variant.verdict["verdict"] == Verdict.COMPLIANT:
                continue
            judgement = judge_reviewed(variant, self._reviews)
            notice = self._open.get(variant.variant_id)
            if judgement.verdict != Verdict.COMPLIANT:
                # What leaves a variant undecided, such as an outage of its host, settles nothing.
                self._open.pop(variant.variant_id, None)
            elif notice:
                self._withdrawn.append(notice.notice_id)
            if Verdict.of(judgement.verdict) is Verdict.SHORT:
                self.listed += 1
                due = self._find_due(variant, notice)
                yield describe_variant(variant, self._reviews, judgement, due)

    def list_settled(self) -> Iterator[Row]:
        """The rows of the notices whose variants show enough pictures, or are gone."""
        for notice in self._open.values():
            yield {
                "notice_id": notice.notice_id,
                "is_withdrawn": notice.notice_id in self._withdrawn,
            }

    def _find_due(self, variant: JudgedVariant, notice: Notice | None) -> Due:
        due_at = (notice.noticed_at if notice else self._moment) + self._lasting
        # Whoever acts on the last whole day acts in time.
        last_day = self._find_day(due_at) - timedelta(days=1)
        return Due(
            due_on=last_day.isoformat(),
            is_overdue=self._find_day(self._moment) > last_day,
            earlier_notices=self._earlier[variant.variant_id],
            seller_earlier_notices=self._earlier_of_sellers[variant.verdict["seller_id"] or ""],
        )

    def _find_day(self, moment: datetime) -> date:
        """The day of a moment where the sellers are."""
        return moment.replace(tzinfo=UTC).astimezone(self._zone).date()
