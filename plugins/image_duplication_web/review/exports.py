"""What the lists show, as CSV for spreadsheets."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from image_duplication.csv_files import csv_lines
from image_duplication.store.decisions import read_current
from image_duplication.store.standings import find_standings
from image_duplication_web.review.category_list import CategoryQuery
from image_duplication_web.review.finding_list import FindingQuery, find_matching, sort_findings
from image_duplication_web.review.finding_status import CategoryDecisions
from image_duplication_web.review.reviewed_content import review_content
from image_duplication_web.review.run_page import read_run
from image_duplication_web.review.sources import SourcesOfApp

_MOST_CATEGORIES = 1_000_000
_LINES_AT_ONCE = 500  # each piece of an answer costs Airflow's event loop a change of threads

_FINDING_COLUMNS = (
    "variant_id",
    "catalogue_id",
    "seller_id",
    "product_url",
    "base_image_id",
    "base_url",
    "duplicate_image_id",
    "duplicate_url",
    "kinds",
    "sentence",
    "distance",
    "engine",
    "keeper_image_id",
    "keeper_reason",
    "action",
    "base_sha256",
    "duplicate_sha256",
)
_CATEGORY_COLUMNS = (
    "category_id",
    "name",
    "variants",
    "compliant",
    "short",
    "undecided",
    "findings",
    "related",
    "new",
    "repeated",
    "resolved",
    "planned_at",
    "run_id",
)
_RUN_COLUMNS = (
    "category_id",
    "name",
    "variants",
    "findings",
    "new",
    "repeated",
    "resolved",
    "short",
    "units_failed",
    "problem",
)

router = APIRouter()


@router.get("/categories.csv")
def categories(
    sources: SourcesOfApp, query: Annotated[CategoryQuery, Query()]
) -> StreamingResponse:
    """The categories that the list shows, all pages of it."""
    standings, _ = find_standings(
        sources.store,
        search=query.search,
        order=query.order,
        is_descending=query.descending,
        limit=_MOST_CATEGORIES,
    )
    rows = ([getattr(one, name) for name in _CATEGORY_COLUMNS] for one in standings)
    return _as_file("categories", _CATEGORY_COLUMNS, rows)


@router.get("/categories/{category_id}/findings.csv")
def findings(
    sources: SourcesOfApp,
    category_id: Annotated[int, Path(ge=0, lt=2**63)],
    query: Annotated[FindingQuery, Query()],
) -> StreamingResponse:
    """The findings that the list shows, all pages of it, with their decisions."""
    current = read_current(sources.store, category_id)
    content = review_content(sources.files, sources.files.read(category_id), current)
    decisions = CategoryDecisions.of(current)
    shown = sort_findings(find_matching(content, decisions, query), decisions, query)
    rows = (
        [
            category_id,
            *(finding.row[name] for name in _FINDING_COLUMNS),
            finding.verdict,
            decisions.status(finding).value,
            decision.decided_by if decision else None,
            decision.decided_at if decision else None,
        ]
        for finding in shown
        for decision in [decisions.find(finding)]
    )
    header = ("category_id", *_FINDING_COLUMNS, "verdict", "status", "decided_by", "decided_at")
    return _as_file(f"{category_id}_findings", header, rows)


@router.get("/run.csv")
def run(sources: SourcesOfApp, run_id: Annotated[str, Query(alias="id")]) -> StreamingResponse:
    """What a run did, a row per category."""
    done = read_run(sources.storage, sources.store, run_id)
    rows = ([getattr(one, name) for name in _RUN_COLUMNS] for one in done.categories)
    return _as_file(f"run_{run_id}", _RUN_COLUMNS, rows)


def _as_file(
    name: str, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingResponse:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
    return StreamingResponse(
        _encoded(csv_lines(header, rows)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{plain}.csv"'},
    )


def _encoded(lines: Iterator[str]) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf"  # what makes spreadsheets read UTF-8
    while block := "".join(itertools.islice(lines, _LINES_AT_ONCE)):
        yield block.encode()
