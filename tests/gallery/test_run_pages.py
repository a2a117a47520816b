"""Run pages: figures, links to galleries, worst sellers, charts with their tables."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path

import pytest

from image_duplication import layout
from image_duplication.gallery.charts import draw_chart
from image_duplication.gallery.run_pages import SellerLine, find_worst_sellers, write_run_page
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.standings import (
    CatalogueStanding,
    read_run_trend,
    record_summary,
)
from image_duplication.summary import RunSummary
from image_duplication.tables import Row
from tests.gallery.published import publish, standing
from tests.judged_rows import judged_variant

HOSTILE = "</script><b>&'\""


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def publish_one(storage: Storage, name: str = "Chairs") -> RunSummary:
    rows = judged_variant("a", [["1", "2"], ["3"]], category_name=name)
    rows = [row | {"seller_id": name} for row in rows]
    summary = publish(storage, [rows])
    (category,) = summary.categories
    return dataclasses.replace(summary, categories=(dataclasses.replace(category, name=name),))


def page_of(storage: Storage, summary: RunSummary, trend: list[CatalogueStanding]) -> str:
    write_run_page(storage, summary, trend)
    return storage.read_bytes(layout.run_page(summary.run_id)).decode()


def test_run_page_leads_to_the_gallery_of_each_category(storage: Storage) -> None:
    text = page_of(storage, publish_one(storage), [standing(0, 2)])

    links = set(re.findall(r'<a href="([^"]+)">Chairs</a>', text))
    page = Path(storage.path(layout.run_page("weekly")))
    assert [(page.parent / link).resolve() for link in links] == [
        Path(storage.path(layout.gallery(7))).resolve()
    ]


def test_run_page_of_the_store_s_trend_has_every_run_in_its_table(
    storage: Storage, tmp_path: Path
) -> None:
    summary = publish_one(storage)
    with Store("store", f"sqlite:///{tmp_path / 'store.db'}") as store:
        record_summary(store, summary)
        text = page_of(storage, summary, read_run_trend(store, limit=52))

    assert "02 Mar 2026, 12:00" in text
    assert text.count("<polyline") == 3


def test_run_page_has_every_figure_of_its_charts_as_text(storage: Storage) -> None:
    trend = [standing(weeks, 1000 + weeks) for weeks in (2, 1, 0)]
    text = page_of(storage, publish_one(storage), trend)

    for run in trend:
        assert f'<td class="number">{run.findings:,}</td>' in text
        assert f"{run.planned_at:%d %b %Y}: {run.findings:,} findings" in text


def test_run_page_escapes_what_sellers_and_the_source_say(storage: Storage) -> None:
    text = page_of(storage, publish_one(storage, HOSTILE), [])

    assert HOSTILE not in text
    assert (
        text.count(str(html.escape(HOSTILE).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")))
        == 3
    )
    assert "<script" not in text


def test_run_page_says_what_failed(storage: Storage) -> None:
    summary = publish_one(storage)
    failed = dataclasses.replace(summary, categories_failed={8: "broken"})

    assert "failed" not in page_of(storage, summary, [])
    assert "0 work unit(s) and 1 category(ies) failed" in page_of(storage, failed, [])


def test_run_page_of_an_empty_run_is_whole(storage: Storage) -> None:
    summary = dataclasses.replace(publish_one(storage), categories=())

    assert page_of(storage, summary, []).rstrip().endswith("</html>")


def change(seller_id: str | None, new: int, repeated: int, category_id: int = 7) -> Row:
    return {
        "category_id": category_id,
        "seller_id": seller_id,
        "new": new,
        "repeated": repeated,
        "resolved": 5,
    }


def test_worst_sellers_are_those_with_most_standing_findings_over_all_categories() -> None:
    changes = [
        change("b", 1, 2),
        change("a", 0, 3),
        change(None, 4, 0),
        change("c", 1, 0),
        change("c", 0, 4, category_id=8),
        change("none left", 0, 0),
    ]

    assert find_worst_sellers(changes) == [
        SellerLine("c", 5, 1),
        SellerLine(None, 4, 4),
        SellerLine("a", 3, 0),
        SellerLine("b", 3, 1),
    ]


@pytest.mark.parametrize("most", [0, 1, 3, 4, 7, 99, 100, 101, 12_345, 9_999_999])
def test_chart_keeps_every_value_inside_and_its_ticks_whole(most: int) -> None:
    chart = draw_chart("Findings", ["a", "b"], [("findings", [0, most])])
    (series,) = chart.series

    lowest, highest = chart.y_ticks[0], chart.y_ticks[-1]
    assert (lowest[1], int(highest[1].replace(",", "")) >= most) == ("0", True)
    ticks = [int(text.replace(",", "")) for _, text in chart.y_ticks]
    assert ticks == [ticks[1] * number for number in range(len(ticks))]
    assert series.marks[0].y == lowest[0]
    assert highest[0] <= series.marks[1].y <= lowest[0]


def test_chart_without_a_moment_is_an_empty_frame() -> None:
    assert draw_chart("Findings", [], [("findings", [])]).series[0].points == ""
