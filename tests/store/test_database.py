"""The store's tables, from the first version on, on SQLite and MariaDB."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from demo.mariadb import MariaDbServer
from image_duplication.errors import ConfigurationError, StoreError
from image_duplication.store.database import Store
from image_duplication.store.schema import LEASES, METADATA
from tests.store.conftest import drop_tables

NAME = "image_duplication_store"


def reflect(url: str) -> sa.MetaData:
    metadata = sa.MetaData()
    metadata.reflect(sa.create_engine(url, poolclass=NullPool))
    return metadata


def test_migrations_make_the_tables_that_the_code_uses(store: Store, store_url: str) -> None:
    found = reflect(store_url)

    for table in METADATA.sorted_tables:
        columns = found.tables[table.name].columns
        assert {(c.name, c.nullable) for c in columns} == {
            (c.name, c.nullable) for c in table.columns
        }
        assert [c.name for c in found.tables[table.name].primary_key] == [
            c.name for c in table.primary_key
        ]
    assert found.tables.keys() == {*METADATA.tables, "image_duplication_version"}


def test_rows_outlive_the_store_that_wrote_them(store: Store, store_url: str) -> None:
    with store.transaction() as connection:
        connection.execute(
            LEASES.insert().values(category_id=1, owner="x", expires_at=sa.func.now())
        )

    with Store(NAME, store_url) as again, again.transaction() as connection:
        assert connection.scalar(sa.select(LEASES.c.owner)) == "x"


def test_failed_transaction_leaves_nothing(store: Store) -> None:
    def write_and_fail() -> None:
        with store.transaction() as connection:
            connection.execute(
                LEASES.insert().values(category_id=1, owner="x", expires_at=sa.func.now())
            )
            raise KeyError("the work around it failed")

    with pytest.raises(KeyError):
        write_and_fail()
    with store.transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(LEASES)) == 0


def _open(url: str) -> None:
    with Store(NAME, url):
        pass


def test_processes_that_open_a_new_store_at_once_all_succeed(store_url: str) -> None:
    spawning = multiprocessing.get_context("spawn")
    openers = [spawning.Process(target=_open, args=(store_url,)) for _ in range(4)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join(60)

    assert [opener.exitcode for opener in openers] == [0, 0, 0, 0]
    assert "leases" in reflect(store_url).tables


def test_lock_is_held_until_others_can_see_the_new_version(
    mariadb: MariaDbServer, request: pytest.FixtureRequest
) -> None:
    url = mariadb.url("writer")
    drop_tables(url)
    watcher = sa.create_engine(url, poolclass=NullPool)
    seen: list[str | None] = []

    def version() -> str | None:
        with watcher.connect() as connection:
            found: str | None = connection.scalar(
                sa.text("SELECT version_num FROM image_duplication_version")
            )
        return found

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "RELEASE_LOCK" in statement:
            seen.append(version())

    sa.event.listen(sa.Engine, "before_cursor_execute", look)
    request.addfinalizer(lambda: sa.event.remove(sa.Engine, "before_cursor_execute", look))
    _open(url)

    assert seen == [version()]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://somebody@127.0.0.1/db", "postgresql"),
        ("mysql:/somebody", "expected mysql://"),
    ],
    ids=["another database", "no address"],
)
def test_address_that_cannot_be_used_is_refused(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=NAME) as refused, Store(NAME, url):
        pass

    assert says in str(refused.value)


def test_password_is_not_in_the_error_of_a_bad_address() -> None:
    with pytest.raises(ConfigurationError) as refused, Store(NAME, "mysql://a:se@cret@[host/db"):
        pass

    assert "cret" not in str(refused.value)


def test_database_out_of_reach_is_worth_a_retry(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=NAME), Store(NAME, "mysql://a:b@127.0.0.1:1/db"):
        pass
