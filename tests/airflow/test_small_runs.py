"""DAG runs on a small catalogue of its own: failures, planning, a part of a category."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from demo.image_server import RunningImageServer, running_image_server
from image_duplication import layout
from image_duplication.errors import PermanentError
from image_duplication.plans import read_plan
from image_duplication.records import DecisionOrigin, DecisionVerdict
from image_duplication.settings import load_settings
from image_duplication.storage import Storage
from image_duplication.store.decisions import Decision, Pair, record
from tests.airflow.conftest import point_at, run_dag
from tests.airflow.small_catalogue import fill_small_catalogue
from tests.catalogues import SourceDatabase

CATEGORIES = (11, 12, 13)


@dataclass(frozen=True, slots=True)
class Scene:
    """A small catalogue that DAG runs are pointed at."""

    database: SourceDatabase
    server: RunningImageServer
    storage: Storage

    def report(self, category_id: int, subject: str) -> list[dict[str, str]]:
        content = self.storage.read_bytes(layout.report(category_id, subject))
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.fixture
def scene(airflow_database: None, tmp_path: Path) -> Iterator[Scene]:
    url = fill_small_catalogue(tmp_path, CATEGORIES, variants=4)
    with (
        running_image_server(tmp_path / "served") as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        point_at(patch, tmp_path, url, server.base_url)
        yield Scene(SourceDatabase(url, url), server, Storage(str(tmp_path / "data")))


def test_failing_category_stops_no_other_and_fails_the_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from image_duplication.stages import detect

    judge = detect.detect_duplicates

    def failing(*arguments: Any, unit_id: str, **options: Any) -> Any:
        if unit_id == "12/1":
            raise PermanentError("this category cannot be judged")
        return judge(*arguments, unit_id=unit_id, **options)

    monkeypatch.setattr(detect, "detect_duplicates", failing)
    run = run_dag()
    assert run.state == "failed"
    states = {
        (instance.task_id, instance.map_index): instance.state
        for instance in run.get_task_instances()
    }
    assert states["process_unit.detect_duplicates", 1] == "failed"
    assert states["process_unit.archive_images", 0] == "success"
    assert states["process_unit.archive_images", 2] == "success"
    assert states["publish_run", -1] == "failed"
    assert len(scene.report(11, "duplicates")) == len(scene.report(13, "duplicates")) == 4
    summary = scene.storage.read_json(layout.run_summary(run.run_id, "json"))
    assert summary["total"]["units_failed"] == ["12/1 at detect_duplicates"]
    # The failed category's report is written too: it lists its variants as not judged.
    assert announced(run) == ["11", "12", "13"]


def announced(run: Any) -> list[str]:
    """The partitions of the asset `category_report` that a run has announced."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        events = session.query(AssetEvent).filter(AssetEvent.source_run_id == run.run_id)
        return sorted(event.partition_key for event in events)


def test_rejected_pair_is_in_no_report_of_the_next_run(scene: Scene) -> None:
    from image_duplication_airflow.connections import open_store

    assert run_dag(category_ids=[11, 12]).state == "success"
    rejected, *others = scene.report(11, "duplicates")
    pair = Pair.of(
        11,
        rejected["variant_id"],
        (rejected["base_sha256"], rejected["duplicate_sha256"]),
        rejected["kinds"].split(),
    )
    moment = datetime(2026, 1, 5)  # noqa: DTZ001 - the store keeps UTC without a zone
    with open_store(load_settings()) as store:
        record(
            store,
            [Decision(pair, DecisionVerdict.REJECTED, DecisionOrigin.REVIEW, "reviewer", moment)],
        )

    run = run_dag(category_ids=[11, 12])

    assert run.state == "success"
    assert scene.report(11, "duplicates") == others
    assert announced(run) == ["11"]


def test_run_announces_only_the_categories_whose_files_it_wrote(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in production: a DAG with a data interval, not one that is partitioned itself.
    monkeypatch.setenv("IMAGE_DUPLICATION_SCHEDULE", "30 20 * * 6")
    first = run_dag()
    scene.database.execute("UPDATE inb_images SET is_active = 0 WHERE image_id = '1202-3'")
    second = run_dag()
    third = run_dag()

    assert announced(first) == ["11", "12", "13"]
    assert announced(second) == ["12"]
    assert announced(third) == []
    assert [run.state for run in (first, second, third)] == ["success"] * 3
    states = {one.task_id: one.state for one in third.get_task_instances()}
    assert states["announce_reports"] == "skipped"


def test_run_that_judges_one_variant_leaves_the_rest_of_its_category_as_it_was(
    scene: Scene,
) -> None:
    first = run_dag(category_ids=[11])
    before = {row["variant_id"]: row for row in scene.report(11, "compliance")}
    scene.database.execute("UPDATE inb_images SET is_active = 0 WHERE image_id = '1102-3'")
    second = run_dag(category_ids=[11])
    after = {row["variant_id"]: row for row in scene.report(11, "compliance")}
    assert first.state == second.state == "success"
    assert before.keys() == after.keys()
    assert after["1102"]["run_id"] == second.run_id
    assert after["1102"]["reason"] == "too_few_images"
    assert {v: row for v, row in after.items() if v != "1102"} == {
        v: row for v, row in before.items() if v != "1102"
    }
    assert {row["variant_id"] for row in scene.report(11, "duplicates")} == {"1100", "1101", "1103"}


def test_plan_only_prints_the_cost_and_does_nothing_else(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    run = run_dag(plan_only=True)
    printed = capfd.readouterr().out
    assert run.state == "success"
    assert "3 units in 1 run(s)" in printed
    assert "36 images due, about 36 requests, about 1 minute(s)" in printed
    assert not scene.storage.exists(layout.report(11, "duplicates"))
    assert not scene.storage.exists(layout.extract_csv(11))


def test_units_above_the_cap_go_to_sibling_runs_that_are_started(scene: Scene) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    run = run_dag(part_size_images=3, max_units_per_run=5)
    assert run.state == "success"
    plan = read_plan(scene.storage, run.run_id)
    assert len(plan.sibling_run_ids) == 2
    with create_session() as session:
        started = {
            other.run_id: other.conf
            for other in session.query(DagRun).filter(DagRun.run_id.in_(plan.sibling_run_ids))
        }
    assert set(started) == set(plan.sibling_run_ids)
    mapped = [
        unit for one in (run.run_id, *started) for unit in read_plan(scene.storage, one).unit_ids
    ]
    assert sorted(mapped) == sorted(f"{c}/{part}" for c in CATEGORIES for part in range(1, 5))
    for conf in started.values():
        assert conf["part_size_images"] == 3


def test_category_without_variants_gets_reports_with_headers_only(scene: Scene) -> None:
    run = run_dag(category_ids=[99])
    assert run.state == "success"
    assert scene.report(99, "duplicates") == []
    assert scene.report(99, "compliance") == []


def test_missing_connection_is_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_GEM_STAGING")
    run = run_dag()
    assert run.state == "failed"
    output = capfd.readouterr()
    assert "connection 'gem_staging' cannot be read" in output.out + output.err


def test_category_whose_last_variant_left_is_emptied_by_the_next_run(scene: Scene) -> None:
    assert run_dag().state == "success"
    assert scene.report(11, "duplicates")
    scene.database.execute("UPDATE inb_variants SET is_active = 0 WHERE category_id = '11'")
    run = run_dag()
    assert run.state == "success"
    assert scene.report(11, "duplicates") == scene.report(11, "compliance") == []
    assert len(scene.report(12, "duplicates")) == 4
    assert read_plan(scene.storage, run.run_id).categories[0].left == 4
