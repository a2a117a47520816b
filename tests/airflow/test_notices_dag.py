"""The DAGs of notices and appeals: their shape, their parameters, and runs on a small state."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.image_server import running_image_server
from image_duplication import layout
from image_duplication.errors import ConfigurationError
from image_duplication.records import DecisionOrigin, DecisionVerdict
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.decisions import read_current
from image_duplication.store.notices import read_open_notices
from tests.airflow.conftest import parse_dag, point_at, run_dag
from tests.airflow.small_catalogue import fill_small_catalogue
from tests.catalogues import SourceDatabase
from tests.judged_rows import judged_variant
from tests.removal.worlds import World

NOTICES, APPEAL = "image_duplication_notices", "image_duplication_appeal"
DAG_IDS = [NOTICES, APPEAL]


def run(dag_id: str, **conf: Any) -> Any:
    return parse_dag(dag_id).test(run_conf=conf)


@pytest.fixture(scope="module")
def dags(airflow_database: None) -> dict[str, Any]:
    return {dag_id: parse_dag(dag_id) for dag_id in DAG_IDS}


# Shape ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_dag_is_documented_bounded_and_tells_of_failures(dags: dict[str, Any], dag_id: str) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    dag = dags[dag_id]
    assert DagSerialization.serialize_dag(dag)["dag_id"] == dag_id
    assert dag.fileloc.endswith(f"dags/{dag_id}.py")
    assert [name for name in dag.params if f"`{name}`" not in dag.doc_md] == []
    assert [t.task_id for t in dag.tasks if f"`{t.task_id}`" not in dag.doc_md] == []
    assert [t.task_id for t in dag.tasks if not t.execution_timeout or not t.retries] == []
    assert dag.has_on_failure_callback
    for name in dag.params:
        assert dag.params.get_param(name).schema["title"], name
        assert dag.params.get_param(name).description, name


def test_notices_are_recorded_after_they_are_written(dags: dict[str, Any]) -> None:
    dag = dags[NOTICES]

    assert dag.get_task("list_short_variants").downstream_task_ids == {"write_pages"}
    assert dag.get_task("write_pages").downstream_task_ids == {"record_notices"}
    assert dag.params["dry_run"] is True
    assert dag.max_active_runs == 1


# Parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        (NOTICES, {"category_ids": ["chairs"]}),
        (NOTICES, {"category_ids": []}),
        (NOTICES, {"run_id": ""}),
        (NOTICES, {"dry_run": "no"}),
        (APPEAL, {"category_id": 0}),
        (APPEAL, {"image_ids": ["a"]}),
        (APPEAL, {"image_ids": ["a", "a"]}),
        (APPEAL, {"image_ids": ["a", "b", "c"]}),
        (APPEAL, {"granted": "yes"}),
    ],
    ids=str,
)
def test_bad_parameter_is_refused_by_name(
    dags: dict[str, Any], dag_id: str, conf: dict[str, Any]
) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dags[dag_id].params)
    ((name, value),) = conf.items()
    with pytest.raises(ParamValidationError, match=name):
        params[name] = value


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "'category_ids' = None and 'run_id' = None; expected one of the two"),
        ({"category_ids": [7], "run_id": "r"}, r"'category_ids' = \[7\] and 'run_id' = 'r'"),
        ({"categories": [7]}, "'categories' is not known; expected category_ids, run_id, dry_run"),
    ],
    ids=["neither", "both", "unknown"],
)
def test_notices_are_asked_for_categories_or_a_run(
    airflow_database: None, params: dict[str, Any], says: str
) -> None:
    from image_duplication_airflow.notice_params import read_choices

    with pytest.raises(ConfigurationError, match=says):
        read_choices(params)


def test_category_ids_may_be_text_as_the_form_gives_them(dags: dict[str, Any]) -> None:
    from image_duplication_airflow.notice_params import read_choices

    params = copy.deepcopy(dags[NOTICES].params)
    params["category_ids"] = ["7", "12"]
    assert read_choices(params.dump()).category_ids == (7, 12)
    # A stated type of the items makes Airflow's form an editor that garbles what is typed.
    assert "type" not in params.get_param("category_ids").schema["items"]


ANSWER = {"category_id": 7, "variant_id": "1", "image_ids": ["b", "a"], "granted": False}


@pytest.mark.parametrize("name", ANSWER)
def test_appeal_without_an_answer_is_refused_by_name(airflow_database: None, name: str) -> None:
    from image_duplication_airflow.appeal_params import read_choices

    assert read_choices(ANSWER).is_granted is False
    with pytest.raises(ConfigurationError, match=f"'{name}' is empty; expected"):
        read_choices({key: value for key, value in ANSWER.items() if key != name})


def test_appeal_refuses_a_parameter_that_it_does_not_know(airflow_database: None) -> None:
    from image_duplication_airflow.appeal_params import read_choices

    with pytest.raises(ConfigurationError, match="'seller' is not known; expected category_id"):
        read_choices({**ANSWER, "seller": "s"})


# Runs -------------------------------------------------------------------------------------------


@pytest.fixture
def world(
    airflow_database: None,
    tmp_path: Path,
    settings: Settings,
    sqlite_database: SourceDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A published category where the DAGs look for it: variants 1 and 2 are short."""
    root = tmp_path / "data"
    monkeypatch.setenv("IMAGE_DUPLICATION__STORAGE__ROOT", str(root))
    with Store("image_duplication_store", f"sqlite:///{root}/store/store.db") as store:
        made = World(Storage(str(root)), settings, store, sqlite_database, sqlite_database.url)
        made.publish(
            [
                judged_variant("1", [["a", "b"], ["c"]]),
                judged_variant("2", [["a"]]),
                judged_variant("3", [["a"], ["b"], ["c"]]),
            ]
        )
        yield made


def files_of(world: World, run_id: str) -> dict[str, bytes]:
    folder = Path(world.storage.path(layout.notices_folder(run_id)))
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def sellers_of(world: World, run_id: str) -> list[dict[str, str]]:
    text = world.storage.read_bytes(layout.noticed_sellers(run_id)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_sellers_are_told_of_what_a_run_of_the_pipeline_found(
    airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fill_small_catalogue(tmp_path, [11, 12], variants=2)
    with running_image_server(tmp_path / "served") as server:
        point_at(monkeypatch, tmp_path, url, server.base_url)
        judged = run_dag()
    told = run(NOTICES, run_id=judged.run_id, dry_run=False)

    assert (judged.state, told.state) == ("success", "success")
    storage = Storage(str(tmp_path / "data"))
    text = storage.read_bytes(layout.seller_notice(told.run_id, "s-1", "csv")).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["variant_id"], row["photo"], row["missing"]) for row in rows] == [
        (variant_id, "3", "1") for variant_id in ("1100", "1101", "1200", "1201")
    ]
    assert {row["found_en"] for row in rows} == {
        "Photo 3 repeats photo 1: same file. Keep photo 1 and replace photo 3."
    }


def test_dry_run_writes_drafts_and_a_real_one_records(world: World) -> None:
    draft = run(NOTICES, category_ids=[7])
    assert draft.state == "success"
    assert read_open_notices(world.store, 7) == {}
    page = world.storage.read_bytes(layout.seller_notice(draft.run_id, "seller-1", "html"))
    assert b"Draft." in page

    # As publish() names its first run.
    real = run(NOTICES, run_id="run-0", dry_run=False)
    assert real.state == "success"
    assert read_open_notices(world.store, 7).keys() == {"1", "2"}
    assert [(row["seller_id"], row["variants"]) for row in sellers_of(world, real.run_id)] == [
        ("seller-1", "2")
    ]


def test_cleared_tasks_give_equal_files_and_tell_nobody_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from image_duplication_airflow import notice_runs

    told = run(NOTICES, category_ids=[7], dry_run=False)
    before, notices = files_of(world, told.run_id), read_open_notices(world.store, 7)
    # What a task that is cleared is given: the same run, later.
    params = {"category_ids": [7], "dry_run": False}
    context = {"run_id": told.run_id, "params": params}
    monkeypatch.setattr(notice_runs, "get_current_context", lambda: context)
    again = notice_runs.current_notice_run()
    notice_runs.list_short_variants(again)
    notice_runs.write_pages(again)
    recorded = notice_runs.record_notices(again)

    assert recorded == {"new": 0, "settled": 0, "withdrawn": 0}
    assert files_of(world, told.run_id) == before
    assert read_open_notices(world.store, 7) == notices


def test_category_that_cannot_be_read_fails_the_run_once_the_others_are_told(
    world: World,
) -> None:
    told = run(NOTICES, category_ids=[7, 8], dry_run=False)
    states = {instance.task_id: instance.state for instance in told.get_task_instances()}

    assert states == {
        "list_short_variants": "success",
        "write_pages": "success",
        "record_notices": "failed",
    }
    assert read_open_notices(world.store, 7).keys() == {"1", "2"}


def test_run_that_is_not_finished_is_refused(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.storage.delete(layout.run_summary("run-0", "json"))
    told = run(NOTICES, run_id="run-0")
    output = capfd.readouterr()

    assert told.state == "failed"
    assert "run 'run-0' is not finished" in output.out + output.err


def test_granted_appeal_is_recorded_by_its_user_and_takes_the_notice_back(world: World) -> None:
    run(NOTICES, category_ids=[7], dry_run=False)
    answer = {"category_id": 7, "variant_id": "1", "image_ids": ["b", "a"], "granted": True}
    assert run(APPEAL, **answer, note="two sides").state == "success"

    ((_, decision),) = read_current(world.store, 7).values()
    assert (decision.verdict, decision.origin, decision.decided_by, decision.note) == (
        DecisionVerdict.REJECTED,
        DecisionOrigin.APPEAL,
        "dag_test",  # the user of `dag.test()`
        "two sides",
    )
    assert read_open_notices(world.store, 7).keys() == {"2"}
