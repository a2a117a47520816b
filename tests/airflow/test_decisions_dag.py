"""Decisions by file, and what a dry run of a removal makes of them, in one process."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from image_duplication import layout
from image_duplication.errors import ConfigurationError
from image_duplication.records import DecisionOrigin, DecisionVerdict
from image_duplication.store.decisions import Decision, read_current
from tests.airflow.conftest import parse_dag
from tests.removal.worlds import World

STARTER = "dag_test"  # whom Airflow names when a run is tested in one process


def run(dag_id: str, **conf: Any) -> Any:
    """One run in this process, to its end."""
    return parse_dag(dag_id).test(run_conf=conf)


def decide(world: World, name: str, *verdicts: str) -> Any:
    """Fill the category's report in, and have it recorded; the run."""
    report = world.storage.read_bytes(layout.report(7, "duplicates")).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(report, newline="")))
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, [*rows[0], "decision", "note"])
    writer.writeheader()
    for row, verdict in zip(rows, verdicts, strict=True):
        writer.writerow(row | {"decision": verdict, "note": "looked at"})
    world.storage.write_bytes(layout.decision_file(name), sink.getvalue().encode())
    return run("image_duplicate_decisions", file_name=name)


def holding(world: World) -> list[Decision]:
    return [decision for _, decision in read_current(world.store, 7).values()]


def test_confirmed_finding_of_a_file_is_what_a_dry_run_would_remove(world: World) -> None:
    assert decide(world, "first.csv", "confirmed", "rejected").state == "success"

    confirmed, rejected = holding(world)
    assert (confirmed.verdict, rejected.verdict) == (
        DecisionVerdict.CONFIRMED,
        DecisionVerdict.REJECTED,
    )
    assert {one.decided_by for one in (confirmed, rejected)} == {STARTER}
    assert {one.origin for one in (confirmed, rejected)} == {DecisionOrigin.REVIEW}
    assert {one.note for one in (confirmed, rejected)} == {"looked at"}

    dry = run("image_duplicate_removal", category_ids=[7])
    assert dry.state == "success"
    removal_id = layout.removal_id_of(dry.run_id)
    assert world.listed(removal_id) == [("1", "b")]
    assert world.active() == {("1", image) for image in "abcd"}


def test_decision_withdrawn_by_a_later_file_counts_no_more(world: World) -> None:
    decide(world, "first.csv", "confirmed", "confirmed")
    decide(world, "second.csv", "withdrawn", "")

    assert len(holding(world)) == 1
    dry = run("image_duplicate_removal", category_ids=[7])
    assert world.listed(layout.removal_id_of(dry.run_id)) == [("1", "d")]


def test_removal_of_the_categories_of_a_run_needs_no_list_of_them(world: World) -> None:
    decide(world, "first.csv", "confirmed", "confirmed")

    dry = run("image_duplicate_removal", run_id="run-0")
    assert dry.state == "success"
    assert world.listed(layout.removal_id_of(dry.run_id)) == [("1", "b"), ("1", "d")]


def test_file_with_a_wrong_line_fails_the_run_and_records_nothing(world: World) -> None:
    assert decide(world, "first.csv", "confirmed", "perhaps").state == "failed"
    assert holding(world) == []


@pytest.mark.parametrize(
    "file_name",
    [
        pytest.param(None, id="none"),
        pytest.param("../first.csv", id="another folder"),
        pytest.param("first.csv\n", id="line break"),
        pytest.param("first.xlsx", id="no CSV"),
    ],
)
def test_name_that_is_no_file_of_the_folder_is_refused(
    airflow_database: None, file_name: str | None
) -> None:
    from image_duplication_airflow.decision_params import read_file_name

    with pytest.raises(ConfigurationError, match="'file_name' is"):
        read_file_name({"file_name": file_name})


def test_decisions_dag_is_documented_and_watched(airflow_database: None) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    from image_duplication_airflow.retries import RETRY_POLICY

    dag = parse_dag("image_duplicate_decisions")
    assert DagSerialization.serialize_dag(dag)["dag_id"] == "image_duplicate_decisions"
    for name in dag.params:
        param = dag.params.get_param(name)
        assert f"`{name}`" in dag.doc_md, name
        assert param.schema["title"], name
        assert param.description, name
    for task in dag.tasks:
        assert task.retry_policy is RETRY_POLICY
        assert task.execution_timeout
    assert dag.on_failure_callback
