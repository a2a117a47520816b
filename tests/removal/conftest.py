"""Worlds for removals: source and store on each database that is supported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mariadb import MariaDbServer
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from tests.catalogues import SourceDatabase
from tests.removal.worlds import World
from tests.store.conftest import drop_tables

_STORE = "image_duplication_store"


@pytest.fixture
def sqlite_world(
    storage: Storage, settings: Settings, sqlite_database: SourceDatabase, tmp_path: Path
) -> Iterator[World]:
    with Store(_STORE, f"sqlite:///{tmp_path / 'store' / 'store.db'}") as store:
        yield World(storage, settings, store, sqlite_database, sqlite_database.url)


@pytest.fixture
def mysql_world(
    storage: Storage, settings: Settings, mariadb: MariaDbServer, request: pytest.FixtureRequest
) -> Iterator[World]:
    url = mariadb.url("writer")
    drop_tables(url)  # of the store and the source: both are in the one database of the server
    database: SourceDatabase = request.getfixturevalue("mysql_database")
    with Store(_STORE, url) as store:
        yield World(storage, settings, store, database, url)


@pytest.fixture(params=["sqlite", "mysql"])
def world(request: pytest.FixtureRequest) -> World:
    """A world whose source and store are empty."""
    made: World = request.getfixturevalue(f"{request.param}_world")
    return made
