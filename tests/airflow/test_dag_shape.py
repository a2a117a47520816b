"""The DAG as Airflow parses it: tasks, edges, defaults, parameters, and what parsing costs."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.airflow_home import PROJECT
from image_duplication.units import STAGES

UNIT_TASKS = [f"process_unit.{stage}" for stage in STAGES]

# Times the DAG file's own import, and lists what it opens beside Python's own modules.
PARSE = """
import importlib.util, json, sys, time
from airflow.sdk import DAG, Param, TriggerRule, task, task_group
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
touched = []
def audit(event, arguments):
    if event == "open":
        path = str(arguments[0])
        if not path.endswith((".py", ".pyc", ".so")) and "__pycache__" not in path:
            touched.append(f"open {path}")
    elif event.startswith(("socket.", "sqlite3.", "subprocess.")):
        touched.append(event)
sys.addaudithook(audit)
started = time.process_time()  # what other programs do meanwhile is not the file's cost
spec = importlib.util.spec_from_file_location("dag_file", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
seconds = time.process_time() - started
heavy = [name for name in ("pandas", "pyarrow", "numpy", "PIL", "requests") if name in sys.modules]
print(json.dumps({"seconds": seconds, "touched": touched, "heavy": heavy}))
"""


@pytest.fixture(scope="module", params=sorted(PROJECT.glob("dags/*.py")), ids=lambda p: p.stem)
def parse_cost(airflow_database: None, request: pytest.FixtureRequest) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-c", PARSE, str(request.param)],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "plugins")},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    cost: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return cost


def test_dag_file_parses_in_half_a_second_beyond_airflow(parse_cost: dict[str, Any]) -> None:
    assert parse_cost["seconds"] < 0.5


def test_dag_file_imports_no_heavy_library_when_parsed(parse_cost: dict[str, Any]) -> None:
    assert parse_cost["heavy"] == []


def test_dag_file_touches_no_network_database_or_data_when_parsed(
    parse_cost: dict[str, Any],
) -> None:
    assert parse_cost["touched"] == []


def test_dag_serializes(dag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    assert DagSerialization.serialize_dag(dag)["dag_id"] == "image_duplication"


def test_package_is_not_hidden_by_the_dag_file_of_the_same_name(dag: Any) -> None:
    # As in every Airflow process: plugins/ and dags/ on the path by Airflow's doing alone.
    script = (
        "import airflow.settings; from airflow.dag_processing.dagbag import BundleDagBag; "
        f"BundleDagBag({str(PROJECT / 'dags')!r}, bundle_path=__import__('pathlib').Path("
        f"{str(PROJECT / 'dags')!r}), bundle_name='dags'); "
        "import image_duplication; print(image_duplication.__file__)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd=os.environ["AIRFLOW_HOME"],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    found = result.stdout.splitlines()[-1]
    assert found == str(PROJECT / "plugins" / "image_duplication" / "__init__.py")


def test_failure_of_every_dag_is_told(airflow_database: None) -> None:
    from airflow.dag_processing.dagbag import DagBag

    dags = DagBag(str(PROJECT / "dags")).dags
    assert len(dags) == len(list((PROJECT / "dags").glob("*.py")))
    assert [dag_id for dag_id, dag in dags.items() if not dag.has_on_failure_callback] == []


def test_dag_id_is_its_file_name(dag: Any) -> None:
    assert dag.dag_id == "image_duplication"
    assert dag.fileloc.endswith("dags/image_duplication.py")


def test_tasks_are_those_of_the_design(dag: Any) -> None:
    assert set(dag.task_ids) == {
        "plan_work",
        *UNIT_TASKS,
        "publish_run",
        "announce_reports",
        "list_sibling_runs",
        "start_sibling_runs",
    }


def test_unit_tasks_follow_each_other_and_lead_to_publish_run(dag: Any) -> None:
    chain = ["plan_work", *UNIT_TASKS, "publish_run"]
    for task_id, following in zip(chain, chain[1:], strict=False):
        assert following in dag.get_task(task_id).downstream_task_ids
    assert dag.get_task("publish_run").upstream_task_ids == {UNIT_TASKS[-1]}


def test_publish_run_runs_whatever_happened(dag: Any) -> None:
    assert dag.get_task("publish_run").trigger_rule == "all_done"


def test_reports_are_announced_whatever_happened_and_decide_no_runs_state(dag: Any) -> None:
    announcing = dag.get_task("announce_reports")
    assert announcing.upstream_task_ids == {"publish_run"}
    assert announcing.is_teardown
    assert not announcing.on_failure_fail_dagrun
    assert [asset.name for asset in announcing.outlets] == ["category_report"]


@pytest.mark.parametrize("task_id", UNIT_TASKS)
def test_unit_task_is_mapped_and_labelled(dag: Any, task_id: str) -> None:
    task = dag.get_task(task_id)
    assert task.task_group.group_id == "process_unit"
    assert "label" in task.map_index_template


def test_every_task_has_a_timeout(dag: Any) -> None:
    assert [task.task_id for task in dag.tasks if task.execution_timeout is None] == []


def test_every_task_decides_retries_by_the_error_tree(dag: Any) -> None:
    from image_duplication_airflow.retries import RETRY_POLICY

    for task in dag.tasks:
        assert task.retry_policy is RETRY_POLICY, task.task_id


def test_downloads_share_a_pool(dag: Any) -> None:
    pools = {task.task_id for task in dag.tasks if task.pool == "image_downloads"}
    assert pools == {"process_unit.download_images"}


def test_documentation_names_every_parameter(dag: Any) -> None:
    missing = [name for name in dag.params if f"`{name}`" not in dag.doc_md]
    assert missing == []
    assert dag.tags


def test_every_parameter_has_a_title_and_a_description(dag: Any) -> None:
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema["title"], name
        assert param.description, name


@pytest.mark.parametrize(
    ("conf", "named"),
    [
        pytest.param({"category_ids": ["chairs"]}, "category_ids", id="category not an integer"),
        pytest.param({"category_ids": [0]}, "category_ids", id="category below 1"),
        pytest.param({"category_ids": ["0"]}, "category_ids", id="category below 1 as text"),
        pytest.param({"category_ids": [1.5]}, "category_ids", id="category not whole"),
        pytest.param({"category_ids": ["12 "]}, "category_ids", id="category and a space"),
        pytest.param({"category_ids": [True]}, "category_ids", id="category true"),
        pytest.param({"category_ids": [None]}, "category_ids", id="category null"),
        pytest.param({"category_ids": "12"}, "category_ids", id="no list of categories"),
        pytest.param({"scope": "all"}, "scope", id="unknown scope"),
        pytest.param({"engines": ["magic"]}, "engines", id="unknown engine"),
        pytest.param({"engines": []}, "engines", id="no engine"),
        pytest.param({"pixel_size": 5}, "pixel_size", id="pixel size too small"),
        pytest.param({"similarity_mse": 201}, "similarity_mse", id="similarity too loose"),
        pytest.param({"part_size_images": 0}, "part_size_images", id="part size zero"),
        pytest.param({"max_units_per_run": 2000}, "max_units_per_run", id="above Airflow's limit"),
    ],
)
def test_bad_parameter_is_refused_by_name(dag: Any, conf: dict[str, Any], named: str) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dag.params)
    (name, value), *_ = conf.items()
    with pytest.raises(ParamValidationError, match=named):
        params[name] = value


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        pytest.param([21, 22], (21, 22), id="numbers"),
        pytest.param(["21", "22"], (21, 22), id="lines of the form"),
        pytest.param(["21", 21], (21,), id="one twice"),
        pytest.param([], None, id="none"),
        pytest.param(None, None, id="null"),
    ],
)
def test_category_ids_may_be_numbers_or_the_lines_of_a_form(
    dag: Any, given: list[Any] | None, chosen: tuple[int, ...] | None
) -> None:
    from image_duplication_airflow.params import read_choices

    params = copy.deepcopy(dag.params)
    params["category_ids"] = given
    assert read_choices(params.dump()).selection.category_ids == chosen


def test_backfill_without_parameters_is_refused_and_says_where_they_get_lost(
    airflow_database: None,
) -> None:
    from types import SimpleNamespace

    from image_duplication.errors import ConfigurationError
    from image_duplication_airflow.runtime import find_backfilled

    week = datetime(2026, 3, 7, 20, 30, tzinfo=UTC), datetime(2026, 3, 14, 20, 30, tzinfo=UTC)
    of_week = {"data_interval_start": week[0], "data_interval_end": week[1]}
    for conf in (None, {}):
        backfill = SimpleNamespace(run_type="backfill", conf=conf, **of_week)
        with pytest.raises(ConfigurationError, match="Override parameters on existing runs"):
            find_backfilled(backfill)
    for_all = SimpleNamespace(run_type="backfill", conf={"category_ids": None}, **of_week)
    assert find_backfilled(for_all) == week
    assert find_backfilled(SimpleNamespace(run_type="scheduled", conf={}, **of_week)) is None


@pytest.mark.parametrize("engine", ["identical", "difpy", "perceptual", "aligned"])
def test_each_engine_can_be_chosen_alone(dag: Any, engine: str) -> None:
    from image_duplication_airflow.params import read_choices

    params = copy.deepcopy(dag.params)
    params["engines"] = [engine]
    chosen = read_choices(params.dump()).settings.detection.engines
    assert [one.value for one in chosen] == [engine]


def test_engines_are_those_of_the_settings_unless_they_are_chosen(dag: Any) -> None:
    from image_duplication.settings import load_settings
    from image_duplication_airflow.params import read_choices

    chosen = read_choices(dag.params.dump()).settings.detection
    assert chosen == load_settings().detection


def test_unknown_parameter_is_refused_by_name(airflow_database: None) -> None:
    from image_duplication.errors import ConfigurationError
    from image_duplication_airflow.params import read_choices

    with pytest.raises(
        ConfigurationError, match="'categories' is not known; expected category_ids"
    ):
        read_choices({"categories": [1]})


def test_run_parameters_override_the_settings(airflow_database: None) -> None:
    from image_duplication_airflow.params import read_choices

    choices = read_choices({"similarity_mse": 0, "pixel_size": 64, "engines": ["difpy"]})
    assert choices.settings.detection.difpy.similarity_mse == 0
    assert choices.settings.detection.difpy.pixel_size == 64
    assert [engine.value for engine in choices.settings.detection.engines] == ["difpy"]
