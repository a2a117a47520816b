"""The start from which a deadline is counted, and how the DAG takes one; no scheduler is needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from image_duplication.errors import ConfigurationError

PAST = datetime(2024, 1, 1, tzinfo=UTC)
FUTURE = datetime(2124, 1, 1, tzinfo=UTC)


@pytest.fixture
def session(airflow_database: None) -> Iterator[Any]:
    from airflow.utils.session import create_session

    with create_session() as session:
        yield session
        session.rollback()


def start_of(session: Any, run_type: str, run_after: datetime) -> datetime | None:
    """The start of a run that Airflow is just creating."""
    from airflow.models import DagRun

    from image_duplication_airflow.run_start import RunStart

    run = DagRun(dag_id="image_duplication", run_id="one", run_type=run_type, run_after=run_after)
    session.add(run)
    session.flush()
    return RunStart()._evaluate_with(session=session, dag_id="image_duplication", run_id="one")


@pytest.mark.parametrize("run_type", ["scheduled", "manual", "operator_triggered"])
def test_start_is_now_for_a_run_that_might_have_started_before(session: Any, run_type: str) -> None:
    before = datetime.now(UTC)

    found = start_of(session, run_type, PAST)

    assert found is not None
    assert before <= found <= datetime.now(UTC)


def test_start_is_when_the_run_may_start_if_that_is_to_come(session: Any) -> None:
    assert start_of(session, "manual", FUTURE) == FUTURE


@pytest.mark.parametrize("run_after", [PAST, FUTURE], ids=["past", "future"])
def test_run_of_a_backfill_has_no_start_to_count_from(session: Any, run_after: datetime) -> None:
    assert start_of(session, "backfill", run_after) is None


def test_plugin_registers_the_reference_by_the_name_that_is_stored(airflow_database: None) -> None:
    from airflow import plugins_manager
    from airflow.serialization.encoders import encode_deadline_reference

    from image_duplication_airflow.run_start import RunStart

    stored = encode_deadline_reference(RunStart())["__class_path"]

    assert plugins_manager.get_deadline_references_plugins()[stored] is RunStart


def test_deadline_is_the_same_after_airflow_stored_it(airflow_database: None) -> None:
    from airflow.serialization.encoders import ensure_serialized_deadline_alert

    from image_duplication_airflow.deadlines import make_deadline

    stored = ensure_serialized_deadline_alert(make_deadline(0.003))

    assert stored.interval == timedelta(hours=0.003)
    assert stored.reference.reference_name == "RunStart"
    assert stored.callback.path == "image_duplication_airflow.alerting.tell_of_late_run"


@pytest.mark.parametrize(
    ("environment", "hours"),
    [
        pytest.param({}, 36, id="not set"),
        pytest.param({"IMAGE_DUPLICATION_DEADLINE_HOURS": "1.5"}, 1.5, id="a fraction"),
        pytest.param({"IMAGE_DUPLICATION_DEADLINE_HOURS": ""}, None, id="empty"),
    ],
)
def test_deadline_is_read_from_the_environment(
    airflow_database: None, environment: dict[str, str], hours: float | None
) -> None:
    from image_duplication_airflow.deadlines import read_deadline

    deadline = read_deadline(environment)

    assert (deadline and deadline.interval) == (hours and timedelta(hours=hours))


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", " "])
def test_deadline_that_is_no_number_of_hours_is_named(airflow_database: None, text: str) -> None:
    from image_duplication_airflow.deadlines import read_deadline

    with pytest.raises(ConfigurationError, match="IMAGE_DUPLICATION_DEADLINE_HOURS is .*expected"):
        read_deadline({"IMAGE_DUPLICATION_DEADLINE_HOURS": text})


def test_demo_runs_without_a_deadline(dag: Any) -> None:
    assert dag.deadline is None


def test_run_that_fails_before_its_end_is_told_by_the_dag(dag: Any) -> None:
    assert dag.on_failure_callback.__name__ == "tell_of_failed_run"
