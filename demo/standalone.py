"""`make airflow`: Airflow with its web interface, on the demo catalogue, until it is stopped."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
from rich.console import Console

from demo.airflow_home import (
    DAG_ID,
    DOWNLOAD_POOL,
    PROJECT,
    AirflowHome,
    make_airflow_home,
    write_password,
)
from demo.image_server import running_image_server
from demo.run import FETCHING, FOLDER, DemoFailedError, prepare_catalogue, source_database
from demo.server_process import free_ports, start_process, stop_process

_USER = "admin"
_READY_TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class StandaloneAirflow:
    """A running Airflow: where its interface is, who may log in, where its results go.

    `environment` is what its commands need.
    """

    address: str
    user: str
    password: str
    data: Path
    environment: dict[str, str]


def run_airflow(source: str, port: int, console: Console) -> None:
    """Start everything, say where it is, wait until interrupted, stop everything."""
    catalogue = prepare_catalogue(console)
    folder = FOLDER / "with-interface"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        running_image_server(catalogue.served_folder) as server,
        source_database(source, catalogue, folder, console) as source_uri,
        running_standalone(
            folder,
            source_uri=source_uri,
            image_base=server.base_url,
            port=port,
            console=console,
            extra=_removals(source_uri) if source == "sqlite" else None,
        ) as airflow,
    ):
        console.print(f"\nAirflow is ready: [bold]{airflow.address}[/bold]")
        console.print(f"  user {airflow.user}, password {airflow.password}", highlight=False)
        console.print(f"  DAG {DAG_ID}: press Trigger; results below {airflow.data}")
        console.print("  Review what it found: Browse, Image duplication; or", highlight=False)
        console.print(f"  {airflow.address}/image-duplication/", highlight=False)
        console.print("  Stop with Ctrl-C.")
        with contextlib.suppress(KeyboardInterrupt):
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    console.print("Stopped.")


def _removals(source_uri: str) -> dict[str, str]:
    """What lets the demo's one user try a removal on the demo's own catalogue."""
    return {
        "AIRFLOW_CONN_GEM_STAGING_WRITER": source_uri,
        "IMAGE_DUPLICATION__REMOVAL__REQUIRE_SECOND_PERSON": "false",
    }


@contextlib.contextmanager
def running_standalone(
    folder: Path,
    *,
    source_uri: str,
    image_base: str,
    console: Console,
    port: int = 0,
    extra: Mapping[str, str] | None = None,
) -> Iterator[StandaloneAirflow]:
    """`airflow standalone` with its home and data below the folder, healthy, until the block ends.

    `extra` are further variables of its environment, which come before the demo's own. Raises
    DemoFailedError when it does not start.
    """
    port = port or free_ports(1)[0]
    address = f"http://127.0.0.1:{port}"
    home = make_airflow_home(
        folder / "airflow",
        folder / "data",
        source_uri=source_uri,
        image_base=image_base,
        extra=FETCHING
        | {
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_USER}:admin",
        }
        | dict(extra or {}),
    )
    password = write_password(home, _USER)
    log = folder / "airflow.log"
    log.unlink(missing_ok=True)
    console.print(f"Airflow: starting (log: {log}) …")
    if home.airflow("db", "migrate", log=log) or home.airflow(
        "pools", "set", DOWNLOAD_POOL, "4", "Downloads share the rate per host", log=log
    ):
        raise DemoFailedError(f"Airflow could not be prepared; see {log}")
    with _standalone(home, address, log):
        yield StandaloneAirflow(address, _USER, password, home.data, home.environment)


@contextlib.contextmanager
def _standalone(home: AirflowHome, address: str, log: Path) -> Iterator[None]:
    process = start_process(
        [sys.executable, "-m", "airflow", "standalone"],
        log,
        folder=PROJECT,
        environment=home.environment,
    )
    try:
        _wait_until_ready(process, address, log)
        yield
    finally:
        stop_process(process)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Wait until the web interface and the scheduler say that they are healthy."""
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoFailedError(f"Airflow ended with exit code {process.returncode}; see {log}")
        with contextlib.suppress(requests.RequestException, KeyError):
            health = requests.get(f"{address}/api/v2/monitor/health", timeout=5).json()
            if health["scheduler"]["status"] == "healthy":
                return
        time.sleep(1)
    raise DemoFailedError(f"Airflow was not ready within {_READY_TIMEOUT_S} s; see {log}")
