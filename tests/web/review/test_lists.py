"""Filters, orders, pages and files of the lists."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from tests.judged_rows import judged_variant
from tests.web.review.worlds import USER_HEADER, ReviewWorld, of_seller


def variants_shown(text: str) -> list[str]:
    return re.findall(r'aria-label="Finding \d+: variant ([^,]+),', text)


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["1", "1"]),
        ("status=all", ["1", "1", "2"]),
        ("status=standing", ["1", "1"]),
        ("seller=shop-1", ["1", "1"]),
        ("variant=2&status=all", ["2"]),
        ("variant=catalogue-2&status=all", ["2"]),
        ("kind=same_picture&status=all", ["1", "1", "2"]),
        ("kind=cropped", []),
        ("verdict=undecided&status=all", ["2"]),  # short_by_2 before the rejection
        ("verdict=short_by_2&status=all", []),
        ("verdict=short_by_1", ["1", "1"]),
        ("status=rejected", ["2"]),
        ("status=open", ["1", "1"]),
        ("status=open&seller=shop-2", []),
        ("order=seller&descending=true&status=all", ["2", "1", "1"]),
        ("order=status&descending=true&status=all", ["2", "1", "1"]),
        ("order=verdict&descending=true&status=all", ["2", "1", "1"]),
        ("order=catalogue&descending=true&status=all", ["2", "1", "1"]),
    ],
)
def test_findings_are_filtered_and_sorted_as_asked(
    chairs: ReviewWorld, query: str, expected: list[str]
) -> None:
    client = chairs.client()
    finding_id = chairs.app.state.sources.files.read(7).duplicates[2].finding_id
    chairs.decide(client, verdict="rejected", finding_ids=[finding_id])

    assert variants_shown(client.get(f"/categories/7?{query}").text) == expected
    exported = rows_of(client.get(f"/categories/7/findings.csv?{query}"))
    assert [row["variant_id"] for row in exported] == expected


def test_export_has_the_decisions(chairs: ReviewWorld) -> None:
    client = chairs.client()
    finding_id = chairs.app.state.sources.files.read(7).duplicates[2].finding_id
    chairs.decide(client, verdict="rejected", finding_ids=[finding_id])

    row = rows_of(client.get("/categories/7/findings.csv?status=rejected"))[0]

    assert (row["status"], row["decided_by"]) == ("rejected", "olga")
    assert row["decided_at"]


def test_export_is_sent_in_few_pieces(world: ReviewWorld) -> None:
    world.publish([judged_variant(f"{n}", [["a", "b", "c", "d"]]) for n in range(40)])
    pieces: list[bytes] = []

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        async def count(message: Message) -> None:
            pieces.append(message.get("body", b""))
            await send(message)

        await world.app(scope, receive, count)

    answer = TestClient(counted, headers={USER_HEADER: "vera"}).get("/categories/7/findings.csv")

    assert answer.text.count("\n") == 121
    assert len([piece for piece in pieces if piece]) < 4


def test_category_says_the_verdict_that_a_rejection_leaves(chairs: ReviewWorld) -> None:
    client = chairs.client()
    finding_id = chairs.app.state.sources.files.read(7).duplicates[0].finding_id
    address = "/categories/7?status=all&variant=1"
    assert client.get(address).text.count("short by 1</span>") == 2

    chairs.decide(client, verdict="rejected", finding_ids=[finding_id])

    assert "short by 1</span>" not in client.get(address).text
    (left,) = rows_of(client.get("/categories/7/findings.csv?variant=1"))
    assert left["verdict"] == "compliant"
    matching = {"filter": {"verdict": "compliant"}, "count": 1}
    matching["version"] = chairs.app.state.sources.files.read(7).version
    answer = chairs.decide(client, verdict="confirmed", matching=matching)
    assert answer.json()["count"] == 1


def test_long_list_has_pages(world: ReviewWorld) -> None:
    world.publish([judged_variant(f"{n:03}", [["a", "b"]]) for n in range(120)])
    client = world.client()

    pages = [variants_shown(client.get(f"/categories/7?page={n}").text) for n in (1, 2, 3, 99)]

    assert [len(page) for page in pages] == [50, 50, 20, 20]
    assert pages[0][0] == "000"
    assert pages[1][0] == "050"
    text = client.get("/categories/7?page=2&kind=same_picture").text
    assert 'rel="next" href="/categories/7?page=3&amp;kind=same_picture"' in text
    assert len(rows_of(client.get("/categories/7/findings.csv"))) == 120


def test_categories_are_searched_sorted_and_paged(world: ReviewWorld) -> None:
    for number, name in enumerate(["Chairs", "Desks", "Chair mats"], start=7):
        copies = ["a", "b", "c", "d"][: 1 + number - 6]
        world.publish([judged_variant("1", [copies])], category_id=number, name=name)
    client = world.client()

    def shown(query: str) -> list[str]:
        return re.findall(
            r'<th scope="row"><a href="/categories/(\d+)"', client.get(f"/categories?{query}").text
        )

    assert shown("") == ["9", "8", "7"]
    assert shown("order=name&descending=false") == ["9", "7", "8"]
    assert shown("search=chair&order=category_id&descending=false") == ["7", "9"]
    assert shown("search=8") == ["8"]
    assert shown("page=2") == []
    assert [row["name"] for row in rows_of(client.get("/categories.csv?search=chair"))] == [
        "Chair mats",
        "Chairs",
    ]


def test_sorted_column_is_named_to_a_screen_reader(chairs: ReviewWorld) -> None:
    text = chairs.client().get("/categories?order=short&descending=false").text

    assert text.count('aria-sort="ascending"') == 1
    assert text.count('aria-sort="descending"') == 0


def test_run_export_has_a_row_per_category(chairs: ReviewWorld) -> None:
    (row,) = rows_of(chairs.client().get("/run.csv?id=run-1"))

    assert (row["category_id"], row["new"], row["findings"]) == ("7", "3", "3")


def test_related_pictures_are_on_the_variant_page_alone(world: ReviewWorld) -> None:
    rows = judged_variant("1", [["a"], ["b"], ["c"]], related=[("a", "b")])
    world.publish([of_seller(rows, "shop-1")])
    client = world.client()

    assert "No picture is shown twice here" in client.get("/categories/7").text
    assert "related: asks for nothing" in client.get("/categories/7/variant?id=1").text
