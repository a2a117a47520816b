"""What a removal acts on: its manifest, and the record of what was proposed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from image_duplication import layout
from image_duplication.errors import ConfigurationError, RemovalRefusedError, SchemaError
from image_duplication.records import RemovalKind
from image_duplication.storage import Storage
from image_duplication.tables import REMOVED_IMAGES, REMOVED_VARIANTS

SCHEMAS: Mapping[RemovalKind, pa.Schema] = {
    RemovalKind.IMAGES: REMOVED_IMAGES,
    RemovalKind.VARIANTS: REMOVED_VARIANTS,
}

_REMOVAL_ID = re.compile(r"[0-9a-f]{32}")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class CategoryProposal:
    """What is proposed for one category.

    `rows` are those of the manifest, of `active` images (or variants) in all; `excluded` says why
    further ones are not proposed, in counts.
    """

    category_id: int
    category_name: str
    rows: int
    active: int
    needs_confirmation: bool
    variants: int
    short_variants: int
    excluded: dict[str, int]

    @property
    def share(self) -> float:
        """Of the category's active images (or variants)."""
        return self.rows / self.active if self.active else 0.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a removal would deactivate, in counts; the rows are in its manifest.

    `asked_confirmation` are the words that the approver must type, if any.
    """

    removal_id: str
    kind: RemovalKind
    proposed_by: str
    proposed_at: datetime
    max_share: float
    categories: tuple[CategoryProposal, ...]
    manifest_sha256: str

    @property
    def rows(self) -> int:
        """Rows of the manifest."""
        return sum(category.rows for category in self.categories)

    @property
    def asked_confirmation(self) -> str | None:
        """The words to be typed for the categories above the allowed share: `remove 25 of 120`."""
        above = [category for category in self.categories if category.needs_confirmation]
        if not above:
            return None
        return f"remove {sum(c.rows for c in above)} of {sum(c.active for c in above)}"

    def to_json(self) -> dict[str, Any]:
        """The proposal as plain JSON values."""
        return {
            **asdict(self),
            "proposed_at": self.proposed_at.isoformat(),
            "rows": self.rows,
            "asked_confirmation": self.asked_confirmation,
            "categories": [{**asdict(c), "share": c.share} for c in self.categories],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Proposal:
        """The proposal that `to_json` gave."""
        derived = {"rows", "asked_confirmation"}
        return cls(
            **{
                **{name: value for name, value in record.items() if name not in derived},
                "kind": RemovalKind(record["kind"]),
                "proposed_at": datetime.fromisoformat(record["proposed_at"]),
                "categories": tuple(
                    CategoryProposal(**{n: v for n, v in c.items() if n != "share"})
                    for c in record["categories"]
                ),
            }
        )


def read_proposal(storage: Storage, removal_id: str) -> Proposal:
    """What was proposed. Raises MissingArtefactError when there is no such removal."""
    key = layout.removal_record(removal_id)
    record = storage.read_json(key)
    try:
        return Proposal.from_json(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SchemaError(f"{key}: no record of a removal: {error}") from error


def hash_manifest(storage: Storage, removal_id: str) -> str:
    """SHA-256 of the manifest's file, in hex."""
    digest = hashlib.sha256()
    with storage.reading(layout.removal_manifest(removal_id)) as source:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def check_manifest(storage: Storage, removal_id: str, approved_sha256: str) -> None:
    """Raise RemovalRefusedError when the manifest is not the one that was proposed."""
    found = hash_manifest(storage, removal_id)
    if found != approved_sha256:
        raise RemovalRefusedError(
            f"the manifest of removal {removal_id} is not what was proposed: its SHA-256 is "
            f"{found}, expected {approved_sha256}; propose again"
        )


def check_removal_id(removal_id: str) -> None:
    """Raise ConfigurationError unless it is 32 hexadecimal digits, as of a UUID."""
    if not _REMOVAL_ID.fullmatch(removal_id):
        raise ConfigurationError(
            f"removal id {removal_id!r} cannot be used; expected 32 hexadecimal digits"
        )
