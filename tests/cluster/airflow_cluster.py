"""An Airflow of many processes: each worker as if on a machine of its own.

A worker has its own home, working folder, folder for temporary files and host name. What it has in
common with the others is what it reaches over the network.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from demo.airflow_home import (
    DAG_ID,
    DOWNLOAD_POOL,
    AirflowHome,
    make_airflow_home,
    write_password,
)
from demo.server_process import (
    free_ports,
    start_process,
    stop_process,
    tail_of,
    wait_until_ready,
)

USER = "admin"
START_TIMEOUT_S = 300
POOL_SLOTS = 4
WORKERS = ("worker-1", "worker-2")
WORKER_SLOTS = 2
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
SILENT_TASK_IS_LOST_AFTER_S = 60
UNSTARTED_TASK_IS_LOST_AFTER_S = 120
API_SECRET, JWT_SECRET = secrets.token_urlsafe(32), secrets.token_urlsafe(64)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running Airflow, logged in, and the processes of its workers."""

    address: str
    token: str
    workers: Mapping[str, subprocess.Popen[bytes]]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """What the REST API of the DAG answers."""
        answer = requests.request(
            method,
            f"{self.address}/api/v2/dags/{DAG_ID}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()

    def task_instances(self, run_id: str) -> list[dict[str, Any]]:
        found = self.call("GET", f"/dagRuns/{run_id}/taskInstances?limit=500")
        instances: list[dict[str, Any]] = found["task_instances"]
        return instances

    def kill_worker(self, name: str) -> None:
        """End a worker and all that it started, at once and without a word, as a power cut does."""
        worker = psutil.Process(self.workers[name].pid)
        worker.suspend()  # so that it starts nothing more
        for process in (worker, *worker.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.workers[name].wait(timeout=60)


@contextlib.contextmanager
def running_cluster(
    folder: Path,
    *,
    records: str,
    broker: str,
    source_uri: str,
    image_base: str,
    settings: Mapping[str, str],
) -> Iterator[Cluster]:
    """Start all parts of an Airflow and end them, by their ids, with the block.

    `records` is user, password, place and name of the PostgreSQL database, `broker` Redis's URL;
    `settings` are further variables of every process.
    """
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    machines = {
        name: _make_machine(
            folder / name,
            source_uri=source_uri,
            image_base=image_base,
            settings=_deployment(port, records, broker) | dict(settings),
        )
        for name in ("main", *WORKERS)
    }
    password = write_password(machines["main"], USER)
    _prepare(machines["main"], folder / "prepare.log")
    with contextlib.ExitStack() as running:

        def start(machine: str, log: str, *arguments: str) -> subprocess.Popen[bytes]:
            home = machines[machine]
            process = start_process(
                [sys.executable, "-m", "airflow", *arguments],
                folder / f"{log}.log",
                folder=home.folder.parent,
                environment=home.environment,
            )
            running.callback(_stop_with_children, process)
            return process

        parts = {part: start("main", part, part) for part in PARTS}
        workers = {
            name: start(name, name, "celery", "worker", "--celery-hostname", f"{name}@%h", "-s")
            for name in WORKERS
        }
        api_server = parts["api-server"]
        wait_until_ready(api_server, lambda: _is_healthy(address), START_TIMEOUT_S)
        cluster = Cluster(address, _log_in(address, password), workers)
        wait_until_ready(api_server, lambda: _knows_dag(cluster), START_TIMEOUT_S)
        for name in WORKERS:
            _wait_for_worker(workers[name], folder / f"{name}.log")
        yield cluster


def _deployment(port: int, records: str, broker: str) -> dict[str, str]:
    """What all processes of this Airflow have in common; `port` is that of its API server."""
    address = f"http://127.0.0.1:{port}"
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": API_SECRET,
        "AIRFLOW__API_AUTH__JWT_SECRET": JWT_SECRET,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        # Not more than the workers have slots: else tasks that only wait are taken for lost.
        "AIRFLOW__CORE__PARALLELISM": str(len(WORKERS) * WORKER_SLOTS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{records}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(WORKER_SLOTS),
        # Longer than any task: one that is handed out again meanwhile would be started twice.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{records}",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(SILENT_TASK_IS_LOST_AFTER_S),
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": str(UNSTARTED_TASK_IS_LOST_AFTER_S),
    }


def _make_machine(
    place: Path, *, source_uri: str, image_base: str, settings: Mapping[str, str]
) -> AirflowHome:
    """A machine's folder, with its name, and the variables of what runs there."""
    (place / "tmp").mkdir(parents=True)
    (place / "machine_name.py").write_text(f"def machine_name():\n    return {place.name!r}\n")
    paths = [str(place), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {
        "TMPDIR": str(place / "tmp"),
        "PYTHONPATH": os.pathsep.join(paths),
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "machine_name.machine_name",
    }
    return make_airflow_home(
        place / "airflow",
        place / "data",
        source_uri=source_uri,
        image_base=image_base,
        extra=dict(settings) | own,
    )


def _prepare(home: AirflowHome, log: Path) -> None:
    pool = ("pools", "set", DOWNLOAD_POOL, str(POOL_SLOTS), "Downloads share the rate per host")
    for command in (("db", "migrate"), pool):
        assert home.airflow(*command, log=log) == 0, tail_of(log)


def _wait_for_worker(worker: subprocess.Popen[bytes], log: Path) -> None:
    wait_until_ready(worker, lambda: " ready." in log.read_text(), START_TIMEOUT_S)


def _stop_with_children(process: subprocess.Popen[bytes]) -> None:
    """End a part and what it started, also what left its group."""
    children: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
    stop_process(process, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def _is_healthy(address: str) -> bool:
    with contextlib.suppress(requests.RequestException, KeyError, json.JSONDecodeError):
        health = requests.get(f"{address}/api/v2/monitor/health", timeout=10).json()
        return bool(health["scheduler"]["status"] == "healthy")
    return False


def _log_in(address: str, password: str) -> str:
    login = {"username": USER, "password": password}
    answer = requests.post(f"{address}/auth/token", json=login, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _knows_dag(cluster: Cluster) -> bool:
    with contextlib.suppress(requests.RequestException):
        return bool(cluster.call("GET", "")["dag_id"] == DAG_ID)
    return False
