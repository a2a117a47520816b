"""Metrics of real DAG runs, as a StatsD server on the loopback address receives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.airflow_home import PROJECT
from demo.image_server import running_image_server
from image_duplication.units import STAGES
from tests.airflow.conftest import point_at, run_dag
from tests.airflow.small_catalogue import IMAGES_EACH, fill_small_catalogue
from tests.airflow.statsd_server import StatsdServer

VARIANTS = 4
IMAGES = VARIANTS * IMAGES_EACH


@contextmanager
def metrics_sent_to(statsd: StatsdServer, *, are_on: bool = True) -> Iterator[None]:
    """Airflow's metrics as each task's process sets them up; here all tasks share this one."""
    from airflow.sdk.observability.metrics import stats_utils
    from airflow.sdk.observability.stats import initialize
    from statsd import StatsClient

    def make_backend() -> Any:
        backend = make()
        if isinstance(client := getattr(backend, "statsd", None), StatsClient):
            clients.callback(client.close)
        return backend

    with ExitStack() as clients, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__METRICS__STATSD_ON", str(are_on))
        patch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        patch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(statsd.port))
        make = stats_utils.get_stats_factory()
        initialize(factory=make_backend, export_legacy_names=False)
        yield
    initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
    statsd.close()


@pytest.fixture
def catalogue(airflow_database: None, tmp_path: Path) -> Iterator[None]:
    url = fill_small_catalogue(tmp_path, [11, 12], variants=VARIANTS)
    with (
        running_image_server(tmp_path / "served") as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        point_at(patch, tmp_path, url, server.base_url)
        yield


def test_run_counts_its_work_in_airflows_metrics(catalogue: None) -> None:
    statsd = StatsdServer()
    with metrics_sent_to(statsd):
        assert run_dag(category_ids=[11]).state == "success"

    counted = statsd.counters
    assert [counted[f"{stage}.units"] for stage in STAGES] == [1] * len(STAGES)
    assert [statsd.timers[f"{stage}.duration"] for stage in STAGES] == [1] * len(STAGES)
    assert counted["download_images.downloaded"] == counted["download_images.requests"] == IMAGES
    assert counted["download_images.bytes"] == counted["archive_images.bytes"] > 0
    assert counted["download_images.failed"] == counted["download_images.unchanged"] == 0
    assert counted["write_report.findings"] == counted["publish_run.findings_new"] == VARIANTS
    assert counted["publish_run.units"] == counted["publish_run.categories"] == 1

    documented = (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8")
    ours = [
        name for name in (*counted, *statsd.timers) if name.startswith((*STAGES, "publish_run"))
    ]
    assert len(ours) > 40
    for name in ours:
        of_any_stage = f"<stage>.{name.partition('.')[2]}"
        assert f"`{name}`" in documented or f"`{of_any_stage}`" in documented, name


def test_run_sends_nothing_while_metrics_are_off(catalogue: None) -> None:
    statsd = StatsdServer()
    with metrics_sent_to(statsd, are_on=False):
        assert run_dag(category_ids=[12]).state == "success"

    assert statsd.counters == statsd.timers == {}


def test_failed_and_degraded_units_are_counted_under_their_stage(airflow_database: None) -> None:
    from image_duplication.records import StageReport
    from image_duplication.summary import RunSummary, UnitFailure
    from image_duplication_airflow.metrics import count_run, count_stage
    from tests.test_summary import CHAIRS

    statsd = StatsdServer()
    with metrics_sent_to(statsd):
        count_stage(StageReport("download_images", "7/1", 1.5, {"failed": 3}, is_degraded=True))
        count_run(RunSummary("weekly", "changed", "", 0, (CHAIRS,), {8: "broken"}))

    assert UnitFailure("7/2", "download_images") in CHAIRS.units_failed
    assert statsd.counters["download_images.units_failed"] == 1
    assert statsd.counters["download_images.units_degraded"] == 1
    assert statsd.counters["download_images.failed"] == 3
    assert statsd.counters["publish_run.categories_failed"] == 1
    assert statsd.counters["publish_run.images_failed.not_found"] == 2
