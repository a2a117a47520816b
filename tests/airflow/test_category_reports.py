"""Another team's DAG that waits for one category's report, and metrics, under a real scheduler."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from rich.console import Console

from demo.airflow_home import DAG_ID, PROJECT
from demo.image_server import running_image_server
from demo.standalone import running_standalone
from image_duplication.settings import INCLUDE_VARIABLE
from tests.airflow.receivers import wait_until
from tests.airflow.small_catalogue import IMAGES_EACH, fill_small_catalogue
from tests.airflow.statsd_server import StatsdServer

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

AWAITED, OTHER, THIRD, SCHEDULED = 41, 42, 43, 44
VARIANTS = 2
RUN_TIMEOUT_S = 300.0
STEP_TIMEOUT_S = 180.0
WAITING_DAG = "office_chairs"


def readme_example() -> str:
    """The DAG that the README shows."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Wait for a category's report")[2]
    return section.partition("```python\n")[2].partition("```")[0]


@dataclass(frozen=True, slots=True)
class Scene:
    """A running Airflow, logged in, and the server that receives its metrics."""

    address: str
    token: str
    statsd: StatsdServer

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(
            method,
            f"{self.address}/api/v2/dags/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        answer = self.ask("GET", f"{dag_id}/dagRuns")
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["dag_runs"]
        return found

    def wait_for(self, run_type: str, run_id: str = "") -> None:
        """Wait until a run of a type, and id if one is given, has succeeded."""

        def has_succeeded() -> bool:
            return any(
                run["state"] == "success" and run_id in ("", run["dag_run_id"])
                for run in self.runs(DAG_ID)
                if run["run_type"] == run_type
            )

        wait_until(has_succeeded, RUN_TIMEOUT_S, f"{run_type} run {run_id!r} has not succeeded")

    def run(self, run_id: str, *category_ids: int) -> None:
        """One run of the categories, to its end."""
        conf = {"category_ids": category_ids}
        body = {"logical_date": None, "dag_run_id": run_id, "conf": conf}
        answer = self.ask("POST", f"{DAG_ID}/dagRuns", body)
        assert answer.ok, answer.text
        self.wait_for("manual", run_id)

    def awaited(self) -> list[tuple[str, str]]:
        """The waiting DAG's runs: partition and state."""
        return [(one["partition_key"], one["state"]) for one in self.runs(WAITING_DAG)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("reports")
    source_uri = fill_small_catalogue(folder, [AWAITED, OTHER, THIRD, SCHEDULED], variants=VARIANTS)
    include = folder / "include"
    shutil.copytree(PROJECT / "include", include)
    (include / "config" / "weekly.csv").write_text(f"name,id\nWeekly,{SCHEDULED}\n")
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(PROJECT / "dags" / f"{DAG_ID}.py", dags)
    example = readme_example()
    assert example.count('"1234"') == 1
    (dags / "another_team.py").write_text(example.replace("1234", f"{AWAITED}"))
    statsd = StatsdServer()
    with (
        running_image_server(folder / "served") as image_server,
        running_standalone(
            folder,
            source_uri=source_uri,
            image_base=image_server.base_url,
            console=Console(quiet=True),
            extra={
                "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
                INCLUDE_VARIABLE: str(include),
                # As in production: events with partitions come from a DAG with a data interval.
                "IMAGE_DUPLICATION_SCHEDULE": "0 0 1 * *",
                "IMAGE_DUPLICATION__PLAN__CATEGORIES_FILE": "weekly.csv",
                "AIRFLOW__METRICS__STATSD_ON": "True",
                "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
                "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
            },
        ) as airflow,
    ):
        answer = requests.post(
            f"{airflow.address}/auth/token",
            json={"username": airflow.user, "password": airflow.password},
            timeout=30,
        )
        answer.raise_for_status()
        scene = Scene(airflow.address, answer.json()["access_token"], statsd)
        for dag_id in (DAG_ID, WAITING_DAG):
            wait_until(
                lambda dag_id=dag_id: scene.ask("GET", dag_id).ok,  # type: ignore[misc]
                STEP_TIMEOUT_S,
                f"DAG {dag_id} is not there",
            )
        yield scene
    statsd.close()


def test_waiting_dag_runs_once_when_its_category_is_published_and_not_for_others(
    scene: Scene,
) -> None:
    scene.wait_for("scheduled")
    scene.run("others", OTHER)
    time.sleep(10)  # for a run too many
    assert scene.awaited() == []

    scene.run("both", AWAITED, THIRD)
    awaited = [(f"{AWAITED}", "success")]
    wait_until(
        lambda: scene.awaited() == awaited,
        STEP_TIMEOUT_S,
        f"the waiting DAG's runs are not {awaited}",
    )

    scene.run("nothing_due", AWAITED)
    time.sleep(10)
    assert scene.awaited() == awaited


def test_metrics_of_a_workers_tasks_arrive(scene: Scene) -> None:
    scene.run("for_metrics", AWAITED, OTHER, THIRD)

    # Of this run and of those above, which may not have been.
    counted = scene.statsd.counters
    assert counted["download_images.downloaded"] >= 3 * VARIANTS * IMAGES_EACH
    assert counted["publish_run.findings_new"] >= 3 * VARIANTS
    assert scene.statsd.timers["detect_duplicates.duration"] >= 3
