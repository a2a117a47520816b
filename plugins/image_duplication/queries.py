"""Reads the catalogue database: the statements of `include/sql/`, bound, streamed and checked.

The same files serve MySQL, MariaDB and SQLite; values are always bound.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from image_duplication.database_urls import parse_url
from image_duplication.errors import (
    ConfigurationError,
    ImageDuplicationError,
    SourceContractError,
    SourceError,
)

logger = logging.getLogger(__name__)

# https://mariadb.com/kb/en/mariadb-error-codes/ and the same numbers in MySQL
_WRONG_CONNECTION = {1044, 1045, 1049, 1130, 1142, 1143, 1698, 2026, 2059}
_WRONG_CONTRACT = {1052, 1054, 1055, 1064, 1109, 1146, 1305, 1370}
_SQLITE_CONTRACT = re.compile(
    r"no such (table|column|function)|syntax error|incomplete input|ambiguous column"
)
_SQLITE_CONNECTION = re.compile(r"unable to open database file|file is not a database")


class Source:
    """The catalogue database behind one connection. Use as a context manager.

    `name` is what errors call the connection; `url` is an SQLAlchemy URL and never logged.
    """

    def __init__(self, name: str, url: str, sql_folder: Path, *, fetch_rows: int) -> None:
        self._name = name
        self._url = url
        self._sql_folder = sql_folder
        self._fetch_rows = fetch_rows

    def __enter__(self) -> Self:
        """Read the address; the first statement connects."""
        try:
            self._engine = self._make_engine()
        except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
            raise ConfigurationError(
                f"connection {self._name!r} is not a usable database address: {error}"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _make_engine(self) -> sa.Engine:
        url = parse_url(self._name, self._url)
        if url.get_backend_name() == "sqlite":
            if url.database and url.database != ":memory:" and not Path(url.database).is_file():
                raise ConfigurationError(
                    f"connection {self._name!r}: there is no SQLite file {url.database!r}"
                )
            engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
            sa.event.listen(engine, "connect", _read_sqlite_text_leniently)
            return engine
        return sa.create_engine(url, pool_pre_ping=True)

    def rows(
        self, statement: str, columns: tuple[str, ...], binds: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The result of `include/sql/<statement>.sql`, streamed, each row by column name.

        Raises SourceContractError when a declared column is not in the result.
        """
        text = sa.text(self._read(statement))
        expanding = [name for name, value in (binds or {}).items() if isinstance(value, list)]
        text = text.bindparams(*(sa.bindparam(name, expanding=True) for name in expanding))
        with self._explained(statement), self._engine.connect() as connection:
            streaming = connection.execution_options(
                stream_results=True, yield_per=self._fetch_rows
            )
            result = streaming.execute(text, binds or {})
            try:
                found = set(result.keys())
                missing = [name for name in columns if name not in found]
                if missing:
                    raise SourceContractError(
                        f"statement {statement!r} on connection {self._name!r} gives no column "
                        f"{missing[0]!r}; expected {', '.join(columns)}"
                    )
                for row in result.mappings():
                    yield dict(row)
            except BaseException:
                # The server is still sending: nothing else can be asked on this connection.
                connection.invalidate()
                raise

    def _read(self, statement: str) -> str:
        path = self._sql_folder / f"{statement}.sql"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"SQL file {str(path)!r} cannot be read: {error}") from error

    @contextlib.contextmanager
    def _explained(self, deed: str) -> Iterator[None]:
        """Turn what the driver raises into this project's errors, naming the connection."""
        try:
            yield
        except ImageDuplicationError:
            raise
        except DBAPIError as error:
            raise self._classify(error, deed) from error
        except (SQLAlchemyError, TypeError) as error:
            # A driver refuses an unknown connect argument, e.g. from the connection's extras,
            # with a TypeError.
            raise ConfigurationError(
                f"connection {self._name!r} cannot be used ({deed}): {error}"
            ) from error

    def _classify(self, error: DBAPIError, deed: str) -> ImageDuplicationError:
        reason = str(error.orig)
        details = error.orig.args if error.orig else ()
        code = next((part for part in details if isinstance(part, int)), None)
        what = f"connection {self._name!r} ({deed}): {reason}"
        if code in _WRONG_CONTRACT or _SQLITE_CONTRACT.search(reason):
            return SourceContractError(f"{what}; see include/sql for what is expected")
        if code in _WRONG_CONNECTION or _SQLITE_CONNECTION.search(reason):
            return ConfigurationError(what)
        if isinstance(error.orig, TypeError):
            return ConfigurationError(what)
        return SourceError(what)


def _read_sqlite_text_leniently(connection: Any, _record: object) -> None:
    """Hand out text that is not UTF-8 as bytes, so that one bad row cannot stop a category."""

    def decode(raw: bytes) -> str | bytes:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw

    connection.text_factory = decode
