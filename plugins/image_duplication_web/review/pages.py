"""The pages: overview, list of categories, one category, one variant, one run."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from image_duplication.errors import MissingArtefactError
from image_duplication.records import Kind
from image_duplication.store.decisions import read_current
from image_duplication.store.standings import (
    StandingOrder,
    find_standings,
    read_category_trend,
    read_run_trend,
)
from image_duplication_web.review import category_list
from image_duplication_web.review.category_files import CategoryContent
from image_duplication_web.review.category_list import CategoryQuery
from image_duplication_web.review.charts import draw_trend
from image_duplication_web.review.finding_list import (
    FindingOrder,
    FindingQuery,
    find_matching,
    sort_findings,
    take_page,
)
from image_duplication_web.review.finding_status import CategoryDecisions, StatusFilter
from image_duplication_web.review.rendering import render
from image_duplication_web.review.reviewed_content import review_content
from image_duplication_web.review.run_page import read_run
from image_duplication_web.review.sources import SourcesOfApp
from image_duplication_web.review.variant_page import read_variant

_WEEKS = 52
_WORST = 10
_DAG_ID = "image_duplication"
_SELLERS_OFFERED = 500

CategoryId = Annotated[int, Path(ge=0, lt=2**63)]

router = APIRouter(default_response_class=HTMLResponse)


@router.get("/")
def overview(request: Request, sources: SourcesOfApp) -> HTMLResponse:
    """How the catalogue stands, and how it came there."""
    runs = read_run_trend(sources.store, limit=_WEEKS)
    worst, _ = find_standings(
        sources.store, order=StandingOrder.FINDINGS, is_descending=True, limit=_WORST
    )
    trends = [
        draw_trend("Duplicate pictures", [(r.planned_at, r.findings, r.run_id) for r in runs]),
        draw_trend("Variants that are short", [(r.planned_at, r.short, r.run_id) for r in runs]),
    ]
    return render(
        request,
        "overview.html",
        catalogue=runs[-1] if runs else None,
        runs=runs,
        trends=[trend for trend in trends if trend],
        worst=[one for one in worst if one.findings],
    )


@router.get("/categories")
def categories(
    request: Request, sources: SourcesOfApp, query: Annotated[CategoryQuery, Query()]
) -> HTMLResponse:
    """All categories, to be searched and sorted."""
    rows = category_list.PAGE_ROWS
    standings, total = find_standings(
        sources.store,
        search=query.search,
        order=query.order,
        is_descending=query.descending,
        offset=(query.page - 1) * rows,
        limit=rows,
    )
    pages = max(1, -(-total // rows))
    return render(
        request,
        "categories.html",
        query=query,
        asked=_asked(query),
        standings=standings,
        total=total,
        pages=pages,
    )


@router.get("/categories/{category_id}")
def category(
    request: Request,
    sources: SourcesOfApp,
    category_id: CategoryId,
    query: Annotated[FindingQuery, Query()],
) -> HTMLResponse:
    """One category's findings, to be decided on."""
    current = read_current(sources.store, category_id)
    content = review_content(sources.files, sources.files.read(category_id), current)
    decisions = CategoryDecisions.of(current)
    matching = find_matching(content, decisions, query)
    page = take_page(sort_findings(matching, decisions, query), query.page)
    weeks = read_category_trend(sources.store, category_id, limit=_WEEKS)
    return render(
        request,
        "category.html",
        content=content,
        decisions=decisions,
        query=query,
        asked=_asked(query),
        filtered={name: _asked(query).get(name) for name in _FILTERS if _asked(query).get(name)},
        page=page,
        statuses=Counter(decisions.status(finding) for finding in content.duplicates),
        trend=draw_trend(
            "Duplicate pictures", [(w.planned_at, w.findings, w.run_id) for w in weeks]
        ),
        choices=_choices(content),
    )


_FILTERS = ("kind", "seller", "status", "verdict", "variant")


@router.get("/categories/{category_id}/variant")
def variant(
    request: Request,
    sources: SourcesOfApp,
    category_id: CategoryId,
    variant_id: Annotated[str, Query(alias="id", max_length=255)],
) -> HTMLResponse:
    """One variant: its pictures, what was found, what was decided."""
    content = sources.files.read(category_id)
    if variant_id not in content.verdicts:
        raise MissingArtefactError(
            f"category {category_id} has no active variant {variant_id!r} that was judged"
        )
    return render(
        request,
        "variant.html",
        content=content,
        variant=read_variant(sources.files, sources.store, content, variant_id),
    )


@router.get("/dags/{dag_id}/runs/{run_id:path}")
def run(request: Request, sources: SourcesOfApp, dag_id: str, run_id: str) -> HTMLResponse:
    """What one run did; Airflow shows the tab on the runs of every DAG."""
    if dag_id != _DAG_ID:
        return render(request, "other_dag.html", dag_id=dag_id)
    return render(request, "run.html", run=read_run(sources.storage, sources.store, run_id))


def _asked(query: FindingQuery | CategoryQuery) -> dict[str, Any]:
    """What of a query is not as it is anyway, for addresses."""
    return query.model_dump(mode="json", exclude_defaults=True, exclude={"page"})


def _choices(content: CategoryContent) -> dict[str, list[str]]:
    """What the filters of a category offer."""
    found = content.duplicates
    kinds = {kind for finding in found for kind in finding.row["kinds"] or ()}
    sellers = Counter(f.row["seller_id"] for f in found if f.row["seller_id"])
    return {
        "kind": [kind.value for kind in Kind if kind in kinds],
        "status": [status.value for status in StatusFilter if status is not StatusFilter.STANDING],
        "verdict": sorted({finding.verdict for finding in found if finding.verdict}),
        "seller": [seller for seller, _ in sellers.most_common(_SELLERS_OFFERED)],
        "order": [order.value for order in FindingOrder],
    }
