"""A run on several machines, one of which is lost half-way: the same results as on one machine."""

from __future__ import annotations

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demo.airflow_home import DAG_ID, make_airflow_home
from demo.image_server import RunningImageServer, running_image_server
from demo.mariadb import MariaDbServer
from demo.object_storage import BUCKET, private_object_storage
from demo.server_process import tail_of
from image_duplication.plans import read_plan
from image_duplication.storage import Storage
from tests.airflow.small_catalogue import IMAGES_EACH, add_category
from tests.catalogues import SourceDatabase
from tests.cluster.airflow_cluster import POOL_SLOTS, WORKERS, Cluster, running_cluster
from tests.cluster.postgresql_server import private_postgresql
from tests.cluster.redis_server import private_redis
from tests.storages import all_files

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

LARGE, SMALL = 50, (21, 22)
VARIANTS = {LARGE: 60, 21: 4, 22: 4}
CONF = {"category_ids": [LARGE, *SMALL], "part_size_images": 30}
PARTS = 6
RUN = "many_machines"
RATE_PER_S = 8
RUN_TIMEOUT_S = 900
STATED = (
    "reports/category=",
    "extract/",
    "archive/",
    "images/current/",
    "evidence/current/",
    "findings/current/",
    "verdicts/current/",
)
"""Where the results are that do not tell of one run."""

OF_ONE_RUN = {"run_id", "planned_at", "judged_at", "fetched_at", "source_as_of", "attempts"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left: its storage, its tasks, the worker that was lost, when pictures were asked
    for (monotonic seconds)."""

    storage: Storage
    state: str
    tasks: list[dict[str, Any]]
    lost: str
    lost_tasks: list[dict[str, Any]]
    asked_s: list[float]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def source(folder: Path, mariadb: MariaDbServer) -> MariaDbServer:
    """The catalogue in MariaDB, its pictures in `folder/served`."""
    database = SourceDatabase(mariadb.url("reader"), mariadb.url("writer"))
    database.create_tables()
    (folder / "served").mkdir()
    for category_id, variants in VARIANTS.items():
        add_category(database, folder / "served", category_id, variants=variants)
    database.fill()
    return mariadb


@pytest.fixture(scope="module")
def images(folder: Path, source: MariaDbServer) -> Iterator[RunningImageServer]:
    with running_image_server(folder / "served", log_path=folder / "access.log") as server:
        yield server


@pytest.fixture(scope="module")
def single_machine(folder: Path, source: MariaDbServer, images: RunningImageServer) -> Storage:
    """The results of the same run on one machine, in a local folder."""
    log = folder / "single.log"
    home = make_airflow_home(
        folder / "single" / "airflow",
        folder / "single" / "data",
        source_uri=source.airflow_uri(),
        image_base=images.base_url,
        extra={},
    )
    for command in (("db", "migrate"), ("dags", "test", DAG_ID, "--conf", json.dumps(CONF))):
        assert home.airflow(*command, log=log, timeout_s=RUN_TIMEOUT_S) == 0, tail_of(log)
    return Storage(str(home.data))


@pytest.fixture(scope="module")
def outcome(
    folder: Path, source: MariaDbServer, images: RunningImageServer, single_machine: Storage
) -> Iterator[Outcome]:
    """The run on two workers, one of which is killed."""
    started_s = time.monotonic()
    with (
        private_object_storage(folder) as objects,
        private_postgresql(folder) as records,
        private_redis(folder) as broker,
        pytest.MonkeyPatch.context() as environment,
    ):
        for name, value in objects.environment().items():
            environment.setenv(name, value)
        root = f"s3://{BUCKET}/many-machines"
        settings = {
            "AIRFLOW_CONN_IMAGE_DUPLICATION_STORE": store_uri(source),
            "IMAGE_DUPLICATION__STORAGE__ROOT": root,
            "IMAGE_DUPLICATION__DOWNLOAD__RATE_PER_HOST_PER_S": str(RATE_PER_S),
            "IMAGE_DUPLICATION__DOWNLOAD__POOL_SLOTS": str(POOL_SLOTS),
        }
        with running_cluster(
            folder,
            records=records,
            broker=broker,
            source_uri=source.airflow_uri(),
            image_base=images.base_url,
            settings=settings,
        ) as cluster:
            body = {"logical_date": None, "dag_run_id": RUN, "conf": CONF}
            cluster.call("POST", "/dagRuns", body)
            lost, lost_tasks = lose_a_worker(cluster)
            state = wait_for_end(cluster)
            tasks = cluster.task_instances(RUN)
        asked_s = [moment for moment in asked_at(images) if moment > started_s]
        yield Outcome(Storage(root), state, tasks, lost, lost_tasks, asked_s)


def store_uri(server: MariaDbServer) -> str:
    """The connection of the SQL store, which several machines share."""
    account = f"{server.user}:{server.password}"
    return f"mysql://{account}@{server.host}:{server.port}/{server.database}?charset=utf8mb4"


def lose_a_worker(cluster: Cluster) -> tuple[str, list[dict[str, Any]]]:
    """Kill a worker that is amid the large category, half-way; its name and what it was doing."""
    deadline = time.monotonic() + RUN_TIMEOUT_S
    while time.monotonic() < deadline:
        tasks = cluster.task_instances(RUN)
        assert not [task for task in tasks if task["state"] == "failed"], tasks
        done = Counter(task["state"] for task in tasks)["success"]
        amid = [
            task
            for task in tasks
            if task["state"] == "running"
            and task["task_id"]
            in {"process_unit.download_images", "process_unit.detect_duplicates"}
            and str(task["rendered_map_index"]).startswith(f"{LARGE} ")
        ]
        if amid and done >= 24:
            lost = amid[0]["hostname"]
            cluster.kill_worker(lost)
            tasks = cluster.task_instances(RUN)
            return lost, [t for t in tasks if t["state"] == "running" and t["hostname"] == lost]
        time.sleep(0.5)
    raise TimeoutError(f"after {RUN_TIMEOUT_S} s the run is not half-way: {tasks}")


def wait_for_end(cluster: Cluster) -> str:
    deadline = time.monotonic() + RUN_TIMEOUT_S
    while time.monotonic() < deadline:
        state = str(cluster.call("GET", f"/dagRuns/{RUN}")["state"])
        if state in {"success", "failed"}:
            return state
        time.sleep(2)
    raise TimeoutError(f"after {RUN_TIMEOUT_S} s the run is {state}")


def stated(storage: Storage) -> dict[str, Any]:
    """The results below a root, by key: tables as rows without what tells of one run."""
    keys = [key for key in all_files(storage) if key.startswith(STATED)]
    return {key: read_stated(key, storage.read_bytes(key)) for key in keys}


def read_stated(key: str, content: bytes) -> Any:
    rows: list[dict[str, Any]]
    if key.endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    elif key.endswith(".parquet"):
        rows = pq.read_table(pa.BufferReader(content)).to_pylist()
    elif key.endswith(".json"):
        rows = [json.loads(content)]
    else:
        return content
    return [{name: row[name] for name in row.keys() - OF_ONE_RUN} for row in rows]


def asked_at(images: RunningImageServer) -> list[float]:
    """When the image server was asked for anything, as its own log has it."""
    time.sleep(2)  # it writes its log twice a second
    assert images.log_path is not None
    return [float(line.split()[0]) for line in images.log_path.read_text().splitlines()]


def most_within(moments_s: list[float], window_s: float) -> int:
    """The most moments in any stretch of so many seconds."""
    most, first = 0, 0
    for last, moment in enumerate(moments_s):
        while moments_s[first] < moment - window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_run_succeeds_although_a_worker_is_lost(outcome: Outcome) -> None:
    assert outcome.state == "success"
    assert outcome.lost_tasks
    lost = {(task["task_id"], task["map_index"]) for task in outcome.lost_tasks}
    again = {(t["task_id"], t["map_index"]) for t in outcome.tasks if t["try_number"] > 1}
    assert lost <= again
    assert {task["state"] for task in outcome.tasks} <= {"success", "skipped"}


def test_results_are_those_of_one_machine(outcome: Outcome, single_machine: Storage) -> None:
    found, expected = stated(outcome.storage), stated(single_machine)

    assert len(expected) > sum(VARIANTS.values()) * IMAGES_EACH
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []


def test_nothing_stays_in_staging(outcome: Outcome) -> None:
    assert all_files(outcome.storage, "staging/") == []


def test_both_workers_work_on_the_large_category(outcome: Outcome) -> None:
    parts = [u for u in read_plan(outcome.storage, RUN).unit_ids if u.startswith(f"{LARGE}/")]
    assert len(parts) == PARTS
    workers = {
        task["hostname"]
        for task in [*outcome.tasks, *outcome.lost_tasks]
        if str(task["rendered_map_index"]).startswith(f"{LARGE} ")
    }
    assert workers == set(WORKERS)


@pytest.mark.parametrize("window_s", [1, 5, 20])
def test_image_server_never_sees_more_than_the_rate(outcome: Outcome, window_s: int) -> None:
    # Each download starts its own count, with one request or, having waited, with two.
    allowed = RATE_PER_S * window_s + 2 * POOL_SLOTS

    assert len(outcome.asked_s) >= sum(VARIANTS.values()) * IMAGES_EACH
    assert most_within(outcome.asked_s, window_s) <= allowed
