"""What the tests of the domain share: a storage root, settings, and source databases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.catalogue import Catalogue, build_catalogue
from demo.mariadb import MariaDbServer, private_mariadb
from demo.object_storage import BUCKET, ObjectStorageServer, private_object_storage
from image_duplication.settings import INCLUDE_VARIABLE, Settings, load_settings
from image_duplication.storage import Storage
from tests.catalogues import SourceDatabase


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDbServer]:
    """A private MariaDB server; where none is installed, its error says what to install."""
    with private_mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Where the demo's drawn pictures are kept while the tests run; all test processes share it."""
    if worker_id == "master":  # the only process
        return tmp_path_factory.mktemp("demo-cache")
    folder = tmp_path_factory.getbasetemp().parent / "demo-cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Catalogue:
    """The demo catalogue, drawn and built once for all tests."""
    return build_catalogue(tmp_path_factory.mktemp("demo-catalogue"), 7, cache_folder=cache_folder)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "root"))


@pytest.fixture(scope="session")
def object_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorageServer]:
    """A private object storage server that speaks S3."""
    with private_object_storage(tmp_path_factory.mktemp("object-storage")) as server:
        yield server


@pytest.fixture
def object_root(
    object_storage: ObjectStorageServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """The URL of an empty storage root in object storage, which the environment leads to."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in object_storage.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.parent.name}-{tmp_path.name}"


@pytest.fixture(params=["local", "object"])
def any_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A storage root of each sort."""
    is_local = request.param == "local"
    return Storage(str(tmp_path / "root") if is_local else request.getfixturevalue("object_root"))


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any setting of the machine that the tests run on."""
    for name in list(os.environ):
        if name.startswith("IMAGE_DUPLICATION__") or name == INCLUDE_VARIABLE:
            monkeypatch.delenv(name)


@pytest.fixture
def settings(plain_environment: None) -> Settings:
    return load_settings()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> SourceDatabase:
    url = f"sqlite:///{tmp_path / 'source.db'}"
    database = SourceDatabase(url, url)
    database.create_tables()
    return database


@pytest.fixture(scope="session")
def _mysql_database(mariadb: MariaDbServer) -> SourceDatabase:
    return SourceDatabase(mariadb.url("reader"), mariadb.url("writer"))


@pytest.fixture
def mysql_database(_mysql_database: SourceDatabase) -> SourceDatabase:
    _mysql_database.create_tables()
    return _mysql_database


@pytest.fixture(params=["sqlite", "mysql"])
def database(request: pytest.FixtureRequest) -> SourceDatabase:
    """A source database with empty tables, on each database that is supported."""
    filled: SourceDatabase = request.getfixturevalue(f"{request.param}_database")
    return filled
