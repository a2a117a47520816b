"""Changes the catalogue database: the statements of `include/sql/removal/`, in transactions.

Its connection is another than the one that the pipeline reads with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from image_duplication.errors import SourceContractError
from image_duplication.queries import Source

_FOLDER = "removal"


class Writer(Source):
    """The catalogue database behind a connection that may write. Use as a context manager."""

    def __init__(self, name: str, url: str, sql_folder: Path, *, fetch_rows: int = 2_000) -> None:
        super().__init__(name, url, sql_folder, fetch_rows=fetch_rows)

    def _make_engine(self) -> sa.Engine:
        engine = super()._make_engine()
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _leave_transactions_to_us)
            sa.event.listen(engine, "begin", _begin)
        return engine

    @contextlib.contextmanager
    def transaction(self, *, is_dry: bool = False) -> Iterator[WriterTransaction]:
        """A transaction that is kept when the block ends, and taken back when it raises.

        A dry one locks nothing and is taken back in any case.
        """
        with self._explained("connect"):
            connection = self._engine.connect()
        # Closing takes back what was not committed.
        with contextlib.closing(connection.execution_options(is_dry=is_dry)):
            yield WriterTransaction(self, connection, is_dry=is_dry)
            if not is_dry:
                with self._explained("commit"):
                    connection.commit()

    def execute(
        self,
        connection: sa.Connection,
        statement: str,
        binds: dict[str, list[str]],
        *,
        is_locking: bool = False,
    ) -> sa.CursorResult[Any]:
        """Execute `include/sql/removal/<statement>.sql`; lists expand. For WriterTransaction."""
        sql = self._read(f"{_FOLDER}/{statement}")
        if is_locking and connection.dialect.name != "sqlite":  # SQLite locks the whole file
            sql = f"{sql.rstrip()}\nFOR UPDATE"
        text = sa.text(sql).bindparams(*(sa.bindparam(name, expanding=True) for name in binds))
        with self._explained(statement):
            return connection.execute(text, binds)

    def fetch(self, found: sa.CursorResult[Any], statement: str) -> list[dict[str, Any]]:
        """All rows of a result, by column name. For WriterTransaction."""
        with self._explained(statement):
            return [dict(row) for row in found.mappings()]

    def contract_error(self, statement: str, reason: str) -> SourceContractError:
        """The error for a statement that does not do what its header says."""
        return SourceContractError(
            f"statement {_FOLDER + '/' + statement!r} on connection {self._name!r} {reason}; see "
            "its header in include/sql"
        )


class WriterTransaction:
    """One transaction in the catalogue database."""

    def __init__(self, writer: Writer, connection: sa.Connection, *, is_dry: bool) -> None:
        self._writer = writer
        self._connection = connection
        self._is_dry = is_dry

    def read_rows(
        self, statement: str, columns: tuple[str, ...], variant_ids: Sequence[str]
    ) -> list[dict[str, Any]]:
        """The rows of some variants, locked until the end of the transaction.

        Raises SourceContractError when a declared column is not in the result.
        """
        if not variant_ids:
            return []
        binds = {"variant_ids": list(variant_ids)}
        found = self._writer.execute(
            self._connection, statement, binds, is_locking=not self._is_dry
        )
        missing = sorted(set(columns) - set(found.keys()))
        if missing:
            raise self._writer.contract_error(statement, f"gives no column {missing[0]!r}")
        return self._writer.fetch(found, statement)

    def change_rows(self, statement: str, row_keys: Sequence[str]) -> None:
        """Change exactly the rows of these keys; a dry transaction changes none.

        Raises SourceContractError, before anything is kept, when it changed another number.
        """
        if self._is_dry or not row_keys:
            return
        binds = {"row_keys": list(row_keys)}
        changed = self._writer.execute(self._connection, statement, binds).rowcount
        if changed != len(row_keys):
            raise self._writer.contract_error(
                statement, f"changed {changed} rows, expected {len(row_keys)}: nothing is kept"
            )


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    # Python's own handling would begin with the first change, after the rows were checked.
    is_dry = connection.get_execution_options().get("is_dry", True)
    connection.exec_driver_sql("BEGIN" if is_dry else "BEGIN IMMEDIATE")
