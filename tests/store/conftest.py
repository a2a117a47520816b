"""A store on each database that is supported, empty for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from demo.mariadb import MariaDbServer
from image_duplication.store.database import Store


@pytest.fixture(params=["sqlite", "mysql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'store.db'}"
    server: MariaDbServer = request.getfixturevalue("mariadb")
    url = server.url("writer")
    drop_tables(url)
    return url


def drop_tables(url: str) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    metadata = sa.MetaData()
    with engine.begin() as connection:
        metadata.reflect(connection)
        metadata.drop_all(connection)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store("image_duplication_store", store_url) as opened:
        yield opened
