"""One Airflow for the tests: its own home and database, in this process.

Airflow reads its environment when it is first imported, so no test module imports it at its top.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from demo.airflow_home import DAG_ID, PROJECT, make_airflow_home
from demo.catalogue import Catalogue, fill_database
from demo.run import FETCHING
from image_duplication.settings import load_settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from tests.catalogues import SourceDatabase
from tests.judged_rows import judged_variant
from tests.removal.worlds import World


@pytest.fixture(scope="session")
def airflow_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Airflow, imported with a home of its own and a new database."""
    folder = tmp_path_factory.mktemp("airflow")
    home = make_airflow_home(
        folder,
        folder / "data",
        source_uri="sqlite:////nowhere",
        image_base="http://127.0.0.1:1",
        extra={},
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in home.environment.items():
            patch.setenv(name, value)
        from airflow.utils.db import initdb

        initdb()
        yield


def parse_dag(dag_id: str = DAG_ID) -> Any:
    """A DAG, parsed anew; its parameters are its own, as `dag.test()` leaves values on them."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(PROJECT / "dags"))
    assert bag.import_errors == {}
    dag = bag.dags[dag_id]
    dag.params = copy.deepcopy(dag.params)
    return dag


@pytest.fixture
def dag(airflow_database: None) -> Any:
    """The DAG image_duplication, as Airflow parses it."""
    return parse_dag()


def run_dag(**run_conf: Any) -> Any:
    """One DAG run in this process, to its end; the run."""
    return parse_dag().test(run_conf=run_conf)


def point_at(patch: pytest.MonkeyPatch, root: Path, source_uri: str, image_base: str) -> None:
    """Set what a run reads from the environment when it starts."""
    home = make_airflow_home(
        root / "airflow",
        root / "data",
        source_uri=source_uri,
        image_base=image_base,
        extra=FETCHING,
    )
    for name, value in home.environment.items():
        if name.startswith(("AIRFLOW_CONN", "IMAGE_DUPLICATION")):
            patch.setenv(name, value)


def fill_sqlite(path: Path, catalogue: Catalogue) -> str:
    """The catalogue in a new SQLite file; its Airflow connection URI."""
    engine = sa.create_engine(f"sqlite:///{path}")
    fill_database(engine, catalogue)
    engine.dispose()
    return f"sqlite:///{path}"


@pytest.fixture
def world(
    airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Category 7 with one variant of two findings, published where the DAGs look."""
    url = f"sqlite:///{tmp_path / 'source.db'}"
    database = SourceDatabase(url, url)
    database.create_tables()
    point_at(monkeypatch, tmp_path, url, "http://127.0.0.1:1")
    monkeypatch.setenv("AIRFLOW_CONN_GEM_STAGING_WRITER", url)
    monkeypatch.setenv("IMAGE_DUPLICATION__REMOVAL__ASK_HOSTS", "false")
    with Store("image_duplication_store", f"sqlite:///{tmp_path}/data/store/store.db") as store:
        made = World(Storage(str(tmp_path / "data")), load_settings(), store, database, url)
        made.start(judged_variant("1", [["a", "b"], ["c", "d"]]))
        yield made
