"""Deadlines and alerts under a real scheduler, into a mail server and a web server.

One Airflow goes through one story; the tests look at its parts. Runs are held at their downloads by
closing the pool, so what is late does not depend on the machine.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from rich.console import Console

from demo.airflow_home import DAG_ID, DOWNLOAD_POOL, PROJECT
from demo.image_server import running_image_server
from demo.standalone import StandaloneAirflow, running_standalone
from image_duplication import layout
from image_duplication.settings import INCLUDE_VARIABLE
from image_duplication.storage import Storage
from tests.airflow.receivers import (
    Mail,
    MailServer,
    Posted,
    Webhook,
    running_mail_server,
    running_webhook,
    wait_until,
)
from tests.airflow.small_catalogue import fill_small_catalogue

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

# A category for each run: two runs never share one.
SCHEDULED, MANUAL, BACKFILLED, CLEARED, PROMPT, BROKEN, PLANLESS = range(31, 38)
DEADLINE_S = 75.0
ALLOWANCE_S = 45.0
RUN_TIMEOUT_S = 240.0
STEP_TIMEOUT_S = 120.0

CATALOGUE_MONTH = {"from_date": "2024-04-01T00:00:00Z", "to_date": "2024-04-30T00:00:00Z"}
"""In which the small catalogue's rows were updated."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A running Airflow, logged in, and those who receive its alerts."""

    airflow: StandaloneAirflow
    token: str
    mail_server: MailServer
    webhook: Webhook

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(
            method,
            f"{self.airflow.address}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )

    def call(self, method: str, path: str, body: Any = None) -> Any:
        deadline = time.monotonic() + 60
        # Airflow on SQLite answers so while its scheduler writes, and asks to be asked again.
        while (answer := self.ask(method, path, body)).status_code == 503:
            assert time.monotonic() < deadline, f"{method} {path}: {answer.text}"
            time.sleep(1)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def of_dag(self, method: str, path: str, body: Any = None) -> Any:
        return self.call(method, f"/api/v2/dags/{DAG_ID}/{path}", body)

    def start(self, run_id: str, category_id: int) -> None:
        """Start a run by hand, without a logical date."""
        conf = {"category_ids": [category_id]}
        self.of_dag("POST", "dagRuns", {"logical_date": None, "dag_run_id": run_id, "conf": conf})

    def open_pool(self, slots: int) -> None:
        body = {"pool": DOWNLOAD_POOL, "slots": slots, "include_deferred": False}
        self.call("PATCH", f"/api/v2/pools/{DOWNLOAD_POOL}", body)

    def runs(self) -> dict[str, dict[str, Any]]:
        return {run["dag_run_id"]: run for run in self.of_dag("GET", "dagRuns")["dag_runs"]}

    def state(self, run_id: str) -> str:
        return str(self.runs()[run_id]["state"])

    def wait_for(self, run_id: str, *states: str) -> None:
        wait_until(
            lambda: self.state(run_id) in states, RUN_TIMEOUT_S, f"run {run_id} is not {states}"
        )

    def wait_for_task(self, run_id: str, task_id: str) -> None:
        """Wait until a task of the run, in each of its instances, has succeeded."""

        def is_done() -> bool:
            found = self.of_dag("GET", f"dagRuns/{run_id}/taskInstances")["task_instances"]
            states = [one["state"] for one in found if one["task_id"] == task_id]
            return bool(states) and set(states) == {"success"}

        wait_until(is_done, STEP_TIMEOUT_S, f"task {task_id} of run {run_id} is not done")

    def clear_task(self, run_id: str, task_id: str, map_index: int) -> int:
        """Clear a task with downstream; the status of the answer."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [[task_id, map_index]],
            "include_downstream": True,
            "only_failed": False,
        }
        path = f"/api/v2/dags/{DAG_ID}/clearTaskInstances"
        return self.ask("POST", path, body).status_code

    def clear_run(self, run_id: str) -> int:
        """Clear all of a run; the status of the answer."""
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/clear"
        return self.ask("POST", path, {"dry_run": False, "only_failed": False}).status_code

    def deadlines(self, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call(
            "GET", f"/ui/dags/{DAG_ID}/dagRuns/{run_id}/deadlines"
        )["deadlines"]
        return found

    def posted(self, headline: str, run_id: str) -> list[Posted]:
        return [
            one
            for one in self.webhook.posted
            if headline in one.body["subject"] and one.body["subject"].endswith(f"run {run_id}")
        ]

    def mailed(self, headline: str, run_id: str) -> list[Mail]:
        return [
            one
            for one in self.mail_server.mails
            if headline in one.subject and one.subject.endswith(f"run {run_id}")
        ]

    def told(self, headline: str, run_id: str) -> tuple[int, int]:
        """How many alerts of the sort the webhook and the mail server received of a run."""
        return len(self.posted(headline, run_id)), len(self.mailed(headline, run_id))

    def wait_for_alert(self, headline: str, run_id: str, timeout_s: float) -> None:
        wait_until(
            lambda: min(self.told(headline, run_id)) > 0,
            timeout_s,
            f"no alert {headline!r} of run {run_id}; subjects "
            f"{[one.body['subject'] for one in self.webhook.posted]}",
        )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("deadlines")
    categories = range(SCHEDULED, PLANLESS + 1)
    source_uri = fill_small_catalogue(folder, categories, variants=2)
    include = folder / "include"
    shutil.copytree(PROJECT / "include", include)
    # A scheduled run takes the categories of this file, the others those of their parameter.
    (include / "config" / "weekly.csv").write_text(f"name,id\nWeekly,{SCHEDULED}\n")
    with (
        running_mail_server() as mail_server,
        running_webhook() as webhook,
        running_image_server(folder / "served") as image_server,
        running_standalone(
            folder,
            source_uri=source_uri,
            image_base=image_server.base_url,
            console=Console(quiet=True),
            extra={
                INCLUDE_VARIABLE: str(include),
                "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
                "IMAGE_DUPLICATION_SCHEDULE": "0 0 1 * *",
                "IMAGE_DUPLICATION_DEADLINE_HOURS": f"{DEADLINE_S / 3600:.6f}",
                "IMAGE_DUPLICATION__PLAN__CATEGORIES_FILE": "weekly.csv",
                "IMAGE_DUPLICATION__ALERTS__LEAST_NEW": "1",
                "AIRFLOW_CONN_IMAGE_DUPLICATION_ALERTS_EMAIL": mail_server.uri(
                    to="engineers@example.com", from_email="airflow@example.com"
                ),
            },
        ) as airflow,
    ):
        answer = requests.post(
            f"{airflow.address}/auth/token",
            json={"username": airflow.user, "password": airflow.password},
            timeout=30,
        )
        answer.raise_for_status()
        scene = Scene(airflow, answer.json()["access_token"], mail_server, webhook)
        # In Airflow's database, not in the environment: every process has to ask for it.
        scene.call(
            "POST",
            "/api/v2/connections",
            {
                "connection_id": "image_duplication_alerts_webhook",
                "conn_type": "generic",
                "password": f"http://127.0.0.1:{webhook.port}/alerts",
            },
        )
        wait_until(
            lambda: scene.ask("GET", f"/api/v2/dags/{DAG_ID}").ok,
            STEP_TIMEOUT_S,
            "the DAG is not there",
        )
        yield scene


@dataclass(frozen=True, slots=True)
class Held:
    """Runs that were held until each that has a deadline was late."""

    scheduled: str
    manual: str
    backfilled: str
    cleared: str
    clearing: dict[str, int]  # what was cleared of the last, and the answer's status
    pending: bool  # whether its deadline was still to come then
    backfill_state: str  # when the others were late


@pytest.fixture(scope="module")
def held(scene: Scene) -> Held:
    scene.open_pool(0)
    scene.call("PATCH", f"/api/v2/dags/{DAG_ID}?update_mask=is_paused", {"is_paused": False})
    scene.start("by_hand", MANUAL)
    scene.start("cleared", CLEARED)
    body = {"dag_run_conf": {"category_ids": [BACKFILLED]}, **CATALOGUE_MONTH, "dag_id": DAG_ID}
    scene.call("POST", "/api/v2/backfills", body)
    wait_until(lambda: len(scene.runs()) == 4, STEP_TIMEOUT_S, "not all four runs are there")
    by_type = {run["run_type"]: run_id for run_id, run in scene.runs().items()}
    scene.wait_for_task("cleared", "process_unit.correct_urls")
    clearing = {
        "task": scene.clear_task("cleared", "process_unit.correct_urls", 0),
        "run": scene.clear_run("cleared"),
    }
    pending = [one["missed"] for one in scene.deadlines("cleared")] == [False]
    for run_id in (by_type["scheduled"], "by_hand", "cleared"):
        scene.wait_for_alert("run is late", run_id, DEADLINE_S + ALLOWANCE_S)
    time.sleep(10)  # for one too many
    return Held(
        by_type["scheduled"],
        "by_hand",
        by_type["backfill"],
        "cleared",
        clearing,
        pending,
        scene.state(by_type["backfill"]),
    )


@pytest.fixture(scope="module")
def released(scene: Scene, held: Held) -> None:
    """The held runs, finished."""
    scene.open_pool(4)
    for run_id in (held.scheduled, held.manual, held.backfilled, held.cleared):
        scene.wait_for(run_id, "success")


@dataclass(frozen=True, slots=True)
class Ended:
    """What is known of runs that ended in time, once their deadline would have passed."""

    deadlines_after_success: list[dict[str, Any]]
    clearing: dict[str, int]
    deadlines_after_clearing: list[dict[str, Any]]


@pytest.fixture(scope="module")
def ended(scene: Scene, released: None) -> Ended:
    """A run that succeeds in time and is cleared, one of a broken unit, one without its plan."""
    scene.start("prompt", PROMPT)
    scene.wait_for("prompt", "success")
    after_success = scene.deadlines("prompt")
    scene.open_pool(0)
    clearing = {
        "task": scene.clear_task("prompt", "publish_run", -1),
        "run": scene.clear_run("prompt"),
    }
    after_clearing = scene.deadlines("prompt")
    scene.start("broken", BROKEN)
    scene.start("planless", PLANLESS)
    started_s = time.monotonic()
    for run_id in ("broken", "planless"):
        scene.wait_for_task(run_id, "process_unit.correct_urls")
    storage = Storage(str(scene.airflow.data))
    storage.delete(layout.unit_file("broken", f"{BROKEN}/1", "urls.parquet"))
    storage.delete(layout.plan_units("planless"))
    storage.delete(layout.plan_record("planless"))
    scene.open_pool(4)
    scene.wait_for("broken", "failed")
    scene.wait_for("planless", "failed")
    scene.wait_for("prompt", "success")
    time.sleep(max(0.0, started_s + DEADLINE_S + 20 - time.monotonic()))
    return Ended(after_success, clearing, after_clearing)


@pytest.mark.parametrize("sort", ["scheduled", "manual", "cleared"])
def test_late_run_is_told_once_through_each_channel(scene: Scene, held: Held, sort: str) -> None:
    run_id = str(getattr(held, sort))

    assert scene.told("run is late", run_id) == (1, 1)
    (posted,) = scene.posted("run is late", run_id)
    assert posted.body["where"] == f"DAG {DAG_ID}, run {run_id}"
    assert posted.body["runbook"] == "docs/runbook.md#the-run-is-late"
    assert posted.body["what"].endswith("It is running.")
    (mail,) = scene.mailed("run is late", run_id)
    assert mail.receivers == ("engineers@example.com",)
    assert posted.body["link"] in mail.text
    page = requests.get(posted.body["link"], timeout=30)
    assert page.ok


def test_manual_run_had_no_logical_date(scene: Scene, held: Held) -> None:
    assert scene.runs()[held.manual]["logical_date"] is None


def test_deadline_starts_now_for_a_run_of_a_past_date(scene: Scene, held: Held) -> None:
    (deadline,) = scene.deadlines(held.scheduled)
    run = scene.runs()[held.scheduled]

    due = datetime.fromisoformat(deadline["deadline_time"])
    queued = datetime.fromisoformat(run["queued_at"])
    assert abs((due - queued).total_seconds() - DEADLINE_S) < 10
    assert datetime.fromisoformat(run["run_after"]) < queued - timedelta(days=1)


def test_backfill_has_no_deadline_however_long_it_takes(scene: Scene, held: Held) -> None:
    assert held.backfill_state == "running"
    assert scene.deadlines(held.backfilled) == []
    assert scene.told("run is late", held.backfilled) == (0, 0)


def test_run_may_be_cleared_while_its_deadline_is_pending(held: Held) -> None:
    assert held.pending
    assert held.clearing == {"task": 200, "run": 200}


def test_run_that_was_late_can_still_succeed(scene: Scene, held: Held, released: None) -> None:
    for run_id in (held.scheduled, held.manual, held.cleared):
        assert scene.state(run_id) == "success"
        assert scene.told("run is late", run_id) == (1, 1)


def test_deadline_is_gone_after_success_and_does_not_come_back_by_clearing(
    scene: Scene, ended: Ended
) -> None:
    assert ended.deadlines_after_success == []
    assert ended.clearing == {"task": 200, "run": 200}
    assert ended.deadlines_after_clearing == []
    assert scene.told("run is late", "prompt") == (0, 0)


def test_jump_in_duplicates_is_told(scene: Scene, held: Held, ended: Ended) -> None:
    (posted,) = scene.posted("duplicates jumped", held.manual)

    assert f"{MANUAL} Category {MANUAL}: 2 new findings among 6 images" in posted.body["what"]
    assert len(scene.mailed("duplicates jumped", held.manual)) == 1


def test_failed_unit_is_told_once_though_its_run_fails(scene: Scene, ended: Ended) -> None:
    assert scene.told("1 unit(s) failed", "broken") == (1, 1)
    assert scene.told("run failed", "broken") == (0, 0)
    (posted,) = scene.posted("1 unit(s) failed", "broken")
    assert f"{BROKEN}/1 at download_images" in posted.body["what"]


def test_run_that_cannot_be_published_is_told_with_its_failed_tasks(
    scene: Scene, ended: Ended
) -> None:
    assert scene.told("run failed", "planless") == (1, 1)
    (posted,) = scene.posted("run failed", "planless")
    assert "process_unit.download_images" in posted.body["what"]
    assert "publish_run" in posted.body["what"]


@pytest.mark.parametrize("run_id", ["broken", "planless"])
def test_run_that_failed_is_not_called_late(scene: Scene, ended: Ended, run_id: str) -> None:
    assert [one["missed"] for one in scene.deadlines(run_id)] == [True]
    assert scene.told("run is late", run_id) == (0, 0)
