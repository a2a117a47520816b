"""The DAG image_duplicate_removal as Airflow parses it, and its parameters."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from demo.airflow_home import PROJECT
from image_duplication.errors import ConfigurationError

REMOVAL = "0123456789abcdef" * 2
CHAIN = ["propose_removal", "approve_removal", "apply_removal"]


@pytest.fixture(scope="module")
def removal_dag(airflow_database: None) -> Any:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(PROJECT / "dags"))
    assert bag.import_errors == {}
    return bag.dags["image_duplicate_removal"]


def test_dag_serializes_and_has_no_schedule(removal_dag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    assert DagSerialization.serialize_dag(removal_dag)["dag_id"] == "image_duplicate_removal"
    assert not removal_dag.timetable.can_be_scheduled


def test_removal_is_proposed_approved_and_applied_in_turn(removal_dag: Any) -> None:
    assert set(removal_dag.task_ids) == {*CHAIN, "restore_removal"}
    for task_id, following in zip(CHAIN, CHAIN[1:], strict=False):
        assert removal_dag.get_task(task_id).downstream_task_ids == {following}
    assert removal_dag.get_task("restore_removal").upstream_task_ids == set()


def test_apply_removal_does_not_run_after_a_failed_approval(removal_dag: Any) -> None:
    assert removal_dag.get_task("apply_removal").trigger_rule == "none_failed"


def test_every_task_that_works_has_a_timeout_and_decides_retries_by_the_error_tree(
    removal_dag: Any,
) -> None:
    from image_duplication_airflow.retries import RETRY_POLICY

    assert {t.task_id for t in removal_dag.tasks if t.execution_timeout is None} == {
        "approve_removal"  # Airflow would take it for the time that a person has
    }
    assert all(task.retry_policy is RETRY_POLICY for task in removal_dag.tasks)


def test_task_that_asks_hosts_shares_the_pool_of_downloads(removal_dag: Any) -> None:
    pools = {task.task_id for task in removal_dag.tasks if task.pool == "image_downloads"}
    assert pools == {"apply_removal"}


def test_run_that_fails_is_told_of(removal_dag: Any) -> None:
    from image_duplication_airflow.alerting import tell_of_failed_run

    assert removal_dag.on_failure_callback in (tell_of_failed_run, [tell_of_failed_run])


def test_documentation_names_every_parameter_which_has_a_title_and_a_description(
    removal_dag: Any,
) -> None:
    for name in removal_dag.params:
        param = removal_dag.params.get_param(name)
        assert f"`{name}`" in removal_dag.doc_md, name
        assert param.schema["title"], name
        assert param.description, name


def test_removal_is_a_dry_run_unless_it_is_asked_for(removal_dag: Any) -> None:
    assert removal_dag.params["dry_run"] is True


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("mode", "delete", id="unknown mode"),
        pytest.param("category_ids", ["chairs"], id="category not an integer"),
        pytest.param("category_ids", [], id="no category"),
        pytest.param("run_id", "", id="empty run"),
        pytest.param("removal_id", "../../etc", id="no removal id"),
        pytest.param("dry_run", "no", id="dry run not a boolean"),
    ],
)
def test_bad_parameter_is_refused_by_name(removal_dag: Any, name: str, value: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(removal_dag.params)
    with pytest.raises(ParamValidationError, match=name):
        params[name] = value


@pytest.mark.parametrize(
    ("conf", "named"),
    [
        pytest.param({}, "'category_ids' = None and 'run_id' = None", id="nothing chosen"),
        pytest.param({"category_ids": [7], "run_id": "weekly"}, "one of the two", id="both chosen"),
        pytest.param({"category_ids": [7], "removal_id": REMOVAL}, "removal_id", id="images"),
        pytest.param(
            {"mode": "variants", "category_ids": [7], "allow_unreviewed_identical": True},
            "allow_unreviewed_identical",
            id="variants",
        ),
        pytest.param({"mode": "restore", "note": "wrong"}, "removal_id", id="restore without id"),
        pytest.param(
            {"mode": "restore", "note": "wrong", "removal_id": f"{REMOVAL}\n"},
            "removal_id",
            id="restore with line break",
        ),
        pytest.param(
            {"mode": "restore", "removal_id": REMOVAL, "note": " "}, "note", id="restore unsaid"
        ),
        pytest.param(
            {"mode": "restore", "removal_id": REMOVAL, "note": "wrong", "category_ids": [7]},
            "category_ids",
            id="restore of categories",
        ),
        pytest.param({"category": [7]}, "'category' is not known", id="unknown"),
    ],
)
def test_choices_that_do_not_fit_together_are_refused_by_name(
    removal_dag: Any, conf: dict[str, Any], named: str
) -> None:
    from image_duplication_airflow.removal_params import read_choices

    with pytest.raises(ConfigurationError, match=named):
        read_choices(removal_dag.params.dump() | conf)


def test_choices_of_each_mode_are_read(removal_dag: Any) -> None:
    from image_duplication_airflow.removal_params import read_choices

    defaults = removal_dag.params.dump()
    images = read_choices(defaults | {"category_ids": [7, 8]})
    assert (images.mode, images.category_ids, images.is_dry) == ("images", (7, 8), True)
    variants = read_choices(defaults | {"mode": "variants", "run_id": "weekly", "dry_run": False})
    assert (variants.mode, variants.run_id, variants.is_dry) == ("variants", "weekly", False)
    restore = read_choices(
        defaults | {"mode": "restore", "removal_id": REMOVAL, "note": " wrong category "}
    )
    assert (restore.removal_id, restore.note) == (REMOVAL, "wrong category")


# Answers ----------------------------------------------------------------------------------------

ANSWER = {
    "chosen_options": ["Approve"],
    "params_input": {"note": " looked at all ", "confirmation": "remove 3 of 9"},
    "responded_at": datetime(2026, 3, 10, 14, 30, tzinfo=timezone(timedelta(hours=5.5))),
    "responded_by_user": {"id": "1", "name": "approver"},
    "timedout": False,
}


def test_answer_is_read_from_what_airflow_hands_over(airflow_database: None) -> None:
    from image_duplication_airflow.removal_answers import Answer, read_answer

    given_at = datetime(2026, 3, 10, 9)  # noqa: DTZ001 - the store keeps UTC without a zone
    approved = Answer(True, "approver", given_at, "looked at all", "remove 3 of 9")
    assert read_answer(ANSWER) == approved
    rejected = ANSWER | {"chosen_options": ["Reject"], "params_input": {}}
    assert read_answer(rejected) == Answer(False, "approver", given_at)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"chosen_options": []}, "answer is", id="no option"),
        pytest.param({"chosen_options": ["Approve", "Reject"]}, "answer is", id="both options"),
        pytest.param({"responded_by_user": None}, "names nobody", id="nobody"),
        pytest.param({"responded_by_user": {"id": "1", "name": " "}}, "names nobody", id="blank"),
        pytest.param({"responded_at": None}, "when it was given", id="no time"),
        pytest.param({"params_input": {"confirm": "x"}}, "'confirm'", id="unknown field"),
        pytest.param({"params_input": {"note": 5}}, "'note'", id="field not a text"),
    ],
)
def test_answer_that_cannot_count_is_refused(
    airflow_database: None, change: dict[str, Any], named: str
) -> None:
    from image_duplication.errors import RemovalRefusedError
    from image_duplication_airflow.removal_answers import read_answer

    with pytest.raises(RemovalRefusedError, match=named):
        read_answer(ANSWER | change)


def test_category_ids_may_be_text_as_the_form_gives_them(removal_dag: Any) -> None:
    from image_duplication_airflow.removal_params import read_choices

    params = copy.deepcopy(removal_dag.params)
    params["category_ids"] = ["7", "12"]
    assert read_choices(params.dump()).category_ids == (7, 12)
    # A stated type of the items makes Airflow's form an editor that garbles what is typed.
    assert "type" not in params.get_param("category_ids").schema["items"]
