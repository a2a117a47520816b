"""Measures Airflow itself: tasks a minute and CPU seconds at many units, and the DAG's parsing.

    make benchmark-units ARGS="--units 200"
    python -m benchmarks.units --units 1000 --timeout-s 3600

A real Airflow (api-server, scheduler with LocalExecutor, dag-processor; SQLite, parallelism 4) runs
the DAG `image_duplication` once over a catalogue of `--units` categories, each of one variant with
one tiny picture, so that nearly all that is measured is what a mapped task costs. Progress is read
from the records that the stages leave, not from Airflow's database.

After `--timeout-s` the run is cut off and what it reached is printed, as such: the rate then holds
for a run that maps `--units` units, of which a part was done. CPU seconds are those of the time
between the trigger and the end: the scheduler's own, all that runs below it (executor workers and
the tasks), the api-server and the dag-processor with what they started.

Printed besides: how long the DAG file takes to parse beyond the import of Airflow's own modules
(goal: under 0.5 s), median of five fresh processes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import fill_source, image_row, variant_row
from benchmarks.measuring import FOLDER, PROJECT, python_environment
from benchmarks.pictures import write_tiny_pictures
from demo.airflow_home import DAG_ID, DOWNLOAD_POOL, AirflowHome, make_airflow_home
from demo.image_server import running_image_server
from image_duplication.units import STAGES

PARSE_GOAL_S = 0.5

_RUN_ID = "benchmark"
_READY_TIMEOUT_S = 240.0
_STOP_TIMEOUT_S = 20.0
_POLL_S = 2.0
_PARSES = 5

_PARSE = """
import runpy, sys, time
import airflow.sdk, airflow.sdk.definitions.retry_policy
import airflow.providers.standard.operators.trigger_dagrun
started = time.perf_counter()
runpy.run_path(sys.argv[1])
print(time.perf_counter() - started)
"""


class UnitsBenchmarkError(Exception):
    """Airflow did not start or did not take the run; the message says where to look."""


# Parsing ------------------------------------------------------------------------------------------


def measure_parsing(folder: Path) -> float:
    """Median seconds that the DAG file takes once Airflow's own modules are imported."""
    environment = python_environment({"AIRFLOW_HOME": str(folder)})
    dag_file = str(PROJECT / "dags" / f"{DAG_ID}.py")
    times = []
    for _ in range(_PARSES):
        finished = subprocess.run(
            [sys.executable, "-c", _PARSE, dag_file],
            env=environment,
            cwd=PROJECT,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        times.append(float(finished.stdout.split()[-1]))
    return statistics.median(times)


# Airflow ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Components:
    """Airflow's processes by name."""

    processes: dict[str, psutil.Process]

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far, by what they went into."""
        used = {}
        for name, process in self.processes.items():
            times = process.cpu_times()
            own = times.user + times.system
            below = times.children_user + times.children_system
            for child in process.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    spent = child.cpu_times()
                    below += spent.user + spent.system
                    below += spent.children_user + spent.children_system
            if name == "scheduler":
                used["scheduler"] = own
                used["executor workers and tasks"] = below
            else:
                used[name] = own + below
        return used


@contextlib.contextmanager
def running_airflow(home: AirflowHome, port: int) -> Iterator[Components]:
    """The components of an Airflow, each a process group of its own, stopped at the end."""
    commands = {
        "api-server": ["api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        "scheduler": ["scheduler"],
        "dag-processor": ["dag-processor"],
    }
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in commands.items():
            with (home.folder / f"{name}.log").open("wb") as output:
                started[name] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", *arguments],
                    cwd=PROJECT,
                    env=home.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        _wait_until_ready(home, port, started)
        yield Components({name: psutil.Process(p.pid) for name, p in started.items()})
    finally:
        for process in reversed(started.values()):
            _stop_group(process)


def _wait_until_ready(
    home: AirflowHome, port: int, started: dict[str, subprocess.Popen[bytes]]
) -> None:
    """Wait until the scheduler is healthy and the DAG is known."""
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        for name, process in started.items():
            if process.poll() is not None:
                raise UnitsBenchmarkError(f"{name} ended; see {home.folder}/{name}.log")
        with contextlib.suppress(urllib.error.URLError, OSError, ValueError, KeyError):
            address = f"http://127.0.0.1:{port}/api/v2/monitor/health"
            with urllib.request.urlopen(address, timeout=5) as answer:
                health = json.load(answer)
            if health["scheduler"]["status"] == "healthy" and _ask(
                home, "SELECT count(*) FROM dag WHERE dag_id = ?", DAG_ID
            ):
                return
        time.sleep(_POLL_S)
    raise UnitsBenchmarkError(f"Airflow was not ready in {_READY_TIMEOUT_S:.0f} s: {home.folder}")


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_STOP_TIMEOUT_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ask(home: AirflowHome, statement: str, *values: str) -> int:
    """A number from Airflow's database, read without ever locking it."""
    address = f"file:{home.folder / 'airflow.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
        return int(connection.execute(statement, values).fetchone()[0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The run ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a run came. `tasks` of units, those of the run itself not counted."""

    tasks: int
    seconds: float
    is_finished: bool
    cpu_s: dict[str, float]


def run_units(home: AirflowHome, components: Components, units: int, timeout_s: float) -> Reached:
    """Trigger the DAG and watch it until it has published or the time is over."""
    log = home.folder / "trigger.log"
    conf = json.dumps({"max_units_per_run": max(units, 1)})
    if home.airflow("dags", "trigger", DAG_ID, "--conf", conf, "--run-id", _RUN_ID, log=log):
        raise UnitsBenchmarkError(f"the run could not be triggered; see {log}")
    before = components.cpu_s()
    started = time.monotonic()
    run_folder = home.data / "runs" / _RUN_ID
    while True:
        time.sleep(_POLL_S)
        seconds = time.monotonic() - started
        is_finished = (run_folder / "summary.json").is_file()
        if is_finished or seconds >= timeout_s:
            break
    tasks = sum(1 for stage in STAGES for _ in run_folder.glob(f"units/*/*/{stage}.json"))
    cpu_s = {name: spent - before[name] for name, spent in components.cpu_s().items()}
    return Reached(tasks, seconds, is_finished, cpu_s)


def prepare(folder: Path, units: int) -> tuple[Path, Path]:
    """A catalogue of that many units: its database, and the folder to serve."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    served = folder / "served"
    paths = write_tiny_pictures(served)
    numbers = range(1, units + 1)
    fill_source(
        folder / "source.db",
        (variant_row(number, category_id=number) for number in numbers),
        (image_row(number, 1, paths[number % len(paths)]) for number in numbers),
    )
    return folder / "source.db", served


def _print_reached(reached: Reached, units: int, console: Console) -> None:
    of = units * len(STAGES)
    if not reached.is_finished:
        console.print(f"CUT OFF after {reached.seconds:.0f} s: the figures are of what was reached")
    console.print(
        f"{reached.tasks} of {of} unit tasks of a run of {units} units in {reached.seconds:.0f} s: "
        f"{60 * reached.tasks / reached.seconds:.0f} tasks a minute"
    )
    table = Table(box=box.ASCII2, title="CPU seconds", title_justify="left")
    for heading in ("process", "CPU s", "CPU s a task", "share of a core"):
        table.add_column(heading, justify="left" if heading == "process" else "right")
    for name, spent in reached.cpu_s.items():
        table.add_row(
            name,
            f"{spent:.1f}",
            f"{spent / max(1, reached.tasks):.3f}",
            f"{spent / reached.seconds:.0%}",
        )
    console.print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=1_000, help="categories of one variant each")
    parser.add_argument("--timeout-s", type=float, default=3_600, help="after which to cut the run")
    parser.add_argument("--parse-only", action="store_true", help="measure only the DAG's parsing")
    return parser.parse_args()


def main() -> int:
    """Measure parsing and a run; 1 when parsing takes longer than it may."""
    options = _options()
    console = Console(width=100, highlight=False)
    folder = FOLDER / "units"
    database, served = prepare(folder, options.units)
    parse_s = measure_parsing(folder / "parsing")
    console.print(f"DAG file: {parse_s:.3f} s beyond Airflow's own import, goal {PARSE_GOAL_S} s")
    if not options.parse_only:
        with running_image_server(served) as server:
            port = _free_port()
            home = make_airflow_home(
                folder / "airflow",
                folder / "data",
                source_uri=f"sqlite:///{database}",
                image_base=server.base_url,
                extra={
                    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
                },
            )
            log = home.folder / "prepare.log"
            if home.airflow("db", "migrate", log=log) or home.airflow(
                "pools", "set", DOWNLOAD_POOL, "4", "Downloads share the rate per host", log=log
            ):
                raise UnitsBenchmarkError(f"Airflow could not be prepared; see {log}")
            with running_airflow(home, port) as components:
                reached = run_units(home, components, options.units, options.timeout_s)
        _print_reached(reached, options.units, console)
    return 1 if parse_s > PARSE_GOAL_S else 0


if __name__ == "__main__":
    sys.exit(main())
