"""Small source databases that a test fills row by row, on SQLite or MariaDB alike."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from demo.catalogue import images_table, variants_table
from image_duplication.queries import Source

SQL_FOLDER = Path(__file__).parents[1] / "include" / "sql"
CONNECTION = "gem_staging"
UPDATED_AT = datetime(2024, 4, 1, 9, 30)  # noqa: DTZ001 - the tables keep UTC without a zone


class SourceDatabase:
    """A source database under test: `writer_url` fills it, `url` is what the pipeline is given."""

    def __init__(self, url: str, writer_url: str) -> None:
        self.url = url
        self._engine = sa.create_engine(writer_url, poolclass=NullPool)
        if self.is_sqlite:
            sa.event.listen(self._engine, "connect", _write_without_waiting)
        self._shape: str | None = None  # of the tables that are there, as far as is known
        self._position = 0
        self._waiting: list[tuple[str, dict[str, object]]] = []

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    def create_tables(self, column_types: dict[str, TypeEngine[Any]] | None = None) -> None:
        """Make the two tables as the demo has them; `column_types`, by column name, differ."""
        self._waiting = []
        self._position = 0
        shape = repr(column_types)
        found = sa.inspect(self._engine)
        if not all(found.has_table(table.name) for table in (variants_table, images_table)):
            self._shape = None
        deed = "DELETE FROM" if shape == self._shape else "DROP TABLE IF EXISTS"
        metadata = sa.MetaData()
        with self._engine.begin() as connection:
            for table in (variants_table, images_table):
                connection.execute(sa.text(f"{deed} {table.name}"))
                for column in table.to_metadata(metadata).columns:
                    column.type = (column_types or {}).get(column.name, column.type)
            if shape != self._shape:
                metadata.create_all(connection)
        self._shape = shape

    def execute(self, statement: str, **binds: object) -> None:
        self.fill()
        if statement.startswith(("ALTER", "DROP")):
            self._shape = None
        with self._engine.begin() as connection:
            connection.execute(sa.text(statement), binds)

    def fill(self) -> None:
        """Write the rows added so far, in one transaction."""
        with self._engine.begin() as connection:
            for table, row in self._waiting:
                # As text, so that any column takes any value that the database lets through.
                values = ", ".join(f":{name}" for name in row)
                statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"
                connection.execute(sa.text(statement), row)
        self._waiting = []

    def add_variant(self, variant_id: object, category_id: object = "7", **columns: object) -> None:
        """Add an active variant of the category 7 "Office chairs", unless told otherwise."""
        row = {
            "variant_id": variant_id,
            "category_id": category_id,
            "category_name": "Office chairs",
            "catalogue_id": f"c-{variant_id}",
            "seller_id": "s-1",
            "product_url": f"https://mkp.gem.gov.in/p-{variant_id}-cat.html",
            "is_active": 1,
            "updated_at": UPDATED_AT,
        }
        self._insert("inb_variants", row | columns)

    def add_image(self, variant_id: object, image_id: object, **columns: object) -> None:
        """Add an active image, after all the others, unless told otherwise."""
        self._position += 1
        row = {
            "image_id": image_id,
            "variant_id": variant_id,
            "position": self._position,
            "image_url": f"https://assets-bg.gem.gov.in/{image_id}-999x420x420.jpg",
            "is_active": 1,
            "updated_at": UPDATED_AT,
        }
        self._insert("inb_images", row | columns)

    def add_variants(self, count: int, images_each: int, category_id: object = "7") -> None:
        """Add variants numbered on from the category's hundred thousand, with images each."""
        first = int(str(category_id)) * 100_000
        for variant_id in range(first + 1, first + count + 1):
            self.add_variant(variant_id, category_id, category_name=f"Category {category_id}")
            for place in range(1, images_each + 1):
                self.add_image(variant_id, f"{variant_id}-{place}", position=place)

    def source(self, sql_folder: Path = SQL_FOLDER, *, fetch_rows: int = 2_000) -> Source:
        self.fill()
        return Source(CONNECTION, self.url, sql_folder, fetch_rows=fetch_rows)

    def _insert(self, table: str, row: dict[str, object]) -> None:
        self._waiting.append((table, row))


def _write_without_waiting(connection: Any, _record: object) -> None:
    # What a test writes need not outlive the machine.
    connection.execute("PRAGMA synchronous = OFF")
