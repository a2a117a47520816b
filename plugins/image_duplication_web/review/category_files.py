"""What a category's current files say, as the pages need it: read once, kept while they are."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from image_duplication import layout
from image_duplication.errors import MissingArtefactError, SchemaError
from image_duplication.evidence_rows import EVIDENCE
from image_duplication.pictures import archived_key
from image_duplication.records import Kind, Relation
from image_duplication.storage import Storage, StoredFile
from image_duplication.store.decisions import Pair
from image_duplication.tables import (
    FINDINGS,
    JUDGED,
    VERDICTS,
    Row,
    read_state_rows,
    read_state_tables,
)

_MOST_ROWS = 400_000
"""Findings, verdicts and pictures that are kept in memory, of all categories; about 1 kB each."""
_TRUSTED_S = 2.0
"""A category's files are not looked at again for so long, but for decisions."""

_SUBJECTS = ("findings", "verdicts", "images")


def _columns(schema: pa.Schema, *names: str) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names])


_VERDICT_COLUMNS = _columns(
    VERDICTS,
    "category_name",
    "variant_id",
    "catalogue_id",
    "seller_id",
    "product_url",
    "verdict",
    "reason",
    "required",
    "images",
    "distinct_usable",
    "unjudged",
    "redundant",
    "judged_at",
    "run_id",
)
_FINDING_COLUMNS = _columns(
    FINDINGS,
    "variant_id",
    "catalogue_id",
    "seller_id",
    "product_url",
    "relation",
    "base_image_id",
    "base_position",
    "base_url",
    "base_sha256",
    "duplicate_image_id",
    "duplicate_position",
    "duplicate_url",
    "duplicate_sha256",
    "kinds",
    "sentence",
    "distance",
    "engine",
    "keeper_image_id",
    "keeper_reason",
    "action",
    "judged_at",
)
_PICTURE_COLUMNS = _columns(
    JUDGED, "category_id", "variant_id", "image_id", "content_sha256", "picture_format"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of a category's findings, with the verdict of its variant, here as it was judged.

    `finding_id` follows from the variant, the contents and the kinds: another picture, another id.
    `pair` is what a decision would be about; None where an earlier release left no kinds.
    """

    finding_id: str
    pair: Pair | None
    verdict: str
    row: Mapping[str, Any]

    @property
    def is_duplicate(self) -> bool:
        """Whether it asks for anything; else the pictures are only related."""
        return bool(self.row["relation"] == Relation.DUPLICATE)


@dataclass(frozen=True, slots=True)
class CategoryContent:
    """A category as its files state it.

    `version` changes with the files. `pictures` has the archive's key and Pillow's format of each
    content that a current row refers to. `is_whole` is False while a run replaces the files.
    """

    category_id: int
    name: str
    version: str
    run_id: str
    planned_at: datetime
    is_whole: bool
    findings: tuple[Finding, ...]
    verdicts: Mapping[str, Row]
    pictures: Mapping[str, tuple[str, str]]

    @property
    def duplicates(self) -> list[Finding]:
        """The findings that ask for something, in the order of the files."""
        return [finding for finding in self.findings if finding.is_duplicate]

    @property
    def rows(self) -> int:
        """What counts against the bound of the memory."""
        return len(self.findings) + len(self.verdicts) + len(self.pictures)


@dataclass(slots=True)
class _Kept:
    content: CategoryContent
    files: tuple[StoredFile | None, ...]
    looked_at_s: float


class CategoryFiles:
    """The current files of categories, with the latest ones in memory. For many threads."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()  # one category at a time, so that memory stays bounded

    def read(self, category_id: int, *, is_latest: bool = False) -> CategoryContent:
        """A category's content, from memory while its files are the same.

        With `is_latest` the files are looked at even if they were a moment ago. Raises
        MissingArtefactError for a category that was never published.
        """
        kept = self._find_kept(category_id, is_latest=is_latest)
        if kept is not None:
            return kept
        with self._loading:
            kept = self._find_kept(category_id, is_latest=False)  # another thread was faster
            if kept is not None and not is_latest:
                return kept
            files = self._look_at(category_id)
            content = _load(self.storage, category_id, files)
            self._keep(category_id, _Kept(content, files, time.monotonic()))
        return content

    def read_images(self, category_id: int, *variant_ids: str) -> list[Row]:
        """The rows of `tables.JUDGED` of variants, each in its order."""
        return self._read_variants("images", JUDGED, category_id, variant_ids)

    def read_evidence(self, category_id: int, variant_id: str) -> list[Row]:
        """The rows of `evidence_rows.EVIDENCE` of one variant."""
        return self._read_variants("evidence", EVIDENCE, category_id, [variant_id])

    def _read_variants(
        self, subject: str, schema: pa.Schema, category_id: int, variant_ids: Sequence[str]
    ) -> list[Row]:
        tables = read_state_tables(
            self.storage,
            layout.current(subject, category_id),
            schema,
            pa.array(variant_ids, pa.string()),
        )
        return [row for table in tables for row in table.to_pylist()]

    def _find_kept(self, category_id: int, *, is_latest: bool) -> CategoryContent | None:
        with self._lock:
            kept = self._kept.get(category_id)
            if kept is None:
                return None
            self._kept.move_to_end(category_id)
            if not is_latest and time.monotonic() - kept.looked_at_s < _TRUSTED_S:
                return kept.content
        if self._look_at(category_id) != kept.files:
            return None
        kept.looked_at_s = time.monotonic()
        return kept.content

    def _look_at(self, category_id: int) -> tuple[StoredFile | None, ...]:
        keys = [layout.category_state(category_id)]
        keys += [layout.current(subject, category_id) for subject in _SUBJECTS]
        return tuple(self.storage.find_file(key) for key in keys)

    def _keep(self, category_id: int, kept: _Kept) -> None:
        with self._lock:
            self._kept[category_id] = kept
            self._kept.move_to_end(category_id)
            while len(self._kept) > 1 and self._kept_rows() > _MOST_ROWS:
                self._kept.popitem(last=False)

    def _kept_rows(self) -> int:
        return sum(kept.content.rows for kept in self._kept.values())


def _load(
    storage: Storage, category_id: int, files: tuple[StoredFile | None, ...]
) -> CategoryContent:
    if files[0] is None:
        raise MissingArtefactError(f"category {category_id} was never published")
    key = layout.category_state(category_id)
    state = storage.read_json(key)
    verdicts = {
        row["variant_id"]: row
        for row in read_state_rows(
            storage, layout.current("verdicts", category_id), _VERDICT_COLUMNS
        )
    }
    try:
        return CategoryContent(
            category_id=category_id,
            name=next((row["category_name"] or "" for row in verdicts.values()), ""),
            version=_version(state, files),
            run_id=str(state["run_id"]),
            planned_at=datetime.fromisoformat(state["planned_at"]),
            is_whole=state["is_whole"] is True,
            findings=tuple(_read_findings(storage, category_id, verdicts)),
            verdicts=verdicts,
            pictures=dict(_read_pictures(storage, category_id)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"{key}: not the state of a category: {error!r}") from error


def _version(state: Any, files: tuple[StoredFile | None, ...]) -> str:
    seen = [state, [(file.size_bytes, str(file.modified_at)) for file in files if file]]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]


def _read_findings(
    storage: Storage, category_id: int, verdicts: Mapping[str, Row]
) -> Iterator[Finding]:
    key = layout.current("findings", category_id)
    for row in read_state_rows(storage, key, _FINDING_COLUMNS):
        pair = _pair_of(category_id, row)
        verdict = verdicts.get(row["variant_id"], {}).get("verdict") or ""
        yield Finding(_finding_id(row), pair, verdict, row)


def _pair_of(category_id: int, row: Row) -> Pair | None:
    known = set(Kind)
    if not row["kinds"] or not known.issuperset(row["kinds"]):
        return None
    contents = (row["base_sha256"], row["duplicate_sha256"])
    return Pair.of(category_id, row["variant_id"], contents, row["kinds"])


def _finding_id(row: Row) -> str:
    contents = sorted((row["base_sha256"] or "", row["duplicate_sha256"] or ""))
    # The images too, for two images of a variant may have equal bytes.
    images = [row["base_image_id"], row["duplicate_image_id"]]
    told = [row["variant_id"], row["relation"], contents, sorted(row["kinds"] or ()), images]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _read_pictures(storage: Storage, category_id: int) -> Iterator[tuple[str, tuple[str, str]]]:
    key = layout.current("images", category_id)
    for row in read_state_rows(storage, key, _PICTURE_COLUMNS):
        if row["content_sha256"] and row["picture_format"]:
            yield row["content_sha256"], (archived_key(row), row["picture_format"])
