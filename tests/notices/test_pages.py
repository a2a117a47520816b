"""What sellers read: page, CSV and the list of sellers, in two languages, safe to open."""

from __future__ import annotations

import re
from dataclasses import fields
from string import Formatter

import pytest

from image_duplication import layout
from image_duplication.notices import pages
from image_duplication.notices.wording import ENGLISH, HINDI, WORDINGS, Wording
from image_duplication.records import Kind, PhotoProblem
from image_duplication.settings import NoticeSettings
from image_duplication.tables import Row
from tests.judged_rows import judged_variant
from tests.notices.telling import RUN, Told, tell
from tests.removal.worlds import DAY, World

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>{0}{{7*7}}"


def of_seller(rows: list[Row], seller_id: str | None, **columns: object) -> list[Row]:
    return [row | {"seller_id": seller_id, **columns} for row in rows]


def start(world: World, *variants: list[Row]) -> Told:
    world.start(*variants)
    return tell(world)


def test_page_says_what_was_found_and_what_to_upload_by_when(sqlite_world: World) -> None:
    page = start(sqlite_world, judged_variant("1", [["a", "b"], ["c"]])).page()

    english, hindi = page.says("en"), page.says("hi")
    assert "Product 1" in english
    assert "Different photos: 2. Needed: 3. Missing: 1." in english
    assert "Photo 2 repeats photo 1: same photo, saved again." in english
    assert "Keep photo 1 and replace photo 2." in english
    assert "Please upload 1 more photo(s) of other views by the end of 23 March 2026." in english
    assert "फ़ोटो 2 और फ़ोटो 1 एक ही हैं: वही फ़ोटो, दोबारा सहेजी हुई।" in hindi
    assert "कृपया 23 मार्च 2026 के अंत तक दूसरे दृश्यों की 1 और फ़ोटो अपलोड करें।" in hindi
    assert "https://mkp.gem.gov.in/1" in page.addresses()
    assert "https://assets-bg.gem.gov.in/1/b.jpg" in page.addresses()


def test_both_languages_say_the_same_things(sqlite_world: World) -> None:
    rows = judged_variant("1", [["a", "b"], ["c"], ["d"]], unusable=["c", "d"], failed=["e"])
    page = start(sqlite_world, rows, judged_variant("2", [])).page()
    figures = {
        language: [
            sorted(re.findall(r"\d+", text)) for found, text in page.texts if found == language
        ]
        for language in ("en", "hi")
    }

    assert figures["en"] == figures["hi"]
    assert len(figures["en"]) > 20


def test_switch_of_language_needs_no_script(sqlite_world: World) -> None:
    page = start(sqlite_world, judged_variant("1", [["a"]])).page()
    switches = page.tags("input")

    assert page.tags("script") == []
    assert [one["id"] for one in switches] == ["en", "hi"]
    assert ["checked" in one for one in switches] == [True, False]
    assert [one["for"] for one in page.tags("label")] == ["en", "hi"]


def test_page_is_complete_in_itself(sqlite_world: World) -> None:
    page = start(sqlite_world, judged_variant("1", [["a", "b"]])).page()
    metas = page.tags("meta")

    assert page.tags("link") == []
    assert any(meta.get("name") == "viewport" for meta in metas)
    (policy,) = [m["content"] for m in metas if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy
    assert policy.startswith("default-src 'none'")
    assert {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "form"} == set()


def test_what_sellers_write_stays_text(sqlite_world: World) -> None:
    rows = of_seller(
        judged_variant("1", [["a", "b"], ["c"]], category_name=HOSTILE),
        HOSTILE,
        catalogue_id=HOSTILE,
    )
    page = start(sqlite_world, rows).page(HOSTILE)

    assert page.tags("script") == []
    assert [one for one in page.tags("img") if "onerror" in one or one["src"] == "x"] == []
    assert f"Seller: {HOSTILE}" in page.says("en")
    assert HOSTILE in page.says(None)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "//evil.example", "", None],
)
def test_address_that_is_none_of_the_web_is_no_link(sqlite_world: World, url: str | None) -> None:
    rows = of_seller(judged_variant("1", [["a"]], failed=["b"]), "seller-1", product_url=url)
    rows[1] |= {"corrected_url": None, "image_url": url}
    page = start(sqlite_world, rows).page()

    assert page.addresses() == []
    assert page.tags("img") == []
    assert "Product 1" in page.says("en")


def test_address_cannot_leave_its_attribute(sqlite_world: World) -> None:
    url = "https://mkp.gem.gov.in/1\"onclick='alert(1)'<b>"
    rows = of_seller(judged_variant("1", [["a"]]), "seller-1", product_url=url)
    page = start(sqlite_world, rows).page()

    assert page.addresses() == [url, url]
    assert all(set(attributes) == {"href"} for attributes in page.tags("a"))


def test_each_seller_gets_only_what_is_theirs(sqlite_world: World) -> None:
    told = start(
        sqlite_world,
        of_seller(judged_variant("1", [["a"]]), "b"),
        of_seller(judged_variant("2", [["a"]]), "a"),
        of_seller(judged_variant("3", [["a"]]), "b"),
        of_seller(judged_variant("4", [["a"]]), "B"),
    )

    assert [row["variant_id"] for row in told.csv("a")] == ["2"]
    assert [row["variant_id"] for row in told.csv("b")] == ["1", "3"]
    assert [row["variant_id"] for row in told.csv("B")] == ["4"]
    assert "Product 2" not in told.page("b").says("en")
    assert [row["seller_id"] for row in told.sellers()] == ["B", "a", "b"]


def test_seller_of_several_categories_gets_one_notice(sqlite_world: World) -> None:
    world = sqlite_world
    world.publish([judged_variant("1", [["a"]], category_id=8)], category_id=8)
    world.publish([judged_variant("2", [["a"]])])
    told = tell(world, category_ids=[8, 7])

    assert [row["category_id"] for row in told.csv()] == ["7", "8"]
    assert len(told.sellers()) == 1


@pytest.mark.parametrize("seller_id", [None, ""], ids=["null", "empty"])
def test_variant_without_a_seller_is_in_a_notice_of_its_own(
    sqlite_world: World, seller_id: str | None
) -> None:
    told = start(
        sqlite_world,
        of_seller(judged_variant("1", [["a"]]), seller_id),
        of_seller(judged_variant("2", [["a"]]), "without_seller"),
    )

    assert [row["variant_id"] for row in told.csv(None)] == ["1"]
    assert "Products without a seller" in told.page(None).says("en")
    assert [(row["seller_id"], row["notice"]) for row in told.sellers()] == [
        ("", "without_seller/notice.html"),
        ("without_seller", "seller=without_seller/notice.html"),
    ]


@pytest.mark.parametrize(
    "seller_id", ["../../etc", "/root", "..", "a/b", "x" * 300, "विक्रेता", "\x00"]
)
def test_file_of_a_seller_stays_in_the_folder_of_the_run(seller_id: str) -> None:
    key = layout.seller_notice(RUN, seller_id, "html")

    assert re.fullmatch(r"notices/[a-z0-9_-]+/seller=[a-z0-9_-]+/notice\.html", key)


def test_csv_has_a_row_for_each_thing_that_was_found(sqlite_world: World) -> None:
    told = start(
        sqlite_world,
        judged_variant("1", [["a", "b"], ["c"]], unusable=["c"]),
        judged_variant("2", [["a"]]),
        judged_variant("3", []),
    )
    rows = told.csv()

    assert [(row["variant_id"], row["photo"], row["missing"]) for row in rows] == [
        ("1", "2", "2"),
        ("1", "3", "2"),
        ("2", "", "2"),
        ("3", "", "3"),
    ]
    assert rows[0]["photo_url"].endswith("/1/b.jpg")
    assert rows[0]["keep_photo_url"].endswith("/1/a.jpg")
    assert rows[0]["found_en"] == (
        "Photo 2 repeats photo 1: same photo, saved again. Keep photo 1 and replace photo 2."
    )
    assert rows[1]["found_hi"].startswith("फ़ोटो 3 में केवल एक रंग है।")
    assert [row["found_en"] for row in rows[2:]] == ["", "It shows no photo yet."]
    assert {row["due_on"] for row in rows} == {"2026-03-23"}


def test_csv_runs_no_formula_of_a_seller(sqlite_world: World) -> None:
    rows = of_seller(
        judged_variant("1", [["a"]], category_name="=1+1"),
        "=cmd",
        catalogue_id="+1",
        product_url="@x",
    )
    told = start(sqlite_world, rows)

    (row,) = told.csv("=cmd")
    assert (row["category_name"], row["catalogue_id"], row["product_url"]) == (
        "'=1+1",
        "'+1",
        "'@x",
    )
    assert told.sellers()[0]["seller_id"] == "'=cmd"


def test_list_of_sellers_counts_what_their_notices_say(sqlite_world: World) -> None:
    told = start(
        sqlite_world,
        judged_variant("1", [["a", "b"], ["c"]], unusable=["c"]),
        judged_variant("2", [["a"]]),
    )

    assert told.sellers() == [
        {
            "seller_id": "seller-1",
            "variants": "2",
            "missing": "4",
            "findings": "1",
            "problems": "1",
            "first_due_on": "2026-03-23",
            "variants_noticed_before": "0",
            "earlier_notices": "0",
            "notice": "seller=seller-1/notice.html",
        }
    ]


def test_repeat_offence_and_overdue_date_are_said(sqlite_world: World) -> None:
    world, short = sqlite_world, judged_variant("1", [["a", "b"], ["c"]])
    start(world, short)
    world.publish([judged_variant("1", [["a"], ["b"], ["c"]])])
    world.moment += DAY
    tell(world, "second")
    world.publish([short])
    world.moment += DAY
    tell(world, "third")
    world.moment += 20 * DAY
    told = tell(world, "fourth")
    text = told.page().says("en")

    assert "Earlier times that this product showed too few different photos: 1." in text
    assert "Earlier notices to this seller that were settled: 1" in text
    assert "This was due by 25 March 2026. Please upload 1 more" in text
    assert told.sellers()[0]["variants_noticed_before"] == "1"


def test_dry_run_is_called_a_draft(sqlite_world: World) -> None:
    sqlite_world.start(judged_variant("1", [["a"]]))

    assert ENGLISH.draft in tell(sqlite_world, "draft", is_dry=True).page().says("en")
    assert ENGLISH.draft not in tell(sqlite_world, "real").page().says("en")


def test_page_says_where_to_appeal(sqlite_world: World) -> None:
    sqlite_world.start(judged_variant("1", [["a"]]))
    unset = tell(sqlite_world, "unset").page().says("en")
    notices = NoticeSettings(appeal_contact="quality@gem.example <help>")
    sqlite_world.settings = sqlite_world.settings.model_copy(update={"notices": notices})
    page = tell(sqlite_world, "set").page()

    assert "reply to whoever sent you this notice" in unset
    assert "please write to quality@gem.example <help>, with the product" in page.says("en")
    assert "quality@gem.example <help> पर लिखें" in page.says("hi")


def test_long_page_ends_with_how_many_more_the_csv_has(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_ON_PAGE", 2)
    told = start(sqlite_world, *(judged_variant(str(n), [["a"]]) for n in range(1, 6)))

    assert len(told.page().tags("article")) == 2
    assert "3 more products are in the file notice.csv." in told.page().says("en")
    assert len(told.csv()) == 5


# Words ------------------------------------------------------------------------------------------


def templates(wording: Wording) -> dict[str, str]:
    found = {}
    for field in fields(wording):
        value = getattr(wording, field.name)
        if isinstance(value, str):
            found[field.name] = value
    return found | {problem.value: text for problem, text in wording.problems.items()}


def test_each_template_has_the_same_figures_in_each_language() -> None:
    def figures(wording: Wording) -> dict[str, list[str]]:
        return {
            name: sorted({field for _, field, _, _ in Formatter().parse(text) if field})
            for name, text in templates(wording).items()
        }

    assert figures(ENGLISH) == figures(HINDI)


def test_hindi_texts_are_hindi() -> None:
    allowed = {"language": "hi"}
    texts = {k: v for k, v in templates(HINDI).items() if k not in allowed}

    assert [name for name, text in texts.items() if not re.search("[ऀ-ॿ]", text)] == []


@pytest.mark.parametrize("wording", WORDINGS, ids=lambda wording: wording.language)
def test_every_problem_and_month_has_words(wording: Wording) -> None:
    assert set(wording.problems) == set(PhotoProblem)
    assert len(set(wording.months)) == 12
    assert wording.write_date("2026-01-09").startswith("9 ")


@pytest.mark.parametrize("wording", WORDINGS, ids=lambda wording: wording.language)
@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_described_without_a_stored_sentence(wording: Wording, kind: Kind) -> None:
    assert wording.describe([kind], None)
