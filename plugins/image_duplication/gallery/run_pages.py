"""Writes the page of a run: what it found, the worst categories and sellers, and the trend."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from image_duplication import layout
from image_duplication.gallery.assembly import embed, open_templates, read_own, read_shared
from image_duplication.gallery.charts import HEIGHT, WIDTH, Chart, draw_chart
from image_duplication.records import Kind, Verdict
from image_duplication.storage import Storage
from image_duplication.store.standings import CatalogueStanding
from image_duplication.summary import CategorySummary, RunSummary
from image_duplication.tables import CHANGES, Row, read_rows
from image_duplication.verdicts import count_verdicts

_WORST = 10
TREND_RUNS = 52
"""How many runs a trend shows: a year of weekly ones."""


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """One category in a table; `link` leads from the run's page to its gallery."""

    category: CategorySummary
    short: int
    link: str


@dataclass(frozen=True, slots=True)
class SellerLine:
    """The findings of one seller, of the variants that the run judged; None: no seller."""

    seller_id: str | None
    findings: int
    new: int


def write_run_page(
    storage: Storage, summary: RunSummary, trend: Sequence[CatalogueStanding]
) -> None:
    """Write the page of a published run; `trend` has a record per run, the oldest first."""
    key = layout.run_page(summary.run_id)
    totals = summary.totals()
    verdicts = count_verdicts(totals["verdicts"])
    steps = "../" * key.count("/")
    lines = [
        CategoryLine(
            category,
            count_verdicts(category.verdicts)[Verdict.SHORT],
            f"{steps}{layout.gallery(category.category_id)}",
        )
        for category in summary.categories
    ]
    lines.sort(key=lambda line: (-line.category.findings, line.category.category_id))
    changes = read_rows(storage, layout.run_changes(summary.run_id, "parquet"), CHANGES)
    page = (
        open_templates()
        .get_template("run.html")
        .render(
            **embed(f"{read_shared('tokens.css')}\n{read_own('run.css')}"),
            summary=summary,
            planned_at=datetime.fromisoformat(summary.planned_at),
            totals=totals,
            kinds=[(kind, totals["findings_by_kind"].get(kind, 0)) for kind in Kind],
            verdicts={verdict.value: verdicts[verdict] for verdict in Verdict},
            lines=lines,
            worst=[line for line in lines[:_WORST] if line.category.findings],
            sellers=find_worst_sellers(changes),
            trend=trend,
            charts=_draw_trend(trend),
            width=WIDTH,
            height=HEIGHT,
        )
    )
    storage.write_bytes(key, page.encode())


def find_worst_sellers(changes: Iterable[Row]) -> list[SellerLine]:
    """The sellers with the most findings that stand, from the rows of `tables.CHANGES`."""
    standing: Counter[str | None] = Counter()
    new: Counter[str | None] = Counter()
    for row in changes:
        standing[row["seller_id"]] += row["new"] + row["repeated"]
        new[row["seller_id"]] += row["new"]
    worst = heapq.nsmallest(
        _WORST, standing.items(), key=lambda seller: (-seller[1], seller[0] or "")
    )
    return [SellerLine(seller, count, new[seller]) for seller, count in worst if count]


def _draw_trend(trend: Sequence[CatalogueStanding]) -> list[Chart]:
    labels = [f"{run.planned_at:%d %b %Y}" for run in trend]
    return [
        draw_chart(
            "Findings in the catalogue", labels, [("findings", [run.findings for run in trend])]
        ),
        draw_chart(
            "Variants without enough pictures",
            labels,
            [
                ("short", [run.short for run in trend]),
                ("undecided", [run.undecided for run in trend]),
            ],
        ),
        draw_chart(
            "Findings that came and went",
            labels,
            [
                ("new", [run.new for run in trend]),
                ("resolved", [run.resolved for run in trend]),
            ],
            are_bars=True,
        ),
    ]
