"""A category's CSV files: duplicates, the legacy summary, compliance, and its source rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pandas as pd
import pyarrow as pa

from image_duplication import layout
from image_duplication.csv_files import write_csv
from image_duplication.records import Action, Relation, Status
from image_duplication.reviewed_category import ReviewedCategory
from image_duplication.tables import JUDGED, SOURCE_COLUMNS, Row, read_state_rows

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
    "sentence",
    "distance",
    "engine",
    "base_quality_notes",
    "duplicate_quality_notes",
    "keeper_image_id",
    "keeper_reason",
    "action",
    "base_sha256",
    "duplicate_sha256",
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
    "threshold_version",
    "judged_at",
    "run_id",
)

_EXTRACT_COLUMNS = (*SOURCE_COLUMNS, "status", "reason_code", "corrected_url")
_EXTRACTED = pa.schema([JUDGED.field(name) for name in _EXTRACT_COLUMNS])


def write_category_csvs(
    reviewed: ReviewedCategory, *, not_judged: Sequence[str], write_extract: bool
) -> None:
    """Write the reports of a category, and its source rows if asked, from its current state.

    What people have rejected is in none of them.

    `not_judged` are active variants without any verdict, because the units that were to judge them
    failed: the report says so.
    """
    storage, category_id = reviewed.storage, reviewed.category_id
    write_csv(
        storage,
        layout.report(category_id, "duplicates"),
        (*_DUPLICATES_COLUMNS, "redundant_image_id"),
        (
            [*(row[name] for name in _DUPLICATES_COLUMNS), _find_redundant(row)[0]]
            for row in reviewed.findings()
        ),
    )
    summary = _summarise_by_catalogue(reviewed.findings())
    write_csv(
        storage,
        layout.report(category_id, "summary"),
        tuple(summary.columns),
        summary.itertuples(index=False, name=None),
    )
    write_csv(
        storage,
        layout.report(category_id, "compliance"),
        _COMPLIANCE_COLUMNS,
        itertools.chain(
            ([row[name] for name in _COMPLIANCE_COLUMNS] for row in reviewed.verdicts()),
            (_not_judged_row(category_id, variant_id) for variant_id in not_judged),
        ),
    )
    if write_extract:
        images = layout.current("images", category_id)
        write_csv(
            storage,
            layout.extract_csv(category_id),
            _EXTRACT_COLUMNS,
            (
                [row[name] for name in _EXTRACT_COLUMNS]
                for row in read_state_rows(storage, images, _EXTRACTED)
                if row["status"] != Status.NO_IMAGES
            ),
        )


def _summarise_by_catalogue(findings: Iterable[Row]) -> pd.DataFrame:
    """The legacy form: a row per catalogue entry, in the order of their first findings."""
    redundant = pd.DataFrame(
        (
            # Variants without a catalogue entry are not one entry.
            (row["catalogue_id"] or "", row["catalogue_id"] or row["variant_id"], link)
            for row in findings
            if row["relation"] == Relation.DUPLICATE and (link := _find_redundant(row)[1])
        ),
        columns=["catalogue_id", "entry", "link"],
    )
    entries = redundant.groupby(["catalogue_id", "entry"], sort=False)["link"]
    summary = pd.DataFrame(
        {"duplicate_links": entries.agg(" ".join), "No.of Duplicates": entries.size()}
    )
    return summary.reset_index().drop(columns="entry")


def _find_redundant(finding: Row) -> tuple[str | None, str | None]:
    """Image id and URL of the image that a finding asks to remove."""
    if finding["action"] == Action.REMOVE_DUPLICATE:
        return finding["duplicate_image_id"], finding["duplicate_url"]
    if finding["action"] == Action.REMOVE_BASE:
        return finding["base_image_id"], finding["base_url"]
    return None, None


def _not_judged_row(category_id: int, variant_id: str) -> list[object]:
    known = {
        "category_id": category_id,
        "variant_id": variant_id,
        "verdict": "not_judged",
        "reason": "unit_failed",
    }
    return [known.get(name) for name in _COMPLIANCE_COLUMNS]
