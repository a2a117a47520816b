"""`python -m demo.screenshots`: the docs' pictures of pages, from what the last demo run found.

The trend's earlier weeks are made up, for the demo has one run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from rich.console import Console

from demo.page_pictures import find_chromium, run_command, save_picture
from demo.run import FOLDER, DemoFailedError
from image_duplication import layout
from image_duplication.gallery.run_pages import write_run_page
from image_duplication.storage import Storage
from image_duplication.store.standings import CatalogueStanding
from image_duplication.summary import CategorySummary, RunSummary

_CATEGORY = 1234
_WEEKS = 26
_WIDTH_PX = 1280


def take_screenshots(console: Console) -> None:
    """Write each picture below `docs/images/`. Raises DemoFailedError without a run of the demo."""
    storage = Storage(str(FOLDER / "data"))
    runs = storage.names("runs")
    if not runs:
        raise DemoFailedError("no run of the demo to show; expected `make demo` before")
    gallery = storage.path(layout.gallery(_CATEGORY))
    run_page = _write_run_page_with_past(storage, runs[-1])
    with _opened_page("light") as page:
        page.goto(Path(gallery).as_uri())
        page.locator(".compare").nth(2).get_by_role("radio", name="Difference").check()
        _take(page, 1500, "gallery.png", console)
        page.goto(Path(run_page).as_uri())
        _take(page, 1180, "run_page.png", console)
    with _opened_page("dark") as page:
        page.goto(Path(gallery).as_uri())
        page.get_by_role("checkbox", name="Cropped").check()
        page.locator(".compare").first.get_by_role("radio", name="Slider").check()
        _take(page, 1000, "gallery_dark.png", console)


@contextlib.contextmanager
def _opened_page(colours: str) -> Iterator[Page]:
    chromium = find_chromium()
    # Chromium's own sandbox does not work for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        try:
            page = browser.new_page()
            page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
            yield page
        finally:
            browser.close()


def _take(page: Page, height_px: int, name: str, console: Console) -> None:
    page.set_viewport_size({"width": _WIDTH_PX, "height": height_px})
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    save_picture(page.screenshot(), name, console)


def _write_run_page_with_past(storage: Storage, run_folder: str) -> str:
    """The page of the demo's run, as if half a year of runs had gone before; its path."""
    record = storage.read_json(f"runs/{run_folder}/summary.json")
    summary = RunSummary(
        record["run_id"],
        record["scope"],
        record["planned_at"],
        rejected_rows=0,
        categories=tuple(CategorySummary(**category) for category in record["categories"]),
        categories_failed={},
    )
    totals = summary.totals()
    short = sum(count for name, count in totals["verdicts"].items() if name.startswith("short"))
    now = CatalogueStanding(
        run_id=summary.run_id,
        planned_at=datetime.fromisoformat(summary.planned_at).replace(tzinfo=None),
        scope=summary.scope,
        variants_judged=totals["variants_judged"],
        new=7,
        repeated=totals["findings_new"] - 7,
        resolved=12,
        units_failed=0,
        categories_failed=0,
        categories=totals["categories"],
        variants=totals["variants"],
        compliant=totals["verdicts"]["compliant"],
        short=short,
        undecided=totals["verdicts"]["undecided"],
        findings=totals["findings"],
        by_kind=totals["findings_by_kind"],
    )
    write_run_page(storage, summary, [*_make_up_past(now), now])
    return storage.path(layout.run_page(summary.run_id))


def _make_up_past(now: CatalogueStanding) -> Iterator[CatalogueStanding]:
    draw = random.Random(0)
    for weeks in range(_WEEKS - 1, 0, -1):
        yield dataclasses.replace(
            now,
            planned_at=now.planned_at - timedelta(weeks=weeks),
            findings=now.findings + round(2.6 * weeks) + draw.randint(-5, 5),
            short=now.short + round(0.9 * weeks) + draw.randint(0, 3),
            undecided=max(0, now.undecided + draw.randint(-3, 4)),
            new=draw.randint(4, 16),
            resolved=draw.randint(6, 20),
        )


if __name__ == "__main__":
    sys.exit(run_command(take_screenshots))
