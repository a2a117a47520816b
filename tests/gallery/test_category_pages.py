"""Galleries: what a page says of each variant, and that nothing a seller wrote can act in it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from image_duplication import layout
from image_duplication.gallery.assembly import to_script_json
from image_duplication.gallery.contents import say_verdict
from image_duplication.reviews import Reviews
from image_duplication.storage import Storage
from image_duplication.tables import Row
from tests.gallery.published import Gallery, publish, read_gallery, rewrite, write_thumbnail
from tests.judged_rows import judged_variant
from tests.storages import all_files

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\u2028'\""


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def repeated(variant_id: str = "a") -> list[Row]:
    """Pictures 1 and 2 are alike and 2 is kept; 3 is related to 1; 4 failed."""
    return judged_variant(
        variant_id, [["1", "2"], ["3"]], keepers={"1": "2"}, failed=["4"], related=[("1", "3")]
    )


def compliant(variant_id: str) -> list[Row]:
    return judged_variant(variant_id, [["1"], ["2"], ["3"]])


def gallery_of(storage: Storage, *variants: list[Row]) -> Gallery:
    publish(storage, variants)
    return read_gallery(storage)


# What is shown ----------------------------------------------------------------------------------


def test_gallery_shows_variants_with_findings_or_too_few_pictures(storage: Storage) -> None:
    gallery = gallery_of(
        storage,
        repeated("a"),
        compliant("b"),
        judged_variant("c", []),
        judged_variant("d", [["1"], ["2"]], failed=["3"]),
        judged_variant("e", [["1", "5"], ["2"], ["3"]]),
    )

    assert [(shown["id"], shown["verdict"]) for shown in gallery.variants] == [
        ("a", "undecided"),
        ("c", "short_by_3"),
        ("d", "undecided"),
        ("e", "compliant"),
    ]
    figures = {
        name: int(number)
        for number, name in re.findall(r"<b>(\d+)</b><span>([a-z ]+)</span>", gallery.head)
    }
    assert figures == {
        "variants": 5,
        "compliant": 2,
        "short of pictures": 1,
        "undecided": 2,
        "findings": 2,  # a related pair asks for nothing: shown, not counted
    }


def test_gallery_shows_pictures_in_order_with_their_part_in_the_group(storage: Storage) -> None:
    (shown,) = gallery_of(storage, repeated()).variants

    assert [
        (image["id"], image["role"], image["base"], image["keeper"], image["notes"])
        for image in shown["images"]
    ] == [
        ("1", "base", 0, 1, []),
        ("2", "duplicate", 0, 1, []),
        ("3", "base", 2, 2, []),
        ("4", "unjudged", None, None, ["not_found"]),
    ]


def test_gallery_shows_each_finding_with_keeper_reason_distance_and_engine(
    storage: Storage,
) -> None:
    (shown,) = gallery_of(storage, repeated()).variants
    duplicate, related = shown["findings"]

    assert {name: duplicate[name] for name in duplicate if name not in {"overlay", "evidence"}} == {
        "base": 0,
        "duplicate": 1,
        "relation": "duplicate",
        "kinds": ["same_picture"],
        "sentence": "same photo, saved again",
        "distance": 2.5,
        "engine": "difpy",
        "keeper": 1,
        "why": "kept for its greater resolution",
        "removes": 0,
    }
    assert duplicate["overlay"] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert duplicate["evidence"][0] == 1234.5
    names = ("base", "duplicate", "relation", "keeper", "removes")
    assert [related[name] for name in names] == [0, 2, "related", None, None]


def test_gallery_of_a_variant_with_many_pictures_shows_them_all(storage: Storage) -> None:
    names = [f"{number:02}" for number in range(60)]
    (shown,) = gallery_of(storage, judged_variant("a", [names])).variants

    assert [image["id"] for image in shown["images"]] == names
    assert [finding["duplicate"] for finding in shown["findings"]] == list(range(1, 60))


@pytest.mark.parametrize("variants", [[], [compliant("a")]], ids=["empty category", "no findings"])
def test_gallery_without_anything_to_show_is_a_whole_page(
    storage: Storage, variants: list[list[Row]]
) -> None:
    gallery = gallery_of(storage, *variants)

    assert gallery.variants == gallery.thumbnails == []
    assert gallery.text.rstrip().endswith("</html>")


def test_gallery_says_which_files_have_the_same_without_script(storage: Storage) -> None:
    gallery = gallery_of(storage, repeated())
    noscript = re.search(r"<noscript>(.*?)</noscript>", gallery.head)

    assert noscript is not None
    assert "7_duplicates.csv" in noscript[1]
    assert "7_compliance.csv" in noscript[1]


def test_gallery_says_how_many_variants_were_not_judged(storage: Storage) -> None:
    publish(storage, [repeated()])

    assert "without a verdict" not in rewrite(storage).head
    assert "1,200 active variants without a verdict" in rewrite(storage, not_judged=1200).head


def verdict(**fields: Any) -> Row:
    return {"verdict": "short_by_1", "images": 4, "distinct_usable": 2, "required": 3} | fields


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            verdict(unjudged=0),
            "Shows 2 different pictures in 4 images; 3 are required.",
        ),
        (
            verdict(verdict="short_by_2", images=1, distinct_usable=1, unjudged=0),
            "Shows 1 different picture in 1 image; 3 are required.",
        ),
        (
            verdict(verdict="short_by_3", images=0, distinct_usable=0, unjudged=0),
            "Shows no picture at all; 3 different ones are required.",
        ),
        (
            verdict(verdict="undecided", unjudged=2),
            "Shows 2 different pictures so far, and 2 of 4 images could not be judged; "
            "3 are required.",
        ),
        (
            verdict(verdict="compliant", distinct_usable=3, unjudged=1),
            "Shows 3 different pictures in 4 images; 3 are required.",
        ),
        (
            verdict(verdict="short_by_1", images=2, distinct_usable=1, unjudged=1),
            "Shows 1 different picture in 2 images, 1 of them not judged; 3 are required.",
        ),
    ],
)
def test_verdict_is_said_in_words(row: Row, sentence: str) -> None:
    assert say_verdict(row) == sentence


def test_gallery_leaves_out_what_a_person_has_rejected(storage: Storage) -> None:
    rows = repeated()
    publish(storage, [rows])
    lower, higher = sorted(row["content_sha256"] for row in rows[:2])
    rejected = Reviews({}, frozenset({("a", lower, higher)}), allows_unreviewed_identical=True)
    (shown,) = rewrite(storage, reviews=rejected).variants

    assert [finding["relation"] for finding in shown["findings"]] == ["related"]
    assert [image["role"] for image in shown["images"]] == ["base", "base", "base", "unjudged"]
    assert shown["verdict"] == "compliant"


# Thumbnails -------------------------------------------------------------------------------------


def test_gallery_holds_its_thumbnails_and_leaves_out_what_is_missing(storage: Storage) -> None:
    rows = repeated()
    write_thumbnail(storage, rows[0])
    gallery = gallery_of(storage, rows)
    first, second, third, failed = (image["thumbnail"] for image in gallery.variants[0]["images"])

    assert gallery.thumbnails[first] is not None
    assert base64.b64decode(gallery.thumbnails[first]).startswith(b"\xff\xd8")
    assert gallery.thumbnails[second] is gallery.thumbnails[third] is None
    assert failed is None
    assert 'data-thumbnails=""' in gallery.text


def test_gallery_refers_to_its_thumbnails_when_they_are_too_many(storage: Storage) -> None:
    rows = repeated()
    for row in rows[:3]:
        write_thumbnail(storage, row)
    publish(storage, [rows])
    gallery = rewrite(storage, inline_mb=0.0001)

    assert gallery.thumbnails == [row["content_sha256"] for row in rows[:3]]
    (folder,) = re.findall(r'data-thumbnails="([^"]+)"', gallery.text)
    page = Path(storage.path(layout.gallery(7)))
    for sha256 in gallery.thumbnails:
        assert (page.parent / folder / f"{sha256}.jpg").is_file()


# Safety -----------------------------------------------------------------------------------------


def hostile() -> list[Row]:
    rows = judged_variant("a", [["1", "2"]], category_name=HOSTILE)
    for row in rows:
        row |= {"seller_id": HOSTILE, "catalogue_id": HOSTILE, "product_url": "javascript:alert(3)"}
    rows[1]["sentence"] = HOSTILE
    return rows


def test_gallery_lets_no_text_of_sellers_become_markup(storage: Storage) -> None:
    gallery = gallery_of(storage, hostile())
    calm = gallery_of(Storage(f"{storage.root}/calm"), judged_variant("a", [["1", "2"]]))

    assert gallery.variants[0]["seller"] == HOSTILE
    assert gallery.variants[0]["findings"][0]["sentence"] == HOSTILE
    assert "onerror=alert" not in re.sub(r"\\u003c.*?\\u003e|&lt;.*?&gt;", "", gallery.text)
    for tag in ("<script", "</script", "<img"):
        assert gallery.text.count(tag) == calm.text.count(tag)


def test_gallery_is_whole_when_the_category_is_called_as_the_place_of_its_data(
    storage: Storage,
) -> None:
    gallery = gallery_of(storage, judged_variant("a", [["1", "2"]], category_name="@@DATA@@"))

    assert gallery.variants[0]["id"] == "a"
    assert "<h1>@@DATA@@</h1>" in gallery.text


@pytest.mark.parametrize(
    ("address", "linked"),
    [
        ("https://mkp.gem.gov.in/a", True),
        ("HTTP://mkp.gem.gov.in/a", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        (" https://x", False),
        (None, False),
    ],
)
def test_gallery_links_to_web_addresses_alone(
    storage: Storage, address: str | None, linked: bool
) -> None:
    rows = [row | {"product_url": address} for row in repeated()]

    assert gallery_of(storage, rows).variants[0]["url"] == (address if linked else None)


@pytest.mark.parametrize("inline_mb", [15, 0])
def test_gallery_allows_its_own_script_and_style_alone(storage: Storage, inline_mb: float) -> None:
    rows = repeated()
    write_thumbnail(storage, rows[0])
    publish(storage, [rows])
    gallery = rewrite(storage, inline_mb=inline_mb)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', gallery.text)
    allowed = dict(part.split(" ", 1) for part in policy.replace("&#39;", "'").split("; "))

    for directive, tag in (("style-src", "style"), ("script-src", "script")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", gallery.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert allowed.pop(directive) == f"'sha256-{digest}'"
    assert allowed == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "img-src": "data:" if inline_mb else "'self' file:",
    }


def test_json_in_a_script_cannot_end_it() -> None:
    text = to_script_json({"a": HOSTILE, "b": "<!--", "क": "कुर्सी"})

    assert not re.search("[<>&\u2028\u2029]", text)
    assert "कुर्सी" in text


# Repeats ----------------------------------------------------------------------------------------


def test_gallery_is_the_same_when_it_is_published_again(storage: Storage) -> None:
    first = gallery_of(storage, repeated("a"), compliant("b")).text

    assert gallery_of(storage, repeated("a"), compliant("b")).text == first


def test_gallery_that_an_earlier_release_did_not_write_is_written(storage: Storage) -> None:
    publish(storage, [repeated()])
    storage.delete(layout.gallery(7))
    publish(storage, [], "nothing due")

    assert layout.gallery(7) in all_files(storage)
