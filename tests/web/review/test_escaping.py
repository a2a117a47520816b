"""Words of sellers stay words, whatever they are and wherever they stand."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from image_duplication.records import DecisionOrigin, DecisionVerdict
from image_duplication.store.decisions import Decision, record
from image_duplication.tables import Row
from tests.judged_rows import NOON, judged_variant
from tests.web.review.worlds import ReviewWorld

HOSTILE = """"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}</title>javascript:"""
SCRIPT_ADDRESS = "javascript:alert(document.cookie)"


def hostile(row: Row) -> Row:
    """The same row with hostile text in every field that has any, but for ids of the project."""
    return row | {
        name: f"{HOSTILE}{name}"
        for name in ("catalogue_id", "seller_id", "keeper_reason", "sentence", "image_url")
        if row[name] is not None
    }


@pytest.fixture
def hostile_world(world: ReviewWorld) -> ReviewWorld:
    rows = judged_variant(HOSTILE, [[f"a{HOSTILE}", f"b{HOSTILE}"]], category_name=HOSTILE)
    rows = [hostile(row) | {"product_url": SCRIPT_ADDRESS} for row in rows]
    world.publish([rows], name=HOSTILE)
    finding = world.app.state.sources.files.read(7).duplicates[0]
    decision = Decision(
        finding.pair, DecisionVerdict.CONFIRMED, DecisionOrigin.APPEAL, HOSTILE,
        NOON.replace(tzinfo=None), HOSTILE,
    )  # fmt: skip
    record(world.store, [decision])
    return world


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


PAGES = [
    "/",
    "/categories",
    f"/categories?search={quote(HOSTILE)}",
    "/categories/7",
    f"/categories/7?seller={quote(HOSTILE)}&variant={quote(HOSTILE)}",
    f"/categories/7?seller={quote(HOSTILE + 'seller_id')}",
    f"/categories/7/variant?id={quote(HOSTILE)}",
    "/dags/image_duplication/runs/run-1",
    f"/dags/{quote(HOSTILE.replace('/', ''))}/runs/1",
    f"/dags/image_duplication/runs/{quote(HOSTILE)}",
    f"/categories/7/variant?id=x{quote(HOSTILE)[:200]}",
    f"/categories/7?status={quote(HOSTILE)}",
]


@pytest.mark.parametrize("path", PAGES, ids=range(len(PAGES)))
def test_hostile_text_stays_text(hostile_world: ReviewWorld, path: str) -> None:
    text = hostile_world.client().get(path, headers={"Accept": "text/html"}).text

    page = _Elements()
    page.feed(text)
    scripts = [attributes for tag, attributes in page.found if tag == "script"]
    assert scripts
    assert all((one["src"] or "").startswith("/assets/") for one in scripts)
    for tag, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert not (attributes.get("href") or "").startswith("javascript:")
        assert attributes.get("src") != "x"
    assert "{{7*7}}" in text or HOSTILE[:20] not in text
    assert re.search(r"\b49\b", re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)) is None


def test_address_of_a_product_that_is_a_script_is_no_link(hostile_world: ReviewWorld) -> None:
    text = hostile_world.client().get(f"/categories/7/variant?id={quote(HOSTILE)}").text

    assert SCRIPT_ADDRESS in text, "as text it may stand"
    assert "Product page" not in text


def test_variant_with_any_id_is_found_by_its_link(hostile_world: ReviewWorld) -> None:
    client = hostile_world.client()
    page = _Elements()
    page.feed(client.get("/categories/7").text)
    links = [
        attributes["href"]
        for tag, attributes in page.found
        if "open" in (attributes.get("class") or "") and tag == "a"
    ]

    assert links
    assert links[0] is not None
    assert client.get(links[0]).status_code == 200


def test_exported_cells_run_nothing(world: ReviewWorld) -> None:
    rows = judged_variant("=1+1", [["a", "b"]], category_name="@SUM(A1)")
    world.publish([[row | {"seller_id": "+cmd|' /C calc'!A0"} for row in rows]], name="@SUM(A1)")
    client = world.client()

    for path in ("/categories.csv", "/categories/7/findings.csv", "/run.csv?id=run-1"):
        answer = client.get(path)
        assert answer.content.startswith(b"\xef\xbb\xbf")
        assert answer.headers["content-disposition"].startswith("attachment; filename=")
        cells = [
            c for row in csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))) for c in row
        ]
        assert not [cell for cell in cells if cell[:1] in "=+-@" and cell]
        assert [cell for cell in cells if cell.startswith("'")]
