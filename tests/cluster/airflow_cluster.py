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
from demo.run import FETCHING
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
SECONDS_UNTIL_A_SILENT_TASK_IS_LOST = 60
SECONDS_UNTIL_AN_UNSTARTED_TASK_IS_LOST = 120


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
    common = {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
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
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(
            SECONDS_UNTIL_A_SILENT_TASK_IS_LOST
        ),
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": str(SECONDS_UNTIL_AN_UNSTARTED_TASK_IS_LOST),
        **FETCHING,
        **settings,
    }

    def home_of(name: str) -> AirflowHome:
        """One machine's folder, and the variables of what runs there."""
        place = folder / name
        (place / "tmp").mkdir(parents=True)
        (place / "machine_name.py").write_text(f"def machine_name():\n    return {name!r}\n")
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
            extra=common | own,
        )

    with contextlib.ExitStack() as running:

        def start(home: AirflowHome, log_file: Path, *arguments: str) -> subprocess.Popen[bytes]:
            process = start_process(
                [sys.executable, "-m", "airflow", *arguments],
                log_file,
                folder=home.folder.parent,
                environment=home.environment,
            )
            running.callback(_stop_with_children, process)
            return process

        main = home_of("main")
        password = write_password(main, USER)
        log = folder / "prepare.log"
        assert main.airflow("db", "migrate", log=log) == 0, tail_of(log)
        pool = ("pools", "set", DOWNLOAD_POOL, str(POOL_SLOTS), "Downloads share the rate per host")
        assert main.airflow(*pool, log=log) == 0, tail_of(log)

        api_server = start(main, folder / "api-server.log", "api-server")
        for part in ("scheduler", "dag-processor", "triggerer"):
            start(main, folder / f"{part}.log", part)
        workers = {}
        for name in WORKERS:
            hostname = ("--celery-hostname", f"{name}@%h", "--skip-serve-logs")
            log = folder / f"{name}.log"
            workers[name] = start(home_of(name), log, "celery", "worker", *hostname)
        wait_until_ready(api_server, lambda: _is_healthy(address), START_TIMEOUT_S)
        token = _log_in(address, password)
        cluster = Cluster(address, token, workers)
        wait_until_ready(api_server, lambda: _knows_dag(cluster), START_TIMEOUT_S)
        for name, worker in workers.items():
            log = folder / f"{name}.log"
            wait_until_ready(worker, lambda: " ready." in log.read_text(), START_TIMEOUT_S)  # noqa: B023
        yield cluster


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
