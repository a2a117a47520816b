"""What the category's state knows of a unit's pictures, so that unchanged rows make no request."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from image_duplication import layout
from image_duplication.errors import SchemaError
from image_duplication.fetching.journal import OUTCOME_COLUMNS, identity_of
from image_duplication.plans import read_plan
from image_duplication.records import Status
from image_duplication.storage import Storage
from image_duplication.tables import CORRECTED, JUDGED, Row, read_rows, read_state_tables

logger = logging.getLogger(__name__)

_IDENTITY_COLUMNS = ("variant_id", "image_id", "corrected_url")
_OF_THE_PICTURE = ("content_sha256", "size_bytes", "width_px", "height_px", "picture_format")

# Not the status: a picture that was downloaded and could not be decoded is as known as any other.
_KNOWN_COLUMNS = tuple(name for name in OUTCOME_COLUMNS if name not in ("status", "reason_code"))
_STATE = pa.schema(
    [JUDGED.field(name) for name in (*_IDENTITY_COLUMNS, "updated_at", *_KNOWN_COLUMNS)]
)
_KEPT = pa.schema(
    [pa.field("identity", pa.int64()), *(_STATE.field(n) for n in ("updated_at", *_KNOWN_COLUMNS))]
)


class KnownPicture(NamedTuple):
    """A picture that an earlier run downloaded for the same variant, image and URL.

    `is_same_row`: the source says that nothing changed since. `is_young`: the host was asked less
    than `revalidate_days` ago.
    """

    outcome: Row
    is_same_row: bool
    is_young: bool

    @property
    def needs_no_request(self) -> bool:
        """Whether it may be taken as it is, if its bytes are still in storage."""
        return self.is_same_row and self.is_young


class EarlierOutcomes:
    """The downloads of earlier runs, held by column: about 200 bytes a row of the unit."""

    def __init__(self, tables: Iterable[pa.Table], young_since: datetime | None) -> None:
        self._table = pa.concat_tables([_KEPT.empty_table(), *tables])
        self._young_since = young_since  # None: no outcome is young enough
        self.young = 0
        if young_since is not None:
            self.young = pc.sum(pc.greater(self._table["fetched_at"], young_since)).as_py() or 0

    def find(self, rows: Mapping[int, Row]) -> dict[int, KnownPicture]:
        """What is known of those of the rows, by identity, of which anything is."""
        if not self._table.num_rows or not rows:
            return {}
        asked = pa.array(rows, pa.int64())
        found = self._table.filter(pc.is_in(self._table["identity"], value_set=asked))
        return {
            known["identity"]: self._known(known, rows[known["identity"]])
            for known in found.to_pylist()
        }

    def _known(self, known: Row, row: Row) -> KnownPicture:
        fetched_at = known["fetched_at"]
        is_young = (
            self._young_since is not None
            and fetched_at is not None
            and fetched_at > self._young_since
        )
        outcome = {
            "status": str(Status.DOWNLOADED),
            "reason_code": None,
            **{name: known[name] for name in _KNOWN_COLUMNS},
        }
        return KnownPicture(outcome, known["updated_at"] == row["updated_at"], is_young)


def read_earlier_outcomes(
    storage: Storage, *, run_id: str, urls_key: str, revalidate_days: int
) -> EarlierOutcomes:
    """What the state of the unit's category has of the unit's variants; see EarlierOutcomes.

    Ages are counted back from the time at which the run was planned, so that a cleared task finds
    the same. A state that cannot be read is left out: then everything is fetched.
    """
    wanted = [
        row
        for row in read_rows(storage, urls_key, CORRECTED, ("category_id", "variant_id", "status"))
        if row["status"] == Status.CORRECTED
    ]
    state_key = layout.current("images", wanted[0]["category_id"]) if wanted else None
    if state_key is None or not storage.exists(state_key):
        return EarlierOutcomes([], None)
    young_since = None
    if revalidate_days:
        young_since = read_plan(storage, run_id).planned_at - timedelta(days=revalidate_days)
    variant_ids = pa.array({row["variant_id"] for row in wanted}, pa.string())
    try:
        return EarlierOutcomes(_read_known(storage, state_key, variant_ids), young_since)
    except SchemaError as error:
        logger.warning("earlier outcomes left out: %s", error)
        return EarlierOutcomes([], None)


def _read_known(storage: Storage, state_key: str, variant_ids: pa.Array) -> Iterator[pa.Table]:
    for table in read_state_tables(storage, state_key, _STATE, variant_ids):
        is_known = pc.is_valid(table["corrected_url"])
        for name in ("image_id", *_OF_THE_PICTURE):
            is_known = pc.and_(is_known, pc.is_valid(table[name]))
        known = table.filter(is_known)
        identities = [identity_of(row) for row in known.select(_IDENTITY_COLUMNS).to_pylist()]
        yield known.select(_KEPT.names[1:]).add_column(
            0, _KEPT.field("identity"), pa.array(identities, pa.int64())
        )
