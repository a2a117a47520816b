"""Backfills of chosen categories under a real scheduler: by REST and by the command line."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from rich.console import Console

from demo.image_server import running_image_server
from demo.standalone import StandaloneAirflow, running_standalone
from image_duplication import layout
from image_duplication.storage import Storage
from image_duplication.tables import VERDICTS, read_rows
from tests.airflow.small_catalogue import fill_small_catalogue

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

VARIANTS = 4
TIMEOUT_S = 600
CRON = "30 20 * * 6"


@dataclass(frozen=True, slots=True)
class Weeks:
    """Two weeks of one category: their logical dates, and a time in each."""

    logical_dates: tuple[str, str]
    updated_at: tuple[str, str]

    @property
    def range(self) -> tuple[str, str]:
        """Dates of a backfill that makes a run for both."""
        return self.logical_dates[0][:10], f"{self.logical_dates[1][:10]}T23:59:59Z"


# A week has one run, so each backfill has weeks of its own: those of its category's variants.
WEEKS = {
    21: Weeks(
        ("2026-03-07T20:30:00Z", "2026-03-14T20:30:00Z"),
        ("2026-03-10 12:00:00", "2026-03-17 12:00:00"),
    ),
    22: Weeks(
        ("2026-04-11T20:30:00Z", "2026-04-18T20:30:00Z"),
        ("2026-04-14 12:00:00", "2026-04-21 12:00:00"),
    ),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A running Airflow, its REST API, and what its runs keep."""

    airflow: StandaloneAirflow
    token: str

    @property
    def storage(self) -> Storage:
        return Storage(str(self.airflow.data))

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        deadline = time.monotonic() + 60
        # Airflow on SQLite answers 503 while its scheduler writes, and asks to be asked again.
        while (answer := self._ask(method, path, body)).status_code == 503:
            assert time.monotonic() < deadline, f"{method} {path}: {answer.text}"
            time.sleep(1)
        return answer

    def _ask(self, method: str, path: str, body: Any) -> requests.Response:
        return requests.request(
            method,
            f"{self.airflow.address}/api/v2/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )

    def runs(self) -> dict[str, dict[str, Any]]:
        """All runs of the DAG by id."""
        answer = self.call("GET", "dags/image_duplication/dagRuns?limit=100")
        answer.raise_for_status()
        return {run["dag_run_id"]: run for run in answer.json()["dag_runs"]}

    def wait_for(self, count: int, since: set[str]) -> dict[str, dict[str, Any]]:
        """Runs that were not there before, by logical date, once so many have succeeded."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            new = [run for run_id, run in self.runs().items() if run_id not in since]
            if len(new) >= count and all(run["state"] in {"success", "failed"} for run in new):
                assert {run["state"] for run in new} == {"success"}
                return {run["logical_date"]: run for run in new}
            time.sleep(2)
        raise TimeoutError(f"after {TIMEOUT_S} s the runs are {self.runs()}")

    def judged_by(self, category_id: int) -> dict[int, str]:
        """Which run gave each variant its latest verdict, by the variant's number."""
        rows = read_rows(self.storage, layout.current("verdicts", category_id), VERDICTS)
        return {int(row["variant_id"]) % 100: row["run_id"] for row in rows}

    def backfills(self) -> int:
        """How many backfills there have been."""
        answer = self.call("GET", "backfills?dag_id=image_duplication")
        answer.raise_for_status()
        total: int = answer.json()["total_entries"]
        return total

    def wait_until_no_backfill_is_active(self) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            found = self.call("GET", "backfills?dag_id=image_duplication").json()["backfills"]
            if all(backfill["completed_at"] for backfill in found):
                return
            time.sleep(2)
        raise TimeoutError(f"a backfill is still active after {TIMEOUT_S} s")

    def command(self, conf: str, start: str, end: str) -> subprocess.CompletedProcess[str]:
        """`airflow backfill create`, run to its end."""
        return subprocess.run(
            [sys.executable, "-m", "airflow", "backfill", "create", "--dag-id", "image_duplication"]
            + ["--from-date", start, "--to-date", end, "--max-active-runs", "1"]
            + ["--dag-run-conf", conf],
            env=self.airflow.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """An Airflow whose first scheduled run has judged the whole catalogue."""
    folder = tmp_path_factory.mktemp("backfill")
    source_uri = fill_small_catalogue(folder, WEEKS, variants=VARIANTS)
    updates = [
        (category_id, week, updated_at)
        for category_id, weeks in WEEKS.items()
        for week, updated_at in enumerate(weeks.updated_at)
    ]
    with sqlite3.connect(folder / "source.db") as connection:
        for table in ("inb_variants", "inb_images"):
            for category_id, week, updated_at in updates:
                connection.execute(
                    f"UPDATE {table} SET updated_at = ?"
                    " WHERE variant_id / 100 = ? AND variant_id % 2 = ?",
                    (updated_at, category_id, week),
                )
    connection.close()
    with (
        running_image_server(folder / "served") as server,
        running_standalone(
            folder,
            source_uri=source_uri,
            image_base=server.base_url,
            console=Console(quiet=True),
            extra={"IMAGE_DUPLICATION_SCHEDULE": CRON},
        ) as airflow,
    ):
        answer = requests.post(
            f"{airflow.address}/auth/token",
            json={"username": airflow.user, "password": airflow.password},
            timeout=60,
        )
        answer.raise_for_status()
        scene = Scene(airflow, answer.json()["access_token"])
        scene.wait_for(1, set())
        yield scene


def assert_judged_by_week(scene: Scene, category_id: int, before: set[str], conf: Any) -> None:
    """Each variant of the category was judged by the run of its week, and no other category."""
    runs = scene.wait_for(2, before)
    assert sorted(runs) == list(WEEKS[category_id].logical_dates)
    assert {run["run_type"] for run in runs.values()} == {"backfill"}
    assert [run["conf"] for run in runs.values()] == [conf] * 2
    run_ids = [runs[date]["dag_run_id"] for date in WEEKS[category_id].logical_dates]
    assert scene.judged_by(category_id) == {
        number: run_ids[number % 2] for number in range(VARIANTS)
    }


def test_rest_backfill_judges_the_variants_of_its_weeks_in_its_categories(scene: Scene) -> None:
    before, untouched = set(scene.runs()), scene.judged_by(22)
    start, end = WEEKS[21].range
    conf = {"category_ids": ["21"]}  # text, as the form sends it
    body = {
        "dag_id": "image_duplication",
        "from_date": f"{start}T00:00:00Z",
        "to_date": end,
        "max_active_runs": 1,
        "dag_run_conf": conf,
    }
    answer = scene.call("POST", "backfills", body)
    assert answer.status_code == 200, answer.text
    assert_judged_by_week(scene, 21, before, conf)
    assert scene.judged_by(22) == untouched


def test_command_backfill_judges_the_variants_of_its_weeks_in_its_categories(scene: Scene) -> None:
    scene.wait_until_no_backfill_is_active()
    before, untouched = set(scene.runs()), scene.judged_by(21)
    start, end = WEEKS[22].range
    done = scene.command('{"category_ids": [22]}', start, end)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_judged_by_week(scene, 22, before, {"category_ids": [22]})
    assert scene.judged_by(21) == untouched


EARLIER, LATER = "2026-05-16T00:00:00Z", "2026-05-24T00:00:00Z"
WRONG = {
    "no id": (
        {"category_ids": ["x"]},
        (EARLIER, LATER),
        ["category_ids", "'x' does not match '^[1-9][0-9]*$'"],
    ),
    "no positive id": (
        {"category_ids": [0]},
        (EARLIER, LATER),
        ["category_ids", "less than the minimum of 1"],
    ),
    "no scope": (
        {"scope": "everything"},
        (EARLIER, LATER),
        ["scope", "'everything' is not one of ['changed', 'full']"],
    ),
    "reversed dates": (
        {"category_ids": [21]},
        (LATER, EARLIER),
        ["from_date (2026-05-24", "must not be after to_date (2026-05-16"],
    ),
}


@pytest.mark.parametrize(("conf", "dates", "said"), WRONG.values(), ids=WRONG)
def test_rest_backfill_of_bad_values_says_what_is_wrong_and_what_is_allowed(
    scene: Scene, conf: dict[str, Any], dates: tuple[str, str], said: list[str]
) -> None:
    scene.wait_until_no_backfill_is_active()
    before = scene.backfills(), set(scene.runs())
    body = {
        "dag_id": "image_duplication",
        "from_date": dates[0],
        "to_date": dates[1],
        "dag_run_conf": conf,
    }
    answer = scene.call("POST", "backfills", body)
    assert answer.status_code == 422, answer.text
    for words in said:
        assert words in answer.json()["detail"]
    assert (scene.backfills(), set(scene.runs())) == before


@pytest.mark.parametrize(("conf", "dates", "said"), WRONG.values(), ids=WRONG)
def test_command_backfill_of_bad_values_says_what_is_wrong_and_what_is_allowed(
    scene: Scene, conf: dict[str, Any], dates: tuple[str, str], said: list[str]
) -> None:
    scene.wait_until_no_backfill_is_active()
    before = scene.backfills(), set(scene.runs())
    done = scene.command(json.dumps(conf), *dates)
    assert done.returncode != 0
    for words in said:
        assert words in done.stdout + done.stderr
    assert (scene.backfills(), set(scene.runs())) == before
