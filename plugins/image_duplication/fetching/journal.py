"""What earlier tries of a unit's download have settled, kept in storage for the next try."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from image_duplication import layout
from image_duplication.errors import SchemaError
from image_duplication.storage import Storage
from image_duplication.tables import (
    CORRECTED,
    DOWNLOADED,
    Row,
    read_row_groups,
    to_table,
    write_rows,
)

logger = logging.getLogger(__name__)

_FLUSH_ROWS = 256
_FLUSH_S = 2.0

OUTCOME_COLUMNS = (
    "status",
    "reason_code",
    *(name for name in DOWNLOADED.names if name not in CORRECTED.names),
)
"""What a download says of a row."""

_SETTLED = pa.schema(
    [("identity", pa.int64()), *((name, DOWNLOADED.field(name).type) for name in OUTCOME_COLUMNS)]
)


def identity_of(row: Mapping[str, Any]) -> int:
    """64 bits that tell a unit's pictures apart: by variant, image and URL."""
    text = "\0".join((row["variant_id"], row["image_id"], row["corrected_url"]))
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


class Journal:
    """Small files, numbered from 0 without a gap, each whole or absent."""

    def __init__(self, storage: Storage, run_id: str, unit_id: str) -> None:
        self._storage = storage
        self._run_id = run_id
        self._unit_id = unit_id
        self._waiting: list[Row] = []
        self._flushed_at = time.monotonic()
        self._files = 0
        while storage.exists(self._key(self._files)):
            self._files += 1

    def _key(self, number: int) -> str:
        name = f"download-journal/{number:06d}.parquet"
        return layout.unit_file(self._run_id, self._unit_id, name)

    def read(self) -> Iterator[list[Row]]:
        """What the files say, oldest first; one that cannot be read is left out."""
        for number in range(self._files):
            try:
                yield from read_row_groups(self._storage, self._key(number), _SETTLED)
            except SchemaError as error:
                logger.warning("journal file left out: %s", error)

    def add(self, identity: int, outcome: Mapping[str, Any]) -> None:
        """Keep the outcome of a row; it is in storage after 256 rows or 2 s, by `flush_if_due`."""
        self._waiting.append({"identity": identity, **outcome})
        if len(self._waiting) >= _FLUSH_ROWS:
            self.flush()

    def flush_if_due(self) -> None:
        """Write what has waited for 2 s."""
        if self._waiting and time.monotonic() - self._flushed_at >= _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            write_rows(self._storage, self._key(self._files), _SETTLED, self._waiting)
            self._files += 1
            self._waiting = []
        self._flushed_at = time.monotonic()

    def delete(self) -> None:
        """Remove the files, last one first, so that no gap ever hides one."""
        self._waiting = []
        while self._files:
            self._files -= 1
            self._storage.delete(self._key(self._files))


class Settled:
    """Earlier outcomes, held by column: about 200 bytes a row."""

    def __init__(self, groups: Iterable[list[Row]]) -> None:
        tables = [to_table(rows, _SETTLED, "earlier outcomes") for rows in groups]
        self._table = pa.concat_tables([_SETTLED.empty_table(), *tables])

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def find(self, identities: Iterable[int]) -> dict[int, Row]:
        """The latest outcome of each of these that has one."""
        if not len(self):
            return {}
        asked = pa.array(identities, pa.int64())
        found = self._table.filter(pc.is_in(self._table["identity"], value_set=asked))
        return {row.pop("identity"): row for row in found.to_pylist()}


def read_settled(storage: Storage, handoff_key: str) -> Settled:
    """The outcomes in a finished `downloads.parquet`; none when there is no such file."""
    if not storage.exists(handoff_key):
        return Settled([])
    return Settled(
        [
            {"identity": identity_of(row), **{name: row[name] for name in OUTCOME_COLUMNS}}
            for row in rows
            if row["corrected_url"] is not None
        ]
        for rows in read_row_groups(storage, handoff_key, DOWNLOADED)
    )
