"""The DAG under a real scheduler: sibling runs above the cap, and a category cleared in the UI."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from rich.console import Console

from demo.image_server import RunningImageServer, running_image_server
from demo.standalone import StandaloneAirflow, running_standalone
from image_duplication import layout
from image_duplication.plans import read_plan
from image_duplication.storage import Storage
from image_duplication.units import STAGES
from tests.airflow.small_catalogue import fill_small_catalogue

pytestmark = pytest.mark.long

CATEGORIES = range(21, 31)
TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Api:
    """Airflow's REST API, logged in."""

    address: str
    token: str

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = requests.request(
            method,
            f"{self.address}/api/v2/dags/image_duplication/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def wait_for_runs(self, count: int) -> dict[str, str]:
        """States of all runs by id, once so many have ended."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            runs = self.call("GET", "dagRuns")["dag_runs"]
            states = {run["dag_run_id"]: run["state"] for run in runs}
            ended = [state for state in states.values() if state in {"success", "failed"}]
            if len(ended) == len(states) >= count:
                return states
            time.sleep(2)
        raise TimeoutError(f"after {TIMEOUT_S} s the runs are {states}")

    def task_instances(self, run_id: str) -> list[dict[str, Any]]:
        found = self.call("GET", f"dagRuns/{run_id}/taskInstances?limit=200")
        instances: list[dict[str, Any]] = found["task_instances"]
        return instances

    def tries(self, run_id: str) -> dict[tuple[str, int], int]:
        """How often each task instance was tried, by task id and map index."""
        return {
            (instance["task_id"], instance["map_index"]): instance["try_number"]
            for instance in self.task_instances(run_id)
        }

    def clear(self, run_id: str, task_id: str, map_index: int, *, downstream: bool) -> None:
        self.call(
            "POST",
            "clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": [[task_id, map_index]],
                "include_downstream": downstream,
                "only_failed": False,
            },
        )


@pytest.fixture(scope="module")
def small_catalogue(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the catalogue, and the Airflow URI of its database."""
    folder = tmp_path_factory.mktemp("standalone")
    return folder, fill_small_catalogue(folder, CATEGORIES, variants=4)


@pytest.fixture(scope="module")
def image_server(small_catalogue: tuple[Path, str]) -> Iterator[RunningImageServer]:
    with running_image_server(small_catalogue[0] / "served") as server:
        yield server


@pytest.fixture(scope="module")
def image_server_gone(image_server: RunningImageServer) -> None:
    os.kill(image_server.pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def airflow(
    small_catalogue: tuple[Path, str], image_server: RunningImageServer
) -> Iterator[StandaloneAirflow]:
    folder, source_uri = small_catalogue
    with running_standalone(
        folder,
        source_uri=source_uri,
        image_base=image_server.base_url,
        console=Console(quiet=True),
    ) as standalone:
        yield standalone


@pytest.fixture(scope="module")
def api(airflow: StandaloneAirflow) -> Api:
    answer = requests.post(
        f"{airflow.address}/auth/token",
        json={"username": airflow.user, "password": airflow.password},
        timeout=30,
    )
    answer.raise_for_status()
    return Api(airflow.address, answer.json()["access_token"])


@pytest.fixture(scope="module")
def finished_runs(api: Api) -> dict[str, str]:
    """20 units at 8 a run: one run is asked for, its siblings start by themselves."""
    conf = {"part_size_images": 6, "max_units_per_run": 8}
    body = {"logical_date": None, "dag_run_id": "capped", "conf": conf}
    api.call("POST", "dagRuns", body)
    return api.wait_for_runs(3)


@pytest.fixture
def storage(airflow: StandaloneAirflow) -> Storage:
    return Storage(str(airflow.data))


@pytest.mark.timeout(TIMEOUT_S)
def test_units_above_the_cap_are_done_by_sibling_runs(
    finished_runs: dict[str, str], storage: Storage
) -> None:
    assert finished_runs == dict.fromkeys(
        ["capped", "capped__sibling_1", "capped__sibling_2"], "success"
    )
    units = {run_id: read_plan(storage, run_id).unit_ids for run_id in finished_runs}
    assert sorted(len(unit_ids) for unit_ids in units.values()) == [4, 8, 8]
    done = sorted(unit_id for unit_ids in units.values() for unit_id in unit_ids)
    assert done == sorted(f"{category}/{part}" for category in CATEGORIES for part in (1, 2))
    for category in CATEGORIES:
        assert storage.exists(layout.report(category, "duplicates"))


@pytest.mark.timeout(TIMEOUT_S)
def test_mapped_tasks_carry_the_labels_of_their_categories(
    finished_runs: dict[str, str], api: Api
) -> None:
    labels = {
        instance["rendered_map_index"]
        for instance in api.task_instances("capped")
        if instance["task_id"] == "process_unit.archive_images"
    }
    assert labels == {
        f"{category} Category {category} ({part}/2)"
        for category in range(21, 25)
        for part in (1, 2)
    }


@pytest.mark.timeout(TIMEOUT_S)
def test_cleared_unit_and_publish_run_alone_run_again(
    finished_runs: dict[str, str], api: Api, storage: Storage
) -> None:
    (failing,) = [u for u in read_plan(storage, "capped").unit_ids if u == "22/1"]
    broken = layout.unit_file("capped", failing, "urls.parquet")
    before = storage.read_bytes(layout.report(22, "duplicates"))
    storage.delete(broken)
    api.clear("capped", "process_unit.correct_urls", 2, downstream=True)
    time.sleep(2)
    states = api.wait_for_runs(3)
    assert states["capped"] == "success"
    again = {place for place, number in api.tries("capped").items() if number > 1}
    assert again == {
        *((f"process_unit.{stage}", 2) for stage in STAGES[1:]),
        ("publish_run", -1),
        ("announce_reports", -1),
    }
    assert storage.exists(broken)
    assert storage.read_bytes(layout.report(22, "duplicates")) == before


@pytest.mark.timeout(TIMEOUT_S)
def test_category_that_failed_alone_runs_again_when_it_is_cleared(
    finished_runs: dict[str, str], api: Api, storage: Storage
) -> None:
    unit, place = "23/1", 4
    assert read_plan(storage, "capped").unit_ids[place] == unit
    extract = layout.unit_file("capped", unit, "extract.parquet")
    rows, before = storage.read_bytes(extract), storage.read_bytes(layout.report(23, "duplicates"))
    storage.delete(extract)
    api.clear("capped", "process_unit.correct_urls", place, downstream=True)
    time.sleep(2)
    assert api.wait_for_runs(3)["capped"] == "failed"
    failed = {
        (instance["task_id"], instance["map_index"])
        for instance in api.task_instances("capped")
        if instance["state"] == "failed"
    }
    assert failed == {("process_unit.correct_urls", place), ("publish_run", -1)}

    tries = api.tries("capped")
    storage.write_bytes(extract, rows)
    api.clear("capped", "process_unit.correct_urls", place, downstream=True)
    time.sleep(2)
    assert api.wait_for_runs(3)["capped"] == "success"
    again = {task for task, number in api.tries("capped").items() if number > tries[task]}
    # What never ran has no earlier try to count from.
    assert {("process_unit.correct_urls", place), ("publish_run", -1)} <= again
    assert again <= {
        *((f"process_unit.{stage}", place) for stage in STAGES[1:]),
        ("publish_run", -1),
        ("announce_reports", -1),
    }
    assert storage.read_bytes(layout.report(23, "duplicates")) == before


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("stage", STAGES)
def test_task_cleared_alone_with_the_image_host_gone_gives_equal_files(
    finished_runs: dict[str, str],
    image_server_gone: None,
    api: Api,
    storage: Storage,
    stage: str,
) -> None:
    task_id = f"process_unit.{stage}"
    before = files_of(storage, "units/21/1"), files_of(storage, "archive")
    tries = api.tries("capped")
    api.clear("capped", task_id, 0, downstream=False)
    time.sleep(2)
    assert api.wait_for_runs(3)["capped"] == "success"
    again = {place for place, number in api.tries("capped").items() if number > tries[place]}
    assert again == {(task_id, 0)}
    assert (files_of(storage, "units/21/1"), files_of(storage, "archive")) == before


def files_of(storage: Storage, part: str) -> dict[str, bytes]:
    """Hand-offs and pictures, by key; not the records of the stages, which hold their seconds."""
    root = Path(storage.root)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and part in str(path) and path.suffix != ".json"
    }
