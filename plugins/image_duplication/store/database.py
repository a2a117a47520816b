"""One store: an SQLite file by default, a MySQL or MariaDB database in production."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from image_duplication.database_urls import parse_url
from image_duplication.errors import ConfigurationError, StoreError

logger = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "image_duplication_version"
_WAIT_S = 30
_LOCK = "image_duplication_store"


class Store:
    """Decisions, leases and records behind one connection. Use as a context manager.

    `name` is what errors call it; `url` is an SQLAlchemy URL and never logged.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url

    def __enter__(self) -> Self:
        """Connect, and bring the tables to the code's version."""
        try:
            self._engine = _make_engine(parse_url(self.name, self._url))
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise ConfigurationError(
                f"connection {self.name!r} is not a usable database address: {error}"
            ) from error
        with self._explained():
            self._upgrade()
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A connection whose changes are kept together when the block ends, or not at all.

        Raises StoreError where the database is out of reach.
        """
        with self._explained(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreError(f"connection {self.name!r}: {error.orig}") from error
        except SQLAlchemyError as error:
            raise StoreError(f"connection {self.name!r}: {error}") from error

    def _upgrade(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        newest = ScriptDirectory.from_config(config).get_current_head()
        with self._engine.connect() as connection:
            if _find_version(connection) == newest:
                return
        with self._locked() as connection:
            found = _find_version(connection)
            if found == newest:  # another process was faster
                return
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except Exception as error:
                raise ConfigurationError(
                    f"connection {self.name!r}: the tables cannot be brought from version {found} "
                    f"to {newest}: {error}"
                ) from error
        logger.info("connection %r: tables brought to version %s", self.name, newest)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[sa.Connection]:
        """A transaction of one process at a time."""
        with self._engine.connect() as connection:
            # SQLite's own begin locks the file.
            is_shared = connection.dialect.name != "sqlite"
            if is_shared:
                wait = sa.text("SELECT GET_LOCK(:name, :wait_s)")
                if connection.scalar(wait, {"name": _LOCK, "wait_s": _WAIT_S}) != 1:
                    raise StoreError(
                        f"connection {self.name!r}: another process has been changing the tables "
                        f"for {_WAIT_S} s"
                    )
            try:
                yield connection
                connection.commit()  # before the lock goes: the next one must find the new version
            finally:
                if is_shared:
                    connection.execute(sa.text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK})


def _make_engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args={"timeout": _WAIT_S})
    sa.event.listen(engine, "connect", _leave_transactions_to_us)
    sa.event.listen(engine, "begin", _begin_for_writing)
    return engine


def _find_version(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": _VERSION_TABLE})
    return context.get_current_revision()


def _leave_transactions_to_us(connection: object, _record: object) -> None:
    """Python's own handling would begin late, and let two writers read before either writes."""
    connection.isolation_level = None  # type: ignore[attr-defined]


def _begin_for_writing(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
