"""A run's rows by seller, however many there are: sorted on disk, a seller at a time in order."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from image_duplication.tables import Row

# SQLite sorts what does not fit its cache on disk; nothing of it outlives the block.
_TABLE = "CREATE TABLE noticed (seller_id TEXT, content TEXT)"
_INSERT = "INSERT INTO noticed VALUES (?, ?)"
_BY_SELLER = "SELECT seller_id, content FROM noticed ORDER BY seller_id, rowid"


@contextlib.contextmanager
def grouped_by_seller(rows: Iterable[Row]) -> Iterator[Iterator[tuple[str | None, Iterator[Row]]]]:
    """The rows of `tables.NOTICED_VARIANTS` of each seller, first those without one.

    A seller's own stay in the order in which they came; one seller has to be read before the next.
    """
    with tempfile.TemporaryDirectory(prefix="notices-") as folder:
        path = Path(folder) / "sorted.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.execute(_TABLE)
            database.executemany(_INSERT, ((row["seller_id"], json.dumps(row)) for row in rows))
            found = database.execute(_BY_SELLER)
            groups = itertools.groupby(found, key=lambda one: one[0])
            yield ((seller, (json.loads(one[1]) for one in mine)) for seller, mine in groups)
