"""The Backfill form of Airflow's interface in a browser: what it sends, and what it refuses.

No scheduler runs here: the runs that the form makes stay queued. What becomes of such runs is in
`test_backfill`, `test_dag_shape` and the tests of the stages.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.airflow_home import DAG_ID, PROJECT, make_airflow_home, write_password
from tests.airflow.backfill_form import BackfillForm, opened_form

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

USER = "admin"
READY_TIMEOUT_S = 180
NOT_CHOSEN = {
    "scope": "changed",
    "engines": None,
    "pixel_size": None,
    "similarity_mse": None,
    "part_size_images": None,
    "max_units_per_run": None,
    "plan_only": False,
    "take_new_snapshot": False,
}


@dataclass(frozen=True, slots=True)
class Interface:
    """Airflow's interface and REST API, with the DAG and nothing that runs it."""

    address: str
    password: str

    @contextlib.contextmanager
    def form(self) -> Iterator[BackfillForm]:
        """The form, in a browser."""
        with opened_form(self.address, USER, self.password, DAG_ID) as form:
            yield form

    def runs(self) -> dict[str, dict[str, Any]]:
        """The DAG's runs by logical date."""
        login = {"username": USER, "password": self.password}
        token = requests.post(f"{self.address}/auth/token", json=login, timeout=60).json()
        answer = requests.get(
            f"{self.address}/api/v2/dags/{DAG_ID}/dagRuns",
            headers={"Authorization": f"Bearer {token['access_token']}"},
            timeout=60,
        )
        answer.raise_for_status()
        return {run["logical_date"]: run for run in answer.json()["dag_runs"]}


@pytest.fixture
def interface(tmp_path: Path) -> Iterator[Interface]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    home = make_airflow_home(
        tmp_path / "airflow",
        tmp_path / "data",
        source_uri="sqlite:////nowhere",
        image_base="http://127.0.0.1:1",
        extra={
            "IMAGE_DUPLICATION_SCHEDULE": "30 20 * * 6",
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        },
    )
    password = write_password(home, USER)
    log = tmp_path / "airflow.log"
    assert home.airflow("db", "migrate", log=log) == 0, log.read_text()
    assert home.airflow("dags", "reserialize", log=log) == 0, log.read_text()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1"]
            + ["--port", str(port)],
            cwd=PROJECT,
            env=home.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_answering(address, process, log)
        yield Interface(address, password)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def wait_until_answering(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{address}/api/v2/monitor/health", timeout=5).ok:
                return
        time.sleep(0.5)
    raise TimeoutError(f"no answer within {READY_TIMEOUT_S} s:\n{log.read_text()[-4_000:]}")


def test_form_makes_a_run_for_each_week_with_the_typed_categories(interface: Interface) -> None:
    with interface.form() as form:
        form.choose_dates("2026/03/07", "2026/03/14")
        form.choose_categories(["21", "22"])
        form.send_parameters()
        assert form.says_how_many_runs.inner_text() == "2 runs will be triggered."
        form.submit()
        form.wait_until_closed()
    runs = interface.runs()
    assert sorted(runs) == ["2026-03-07T20:30:00Z", "2026-03-14T20:30:00Z"]
    for run in runs.values():
        assert run["run_type"] == "backfill"
        assert run["conf"] == {"category_ids": ["21", "22"], **NOT_CHOSEN}


def test_form_sends_no_parameters_unless_its_box_is_ticked(interface: Interface) -> None:
    """Why such a run is refused: if this fails, Airflow's form has become a better one."""
    with interface.form() as form:
        form.choose_dates("2026/03/07", "2026/03/14")
        form.choose_categories(["21"])
        form.submit()
        form.wait_until_closed()
    assert [run["conf"] for run in interface.runs().values()] == [{}, {}]


def test_form_says_what_is_wrong_with_a_category_and_what_is_allowed(interface: Interface) -> None:
    with interface.form() as form:
        form.choose_dates("2026/03/07", "2026/03/14")
        form.choose_categories(["21", "chairs"])
        form.send_parameters()
        form.submit()
        said = form.wait_for_complaint()
    assert "category_ids: 'chairs' does not match '^[1-9][0-9]*$'" in said
    assert interface.runs() == {}


def test_form_says_that_dates_are_reversed_and_cannot_be_sent(interface: Interface) -> None:
    with interface.form() as form:
        form.choose_dates("2026/03/14", "2026/03/07")
        form.says_that_dates_are_reversed.wait_for()
        assert not form.can_be_submitted
    assert interface.runs() == {}
