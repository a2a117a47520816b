"""The Backfill form of Airflow's interface, filled in as a person does, in a real browser."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence

from playwright.sync_api import Locator, Page, sync_playwright

TIMEOUT_MS = 60_000
_SENT_BOX = "Override parameters on existing runs"


class BackfillForm:
    """The open form of one DAG."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._dialog = page.locator("[role=dialog][data-scope=dialog][data-state=open]")
        page.get_by_role("button", name="Trigger").first.click()
        self._dialog.get_by_text("Backfill", exact=True).click()

    def choose_dates(self, start: str, end: str) -> None:
        """Two dates, as YYYY/MM/DD: from the first one's start to the second one's end."""
        for date, time in ((start, "00:00"), (end, "23:59")):
            self._dialog.get_by_text("Select date and time").first.click()
            calendar = self._page.locator("[data-scope=popover][data-part=content]:visible")
            for placeholder, text in (("YYYY/MM/DD", date), ("HH:mm", time)):
                field = calendar.get_by_placeholder(placeholder)
                field.fill(text)
                field.press("Enter")
            self._page.keyboard.press("Escape")
            calendar.wait_for(state="hidden")

    def choose_categories(self, lines: Sequence[str]) -> None:
        """Category ids, typed key by key, each on a line of its own."""
        field = self._dialog.locator("[name=element_category_ids]")
        field.click()
        for number, line in enumerate(lines):
            if number:
                self._page.keyboard.press("Enter")
            self._page.keyboard.type(line, delay=20)

    def send_parameters(self) -> None:
        """Tick the box without which the form leaves the parameters out."""
        self._dialog.get_by_text(_SENT_BOX).click()

    @property
    def says_how_many_runs(self) -> Locator:
        """The line that counts the runs to come."""
        return self._dialog.get_by_text("runs will be triggered")

    @property
    def says_that_dates_are_reversed(self) -> Locator:
        """The line below the dates."""
        return self._dialog.get_by_text("Start Date must be before the End Date")

    @property
    def can_be_submitted(self) -> bool:
        """Whether its button can be pressed."""
        return self._dialog.get_by_role("button", name="Run Backfill").is_enabled()

    def submit(self) -> None:
        """Press the button; it can be pressed only while the form takes its input for right."""
        self._dialog.get_by_role("button", name="Run Backfill").click()

    def wait_until_closed(self) -> None:
        """Until Airflow has taken it."""
        self._dialog.wait_for(state="hidden")

    def wait_for_complaint(self) -> str:
        """What the form says, once it says that Airflow refused it."""
        self._dialog.get_by_text("Validation Error").wait_for()
        return self._dialog.inner_text()


@contextlib.contextmanager
def opened_form(address: str, user: str, password: str, dag_id: str) -> Iterator[BackfillForm]:
    """Log in with a browser of its own, and open the form of a DAG."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise FileNotFoundError("no program chromium on PATH; setup/system-packages.sh browser")
    # Chromium's own sandbox does not work for root.
    arguments = ["--no-proxy-server", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        try:
            page = browser.new_page(
                viewport={"width": 1400, "height": 1700}, locale="en-US", timezone_id="UTC"
            )
            page.set_default_timeout(TIMEOUT_MS)
            page.goto(address)
            page.get_by_label("Username").fill(user)
            page.get_by_label("Password").fill(password)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{address}/")
            page.goto(f"{address}/dags/{dag_id}")
            yield BackfillForm(page)
        finally:
            browser.close()
