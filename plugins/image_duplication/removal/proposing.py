"""Writes down what a removal would do, and records it in the store as proposed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

import pyarrow as pa

from image_duplication import layout
from image_duplication.csv_files import write_csv
from image_duplication.errors import ConfigurationError
from image_duplication.records import RemovalKind, RemovalState
from image_duplication.removal.manifest import (
    SCHEMAS,
    CategoryProposal,
    Proposal,
    check_removal_id,
    hash_manifest,
    read_proposal,
)
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.removals import Removal, find_removal, record_proposal
from image_duplication.tables import TableWriter, read_rows

logger = logging.getLogger(__name__)

WriteManifest = Callable[[TableWriter], Iterable[CategoryProposal]]
"""Writes the rows of every category, and says for each what they are."""


def propose(
    storage: Storage,
    store: Store,
    write_manifest: WriteManifest,
    *,
    kind: RemovalKind,
    removal_id: str,
    proposed_by: str,
    max_share: float,
    now: datetime,
) -> Proposal:
    """Write a removal's manifest and record; one that is recorded in the store is kept as it is.

    `now` is in UTC, without a zone.
    """
    check_removal_id(removal_id)
    recorded = find_removal(store, removal_id)
    if recorded is not None:
        if recorded.kind is not kind:
            raise ConfigurationError(
                f"removal id {removal_id!r} is that of a removal of {recorded.kind}; expected "
                "another id"
            )
        logger.info("removal %s: keeping its manifest", removal_id)
        return read_proposal(storage, removal_id)
    with TableWriter(storage, layout.removal_manifest(removal_id), SCHEMAS[kind]) as manifest:
        categories = tuple(write_manifest(manifest))
    _write_listing(storage, removal_id, SCHEMAS[kind])
    proposal = Proposal(
        removal_id=removal_id,
        kind=kind,
        proposed_by=proposed_by,
        proposed_at=now,
        max_share=max_share,
        categories=categories,
        manifest_sha256=hash_manifest(storage, removal_id),
    )
    storage.write_json(layout.removal_record(removal_id), proposal.to_json())
    record_proposal(store, _as_removal(proposal))
    logger.info("removal %s: %d %s proposed", removal_id, proposal.rows, kind)
    return proposal


def _write_listing(storage: Storage, removal_id: str, schema: pa.Schema) -> None:
    """Write the manifest once more, as a file that its approver can open."""
    rows = read_rows(storage, layout.removal_manifest(removal_id), schema)
    key = layout.removal_listing(removal_id)
    write_csv(storage, key, schema.names, (list(row.values()) for row in rows))


def is_above(rows: int, active: int, max_share: float) -> bool:
    """Whether so many rows are more than the allowed share of a category."""
    return rows > round(max_share * active, 6)  # 0.29 of 100 are 28.999999999999996 to a computer


def _as_removal(proposal: Proposal) -> Removal:
    return Removal(
        removal_id=proposal.removal_id,
        kind=proposal.kind,
        state=RemovalState.PROPOSED,
        manifest_sha256=proposal.manifest_sha256,
        manifest_rows=proposal.rows,
        asked_confirmation=proposal.asked_confirmation,
        proposed_by=proposal.proposed_by,
        proposed_at=proposal.proposed_at,
    )
