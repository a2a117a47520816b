"""The maintenance DAG in real runs: dry unless told otherwise; what a run at work needs stays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.airflow_home import PROJECT
from image_duplication import layout
from image_duplication.storage import Storage
from tests.airflow.conftest import point_at
from tests.judged_rows import NOON, write_plan

LEFTOVER = f"{layout.staging_folder('weekly', 7, 'a')}/1-0123456789abcdef.jpg"
OLD_RUNS = ("forgotten", "at_work")


@pytest.fixture
def storage(airflow_database: None, tmp_path: Path) -> Iterator[Storage]:
    """A storage root with two runs of long ago, of which one is at work, and a leftover."""
    root = tmp_path / "data"
    storage = Storage(str(root))
    storage.write_bytes(LEFTOVER, b"picture")
    for run_id in OLD_RUNS:
        write_plan(storage, run_id, {7: ["a"]}, planned_at=NOON - timedelta(days=300))
    # Before the run at work was planned, which could have staged what is younger.
    long_ago = time.time() - timedelta(days=1_000).total_seconds()
    os.utime(root / LEFTOVER, (long_ago, long_ago))
    with pytest.MonkeyPatch.context() as patch:
        point_at(patch, tmp_path, "sqlite:////nowhere", "http://127.0.0.1:1")
        yield storage


def maintenance_dag() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(PROJECT / "dags")).dags["image_duplication_maintenance"]


def run_maintenance(**conf: Any) -> Any:
    return maintenance_dag().test(run_conf=conf)


def task_states(run: Any) -> dict[str, str]:
    return {one.task_id: one.state for one in run.get_task_instances()}


@pytest.fixture
def running(storage: Storage) -> Iterator[None]:
    """A run of the pipeline that Airflow has as running."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with create_session() as session:
        run = DagRun(
            dag_id="image_duplication",
            run_id="at_work",
            run_type=DagRunType.MANUAL,
            state=DagRunState.RUNNING,
            run_after=NOON,
            triggered_by=DagRunTriggeredByType.TEST,
        )
        session.add(run)
    yield
    with create_session() as session:
        session.query(DagRun).filter(DagRun.run_id == "at_work").delete()


def test_maintenance_dag_is_named_documented_and_bounded(airflow_database: None) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    from image_duplication_airflow.retries import RETRY_POLICY

    dag = maintenance_dag()

    assert Path(dag.fileloc).stem == dag.dag_id
    assert DagSerialization.serialize_dag(dag)["dag_id"] == dag.dag_id
    assert [name for name in dag.params if f"`{name}`" not in dag.doc_md] == []
    assert dag.get_task("delete_files").upstream_task_ids == {"plan_deletions"}
    for task in dag.tasks:
        assert task.execution_timeout is not None
        assert task.retry_policy is RETRY_POLICY


def test_maintenance_is_a_dry_run_unless_told_otherwise(
    storage: Storage, capfd: pytest.CaptureFixture[str]
) -> None:
    run = run_maintenance()

    assert task_states(run) == {"plan_deletions": "success", "delete_files": "skipped"}
    assert run.state == "success"
    assert storage.exists(LEFTOVER)
    assert "may be deleted: staged 1 files, 7 bytes" in capfd.readouterr().out
    assert storage.exists(layout.retention_manifest(run.run_id))


def test_maintenance_deletes_what_is_old_but_for_a_run_that_airflow_has_as_running(
    storage: Storage, running: None
) -> None:
    run = run_maintenance(dry_run=False)

    assert task_states(run) == {"plan_deletions": "success", "delete_files": "success"}
    assert storage.names("runs") == ["at_work"]
    assert not storage.exists(LEFTOVER)
    outcome = storage.read_json(layout.retention_record(run.run_id, "outcome"))
    assert outcome["deleted"]["staged"] == {"files": 1, "size_bytes": 7}
    assert outcome["deleted"]["run_file"]["files"] == 3
