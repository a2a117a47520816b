"""A category's CSV files: duplicates, the legacy summary, compliance, and its source rows."""

from __future__ import annotations

from image_duplication import layout
from image_duplication.csv_files import write_csv
from image_duplication.records import Action, Relation, Status
from image_duplication.storage import Storage
from image_duplication.tables import (
    FINDINGS,
    JUDGED,
    SOURCE_COLUMNS,
    VERDICTS,
    Row,
    read_rows,
)

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


def write_category_csvs(storage: Storage, category_id: int, *, write_extract: bool) -> None:
    """Write the reports of a category, and its source rows if asked, from its current state."""
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
    if write_extract:
        images = layout.current("images", category_id)
        write_csv(
            storage,
            layout.extract_csv(category_id),
            _EXTRACT_COLUMNS,
            (
                [row[name] for name in _EXTRACT_COLUMNS]
                for row in read_rows(storage, images, JUDGED, _EXTRACT_COLUMNS)
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
