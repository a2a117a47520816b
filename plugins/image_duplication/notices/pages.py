"""Writes each seller's notice, as a page and as CSV, and the list of all sellers."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2

from image_duplication import layout
from image_duplication.csv_files import write_csv
from image_duplication.notices.listing import Listing, read_listing, read_noticed
from image_duplication.notices.sellers import grouped_by_seller
from image_duplication.notices.wording import WORDINGS, Wording
from image_duplication.records import PhotoProblem
from image_duplication.settings import NoticeSettings, Settings
from image_duplication.storage import Storage
from image_duplication.tables import Row
from image_duplication.web_addresses import find_web_address

logger = logging.getLogger(__name__)

MOST_ON_PAGE = 300
"""Products; a longer page is slow on a phone. The CSV file has all of them."""

_NOTICE_COLUMNS = (
    "category_id",
    "category_name",
    "variant_id",
    "catalogue_id",
    "product_url",
    "required",
    "distinct_usable",
    "missing",
    "due_on",
    "earlier_notices",
    "photo",
    "photo_url",
    "other_photo_url",
    "keep_photo_url",
)
_TEXT_COLUMNS = tuple(
    f"{column}_{wording.language}" for wording in WORDINGS for column in ("found", "upload")
)
_SELLER_COLUMNS = (
    "seller_id",
    "variants",
    "missing",
    "findings",
    "problems",
    "first_due_on",
    "variants_noticed_before",
    "earlier_notices",
)


@dataclass(slots=True)
class SellerTotals:
    """What one seller's notice says, in numbers."""

    seller_id: str | None
    variants: int = 0
    missing: int = 0
    findings: int = 0
    problems: int = 0
    first_due_on: str = ""
    variants_noticed_before: int = 0
    earlier_notices: int = 0

    def add(self, row: Row) -> None:
        """Count a row of `tables.NOTICED_VARIANTS`."""
        self.variants += 1
        self.missing += _count_missing(row)
        self.findings += len(row["findings"])
        self.problems += len(row["problems"])
        self.first_due_on = min(self.first_due_on or row["due_on"], row["due_on"])
        self.variants_noticed_before += bool(row["earlier_notices"])
        self.earlier_notices = row["seller_earlier_notices"]


def write_pages(storage: Storage, settings: Settings, *, run_id: str) -> None:
    """Write every seller's notice from the run's list, then `sellers.csv`.

    Repeatable: the same list gives equal files. In memory are the products of one page.
    """
    listing = read_listing(storage, run_id)
    rows = (row for _, mine in read_noticed(storage, listing) for row in mine)
    with grouped_by_seller(rows) as sellers:
        write_csv(
            storage,
            layout.noticed_sellers(run_id),
            (*_SELLER_COLUMNS, "notice"),
            _write_notices(storage, settings.notices, listing, sellers),
        )


def _write_notices(
    storage: Storage,
    settings: NoticeSettings,
    listing: Listing,
    sellers: Iterable[tuple[str | None, Iterator[Row]]],
) -> Iterator[list[object]]:
    """Write the notices one by one; each one's row of `sellers.csv`."""
    count = 0
    for seller_id, rows in sellers:
        totals = SellerTotals(seller_id)
        shown: list[Row] = []
        write_csv(
            storage,
            layout.seller_notice(listing.run_id, seller_id, "csv"),
            (*_NOTICE_COLUMNS, *_TEXT_COLUMNS),
            _csv_rows(rows, totals, shown),
        )
        key = layout.seller_notice(listing.run_id, seller_id, "html")
        storage.write_bytes(key, _render(settings, listing, totals, shown).encode())
        count += 1
        page = key.removeprefix(f"{layout.notices_folder(listing.run_id)}/")
        yield [*(getattr(totals, name) for name in _SELLER_COLUMNS), page]
    logger.info("notices %s: %d sellers", listing.run_id, count)


# CSV --------------------------------------------------------------------------------------------


def _csv_rows(
    rows: Iterable[Row], totals: SellerTotals, shown: list[Row]
) -> Iterator[list[object]]:
    """A row per finding and problem, or one per variant without; counts and shows on the way."""
    for row in rows:
        totals.add(row)
        if len(shown) < MOST_ON_PAGE:
            shown.append(row)
        known = {**row, "missing": _count_missing(row)}
        for found in [*row["findings"], *row["problems"]] or [{}]:
            cells = {
                "photo": found.get("photo"),
                "photo_url": found.get("url"),
                "other_photo_url": found.get("other_url"),
                "keep_photo_url": found.get("keep_url"),
            }
            yield [
                *((known | cells)[name] for name in _NOTICE_COLUMNS),
                *(text for wording in WORDINGS for text in _csv_texts(wording, row, found)),
            ]


def _csv_texts(wording: Wording, row: Row, found: Row) -> tuple[str, str]:
    return " ".join(say_found(wording, row, found)), say_upload(wording, row)


# Words ------------------------------------------------------------------------------------------


def say_found(wording: Wording, row: Row, found: Row) -> list[str]:
    """What is wrong with one picture and what to do; of a variant without findings, how it is."""
    if "problem" in found:
        return [wording.problems[PhotoProblem(found["problem"])].format(photo=found["photo"])]
    if found:
        sentence = wording.describe(found["kinds"], found["sentence"])
        photo, keep = found["photo"], found["keep_photo"]
        return [
            wording.finding.format(photo=photo, other=found["other_photo"], sentence=sentence),
            wording.keep.format(photo=photo, keep=keep),
        ]
    return [] if row["images"] else [wording.no_photos]


def say_upload(wording: Wording, row: Row) -> str:
    """How many pictures to upload, by when."""
    template = wording.upload_overdue if row["is_overdue"] else wording.upload
    return template.format(missing=_count_missing(row), date=wording.write_date(row["due_on"]))


def _count_missing(row: Row) -> int:
    return int(row["required"]) - int(row["distinct_usable"])


# Page -------------------------------------------------------------------------------------------


def _render(
    settings: NoticeSettings, listing: Listing, totals: SellerTotals, shown: list[Row]
) -> str:
    local = listing.noticed_at.replace(tzinfo=UTC).astimezone(ZoneInfo(settings.timezone))
    return _template().render(
        wordings=WORDINGS,
        is_draft=listing.is_dry,
        written_on=local.date().isoformat(),
        contact=settings.appeal_contact,
        totals=totals,
        rows=shown,
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # sellers choose the texts and addresses in it
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"web_address": find_web_address}
    environment.globals |= {
        "count_missing": _count_missing,
        "say_found": say_found,
        "say_upload": say_upload,
    }
    return environment.get_template("notice.html")
