"""`python -m demo.review_pictures`: the docs' pictures of the review pages, of the last demo run.

The weeks before it are made up, for the demo has one run; a few findings are decided.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, Request
from playwright.sync_api import Page, sync_playwright
from rich.console import Console

from demo.page_pictures import find_chromium, run_command, save_picture
from demo.run import FOLDER, DemoFailedError
from demo.server_process import free_ports
from image_duplication.store.database import Store
from image_duplication.store.schema import RUN_SUMMARIES
from image_duplication_web.access import Access, User, remember_user
from image_duplication_web.review.app import make_review_app
from image_duplication_web.review.requests import SIGN_HEADER
from image_duplication_web.review.sources import Sources

_CATEGORY = 1234
_MOUNT = "/image-duplication"
_WEEKS = 26
_STARTING_S = 20


def take_pictures(console: Console) -> None:
    """Write each picture below `docs/images/`. Raises DemoFailedError without a run of the demo."""
    kept = FOLDER / "data" / "store" / "store.db"
    if not kept.exists():
        raise DemoFailedError("no run of the demo to show; expected `make demo` before")
    os.environ["IMAGE_DUPLICATION__STORAGE__ROOT"] = str(FOLDER / "data")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(kept, folder))
        with Store("copy", f"sqlite:///{copy}") as store:
            _make_up_past(store)
        with _serving(copy) as address:
            _decide(address)
            _take_all(address, console)


def _take_all(address: str, console: Console) -> None:
    category = f"{address}/categories/{_CATEGORY}"
    with _browser() as open_page:
        page = open_page("light", 1280)
        page.goto(f"{address}/")
        run = page.get_by_role("link", name="what it did").get_attribute("href")
        _take(page, 1090, "review_overview.png", console)
        page.goto(f"{address}/categories")
        _take(page, 640, "review_categories.png", console)
        page.goto(f"{category}?status=all")
        page.keyboard.press("j")
        page.keyboard.press("j")
        _take(page, 960, "review_category.png", console)
        page.goto(f"{address.removesuffix(_MOUNT)}{run}")
        _take(page, 760, "review_run.png", console)
        dark = open_page("dark", 1280)
        dark.goto(f"{category}/variant?id=1005")
        dark.locator(".compare").nth(2).get_by_role("radio", name="Difference").check()
        dark.locator(".pairs").scroll_into_view_if_needed()
        _take(dark, 1750, "review_variant.png", console)
        narrow = open_page("light", 360)
        narrow.goto(f"{category}?status=open")
        narrow.evaluate("document.querySelector('.finding').scrollIntoView()")
        _take(narrow, 760, "review_narrow.png", console, from_top=False)


def _make_up_past(store: Store) -> None:
    """Half a year of runs before the demo's own."""
    draw = random.Random(0)
    with store.transaction() as connection:
        now = dict(connection.execute(sa.select(RUN_SUMMARIES)).mappings().first() or {})
        connection.execute(
            RUN_SUMMARIES.insert(),
            [
                now
                | {
                    "run_id": f"week-{weeks}",
                    "recording": now["recording"] - weeks,
                    "planned_at": now["planned_at"] - timedelta(weeks=weeks),
                    "findings": now["findings"] + round(2.6 * weeks) + draw.randint(-5, 5),
                    "short": now["short"] + round(0.9 * weeks) + draw.randint(0, 3),
                    "new": draw.randint(4, 16),
                    "resolved": draw.randint(6, 20),
                }
                for weeks in range(1, _WEEKS)
            ],
        )


def _let_in(request: Request) -> User:
    return remember_user(request, User("reviewer", may_decide=True))


@contextlib.contextmanager
def _serving(store: Path) -> Iterator[str]:
    """The pages' address on the loopback, where everybody may decide."""
    app = FastAPI()
    access = Access(_let_in, _let_in, lambda back: back)
    sources = Sources(lambda _: Store("copy", f"sqlite:///{store}"))
    app.mount(_MOUNT, make_review_app(access, sources))
    port = free_ports(1)[0]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + _STARTING_S
    while not server.started:
        if time.monotonic() > deadline:
            raise DemoFailedError(f"the pages were not served within {_STARTING_S} s")
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}{_MOUNT}"
    finally:
        server.should_exit = True
        thread.join(_STARTING_S)
        sources.close()


def _decide(address: str) -> None:
    """One finding of each variant confirmed, one rejected."""
    page = requests.get(f"{address}/categories/{_CATEGORY}", timeout=30).text
    ids = [part.partition('"')[0] for part in page.split('data-finding="')[1:]]
    for finding_id, verdict in zip(ids[1:3], ("confirmed", "rejected"), strict=True):
        requests.post(
            f"{address}/categories/{_CATEGORY}/decisions",
            json={"verdict": verdict, "finding_ids": [finding_id]},
            headers={SIGN_HEADER: "review"},
            timeout=30,
        ).raise_for_status()


@contextlib.contextmanager
def _browser() -> Iterator[Any]:
    chromium = find_chromium()
    # Chromium's own sandbox does not work for root.
    arguments = ["--no-proxy-server", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)

        def open_page(colours: Any, width_px: int) -> Page:
            return browser.new_page(
                color_scheme=colours, viewport={"width": width_px, "height": 900}
            )

        try:
            yield open_page
        finally:
            browser.close()


def _take(
    page: Page, height_px: int, name: str, console: Console, *, from_top: bool = True
) -> None:
    width_px = (page.viewport_size or {"width": 1280})["width"]
    page.set_viewport_size({"width": width_px, "height": height_px})
    if from_top:
        page.evaluate("scrollTo(0, 0)")
    page.wait_for_load_state("networkidle")
    save_picture(page.screenshot(), name, console)


if __name__ == "__main__":
    sys.exit(run_command(take_pictures))
