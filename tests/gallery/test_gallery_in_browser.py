"""A gallery as a person uses it: opened from a file, in a real browser."""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from image_duplication import layout
from image_duplication.gallery.run_pages import write_run_page
from image_duplication.storage import Storage
from tests.gallery.published import publish, rewrite, standing, write_thumbnail
from tests.judged_rows import judged_variant

pytestmark = pytest.mark.long

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>"
FINDINGS = 5_000
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise FileNotFoundError("no program chromium on PATH; setup/system-packages.sh browser")
    # Chromium's own sandbox does not work for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()


class Opened:
    """A page, and all that its console complained of."""

    def __init__(self, browser: Browser, path: str, **options: Any) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(Path(path).as_uri())


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A category of 40 variants: equal pictures, and one that is mirrored; a hostile seller."""
    storage = Storage(str(tmp_path_factory.mktemp("data")))
    variants = []
    for number in range(40):
        rows = judged_variant(
            f"v{number:02}", [["1", "2"], ["3"]], failed=["4"], category_name="कुर्सियाँ"
        )
        for row in rows[:3]:
            row["seller_id"] = row["seller_id"] if number else HOSTILE
            # Of the second picture no thumbnail is kept, for one variant.
            if number != 2 or row["image_id"] != "2":
                write_thumbnail(storage, row, seed=3 if row["image_id"] == "3" else 1)
        rows[1]["kinds"] = ["cropped"] if number < 10 else ["same_picture"]
        variants.append([row | {"seller_id": rows[0]["seller_id"]} for row in rows])
    publish(storage, variants)
    return storage


@pytest.fixture
def opened(browser: Browser, storage: Storage) -> Iterator[Opened]:
    rewrite(storage)
    opened = Opened(browser, storage.path(layout.gallery(7)))
    yield opened
    opened.page.close()
    assert opened.complaints == []


def shown_names(page: Page) -> list[str]:
    return [
        name.removeprefix("Variant ") for name in page.locator(".variant h2").all_text_contents()
    ]


def test_gallery_filters_and_counts_what_it_shows(opened: Opened) -> None:
    page = opened.page
    assert page.get_by_role("status").inner_text() == "40 variants with 40 findings"
    assert len(shown_names(page)) < 40  # the rest when one scrolls

    page.get_by_role("checkbox", name="Cropped").check()
    assert page.get_by_role("status").inner_text() == "10 of 40 variants, with 10 findings"
    page.get_by_role("searchbox").fill("v0")
    page.get_by_role("checkbox", name="Cropped").uncheck()
    page.get_by_label("Seller").select_option("seller-1")
    assert shown_names(page) == [f"v{number:02}" for number in range(1, 10)]
    page.get_by_role("searchbox").fill("no such")
    page.get_by_text("No variant passes these filters.").wait_for()
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_text("40 variants with 40 findings").wait_for()


def test_gallery_shows_more_as_one_scrolls(opened: Opened) -> None:
    page = opened.page
    for _ in range(20):
        page.mouse.wheel(0, 5_000)
        page.wait_for_timeout(50)

    assert len(shown_names(page)) == 40


def test_gallery_is_moved_through_by_keys_and_links(opened: Opened) -> None:
    page = opened.page
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.locator(".is-current h2").inner_text() == "Variant v01"
    assert page.url.endswith("#v01")

    page.goto(page.url.replace("#v01", "#v39"))
    page.locator(".is-current").get_by_text("Variant v39").wait_for()
    page.get_by_role("button", name="Show earlier variants").click()
    assert shown_names(page)[:2] == ["v27", "v28"]


def test_difference_of_equal_pictures_is_black(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("j")
    page.keyboard.press("d")
    stage = page.locator(".compare-stage").first
    page.wait_for_function("document.querySelector('.compare-stage').clientHeight > 100")
    pixels = np.asarray(Image.open(io.BytesIO(stage.screenshot())).convert("L"))

    assert pixels[8:-8, 8:-8].max() < 3
    compare = page.locator(".compare").first
    compare.get_by_role("radio", name="Slider").check()
    slider = compare.get_by_role("slider")
    slider.press("ArrowRight")
    assert slider.input_value() == "51"
    pixels = np.asarray(Image.open(io.BytesIO(stage.screenshot())).convert("L"))
    assert pixels.max() > 100


def test_missing_thumbnail_is_a_tile_in_words_and_cannot_be_laid_over(opened: Opened) -> None:
    card = opened.page.locator(".variant").nth(2)

    assert card.get_by_text("no thumbnail").count() == 2
    assert card.get_by_text("not found", exact=True).count() == 1
    assert card.get_by_role("radio").count() == 0


def test_texts_of_sellers_stay_texts(opened: Opened) -> None:
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.get_by_text(f"Seller {HOSTILE}").count() == 1
    assert {url.partition(":")[0] for url in opened.requests} <= {"file", "data"}


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width_px", [390, 1280])
def test_gallery_has_no_serious_fault_for_assistive_technology(
    opened: Opened, colours: Any, width_px: int
) -> None:
    page = opened.page
    page.emulate_media(color_scheme=colours)
    page.set_viewport_size({"width": width_px, "height": 900})
    page.keyboard.press("j")
    page.keyboard.press("d")
    for details in page.locator("details").all()[:2]:
        details.locator("summary").click()
    # axe adds its own script, which the page's policy would refuse.
    found = Axe().run(page)

    serious = [one for one in found.response["violations"] if one["impact"] in SERIOUS]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_run_page_has_no_serious_fault_for_assistive_technology(
    browser: Browser, tmp_path: Path, colours: Any
) -> None:
    storage = Storage(str(tmp_path))
    summary = publish(storage, [judged_variant("a", [["1", "2"], ["3"]])], "weekly")
    write_run_page(storage, summary, [standing(weeks, 10) for weeks in (3, 2, 1, 0)])
    opened = Opened(browser, storage.path(layout.run_page("weekly")), color_scheme=colours)
    found = Axe().run(opened.page)
    opened.page.close()

    serious = [one for one in found.response["violations"] if one["impact"] in SERIOUS]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


def test_gallery_prints_all_that_is_shown_without_controls(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("checkbox", name="Cropped").check()
    content = page.pdf(print_background=True)
    page.emulate_media(media="print")

    assert content.startswith(b"%PDF")
    assert len(shown_names(page)) == 10
    assert page.get_by_role("searchbox").count() == 0
    assert page.get_by_role("radio").count() == 0


def test_thumbnails_beside_the_page_are_shown(browser: Browser, storage: Storage) -> None:
    rewrite(storage, inline_mb=0)
    opened = Opened(browser, storage.path(layout.gallery(7)))
    opened.page.wait_for_function(
        "document.querySelector('.variant img').complete"
        " && document.querySelector('.variant img').naturalWidth > 0"
    )
    opened.page.close()

    # Of the one thumbnail that is missing.
    assert {
        complaint for complaint in opened.complaints if "FILE_NOT_FOUND" not in complaint
    } == set()


def test_gallery_of_thousands_of_findings_stays_usable(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = Storage(str(tmp_path))
    variants = [
        judged_variant(f"v{number}", [["1", "2", "3"], ["4"]]) for number in range(FINDINGS // 2)
    ]
    publish(storage, variants)
    started = time.monotonic()
    rewrite(storage)
    write_s = time.monotonic() - started
    path = storage.path(layout.gallery(7))
    started = time.monotonic()
    opened = Opened(browser, path)
    opened.page.locator(".variant").first.wait_for()
    first_s = time.monotonic() - started
    filter_ms = opened.page.evaluate(
        """() => {
          const started = performance.now();
          const field = document.getElementById('seller');
          field.value = 'seller-1';
          field.dispatchEvent(new Event('change', {bubbles: true}));
          document.body.getBoundingClientRect();
          return performance.now() - started;
        }"""
    )
    opened.page.goto(f"{Path(path).as_uri()}#v{FINDINGS // 2 - 1}")
    opened.page.locator(".is-current").wait_for()
    with capsys.disabled():
        print(
            f"\n{FINDINGS} findings: {Path(path).stat().st_size / 1e6:.1f} MB, written in "
            f"{write_s:.1f} s; first variant after {first_s:.2f} s, filtered in {filter_ms:.0f} ms"
        )
    opened.page.close()

    assert opened.complaints == []
    assert first_s < 5
    assert filter_ms < 1_000
