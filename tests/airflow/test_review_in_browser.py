"""A reviewer's week: log in to Airflow, decide with the keyboard, and find it kept by the next run.

The runs are `airflow dags test` beside an api-server; no scheduler is needed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Page, expect, sync_playwright

from demo.airflow_home import DAG_ID, DOWNLOAD_POOL, PROJECT, AirflowHome, make_airflow_home
from demo.image_server import running_image_server
from demo.server_process import free_ports, start_process, stop_process
from image_duplication.store.database import Store
from image_duplication.store.decisions import read_current
from tests.airflow.small_catalogue import fill_small_catalogue
from tests.airflow.test_backfill_form import wait_until_answering

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

CATEGORY = 21
VARIANTS = 4  # with a finding each
USERS = {"olga": "op", "vera": "viewer"}


@dataclass(frozen=True)
class Airflow:
    """A home with a published category, and its interface."""

    home: AirflowHome
    address: str
    log: Path

    def run_dag(self) -> None:
        conf = json.dumps({"category_ids": [CATEGORY], "scope": "full"})
        code = self.home.airflow("dags", "test", DAG_ID, "--conf", conf, log=self.log)
        assert code == 0, self.log.read_text()[-4_000:]

    def decisions(self) -> list[tuple[str, str]]:
        """Who said what, of the decisions that hold."""
        with Store("store", f"sqlite:///{self.home.data}/store/store.db") as store:
            found = read_current(store, CATEGORY).values()
        return sorted((one.decided_by, one.verdict.value) for _, one in found)


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[Airflow]:
    port = free_ports(1)[0]
    address = f"http://127.0.0.1:{port}"
    source_uri = fill_small_catalogue(tmp_path, [CATEGORY], variants=VARIANTS)
    log = tmp_path / "airflow.log"
    with running_image_server(tmp_path / "served") as images:
        home = make_airflow_home(
            tmp_path / "airflow",
            tmp_path / "data",
            source_uri=source_uri,
            image_base=images.base_url,
            extra={
                "AIRFLOW__API__BASE_URL": address,
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                    f"{user}:{role}" for user, role in USERS.items()
                ),
            },
        )
        passwords = home.folder / "simple_auth_manager_passwords.json.generated"
        passwords.write_text(json.dumps({user: user for user in USERS}))
        for command in (("db", "migrate"), ("pools", "set", DOWNLOAD_POOL, "4", "downloads")):
            assert home.airflow(*command, log=log) == 0, log.read_text()[-4_000:]
        started = Airflow(home, address, log)
        started.run_dag()
        process = start_process(
            [sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1"]
            + ["--port", str(port)],
            tmp_path / "api-server.log",
            folder=PROJECT,
            environment=home.environment,
        )
        try:
            wait_until_answering(address, process, tmp_path / "api-server.log")
            yield started
        finally:
            stop_process(process)


@pytest.fixture
def page() -> Iterator[Page]:
    chromium = shutil.which("chromium")
    assert chromium, "no program chromium on PATH; setup/system-packages.sh browser"
    arguments = ["--no-proxy-server", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        opened = browser.new_page(viewport={"width": 1500, "height": 1000}, locale="en-US")
        opened.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield opened
        expect.set_options(timeout=5_000)
        browser.close()


def log_in(page: Page, airflow: Airflow, user: str) -> None:
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(user)
    page.get_by_role("button", name="Sign in").click()


def open_review(page: Page) -> FrameLocator:
    """The page, by Airflow's own navigation."""
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Image duplication").click()
    return page.frame_locator("iframe")


def test_decisions_of_a_reviewer_outlive_the_next_run(page: Page, airflow: Airflow) -> None:
    page.goto(airflow.address)
    log_in(page, airflow, "olga")
    page.wait_for_url(f"{airflow.address}/")
    review = open_review(page)
    expect(review.get_by_role("heading", name="How the catalogue stands")).to_be_visible()
    review.get_by_role("link", name=f"Category {CATEGORY}").click()
    findings = review.locator(".finding")
    expect(findings).to_have_count(VARIANTS)

    findings.first.focus()
    for key in "crc":
        page.keyboard.press(key)
    expect(review.locator("[data-tally=confirmed]")).to_have_text("2")
    expect(review.get_by_text("being recorded")).to_have_count(0)
    assert airflow.decisions() == [
        ("olga", "confirmed"),
        ("olga", "confirmed"),
        ("olga", "rejected"),
    ]
    pictures = review.locator(".finding img")
    expect(pictures.first).to_have_js_property("complete", True)
    assert pictures.first.evaluate("image => image.naturalWidth") > 0
    rejected = findings.nth(1).get_attribute("data-finding")

    airflow.run_dag()
    time.sleep(2.5)  # for so long the pages may trust what they have read
    page.goto(f"{airflow.address}/image-duplication/categories/{CATEGORY}")

    assert page.locator(f'.finding[data-finding="{rejected}"]').count() == 0
    expect(page.locator(".finding[data-status=confirmed]")).to_have_count(2)
    expect(page.locator(".finding[data-status=open]")).to_have_count(VARIANTS - 3)
    assert len(airflow.decisions()) == 3


def test_run_has_a_tab_that_says_what_it_did(page: Page, airflow: Airflow) -> None:
    page.goto(airflow.address)
    log_in(page, airflow, "vera")
    page.wait_for_url(f"{airflow.address}/")
    page.goto(f"{airflow.address}/dags/{DAG_ID}/runs")
    page.get_by_role("link", name=re.compile("manual__|^20")).first.click()
    page.get_by_role("link", name="Image duplication").click()

    tab = page.frame_locator("iframe")
    expect(tab.get_by_role("heading", name="What this run did")).to_be_visible()
    expect(tab.get_by_text(f"{VARIANTS} new findings")).to_be_visible()
    tab.get_by_role("link", name=f"Category {CATEGORY}").click()
    expect(tab.locator(".finding")).to_have_count(VARIANTS)
    expect(tab.get_by_role("button", name="Confirm")).to_have_count(0)


def test_page_comes_after_the_login_that_it_asks_for(page: Page, airflow: Airflow) -> None:
    page.goto(f"{airflow.address}/image-duplication/categories/{CATEGORY}?status=open")
    log_in(page, airflow, "vera")

    expect(page.locator(".finding")).to_have_count(VARIANTS)


def test_form_of_another_site_decides_nothing(page: Page, airflow: Airflow) -> None:
    page.goto(airflow.address)
    log_in(page, airflow, "olga")
    page.wait_for_url(f"{airflow.address}/")
    page.goto(f"{airflow.address}/image-duplication/categories/{CATEGORY}")
    finding_id = page.locator(".finding").first.get_attribute("data-finding")
    body = f'{{"verdict": "confirmed", "finding_ids": ["{finding_id}"], "note": "'
    # The same machine by another name is another site, to which the browser sends no secret
    # header; the cookie goes along, as its address is the form's target.
    page.goto("about:blank")
    page.set_content(
        f"""<form method="post" enctype="text/plain"
        action="{airflow.address}/image-duplication/categories/{CATEGORY}/decisions">
        <input name='{body}' value='"}}'></form>"""
    )
    with page.expect_response(re.compile("/decisions$")) as refused:
        page.evaluate("document.forms[0].submit()")

    assert refused.value.status in {401, 403}
    assert airflow.decisions() == []
