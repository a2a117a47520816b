"""What one run did to a category's findings: which of them are new, repeated, resolved.

A run is compared with the state that it found when it first published the category. That state is
kept below the run's folder before anything of it is replaced, so publishing again, after a kill or
after newer runs, compares with the same. Written by publish_run alone.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

import pyarrow as pa

from image_duplication import layout
from image_duplication.records import Relation
from image_duplication.storage import Storage
from image_duplication.store.decisions import Contents
from image_duplication.tables import (
    FINDINGS,
    FOUND_FINDINGS,
    PLANNED_VARIANTS,
    SETTLED_VARIANTS,
    VERDICTS,
    Row,
    read_rows,
    read_state,
    write_rows,
)

_COMPARED = ("variant_id", "seller_id", "relation", "base_sha256", "duplicate_sha256")
_COMPARED_SCHEMA = pa.schema([FINDINGS.field(name) for name in _COMPARED])


def keep_found_findings(
    storage: Storage, run_id: str, category_id: int, stated: AbstractSet[str]
) -> None:
    """Keep the findings that a run finds; does nothing when they are kept already.

    `stated` are the variants with a verdict: what else a broken-off publication left is no state.
    """
    key = layout.found_findings(run_id, category_id)
    if storage.exists(key):
        return
    current = layout.current("findings", category_id)
    found = read_state(storage, current, _COMPARED_SCHEMA) if storage.exists(current) else ()
    write_rows(
        storage,
        key,
        FOUND_FINDINGS,
        (
            {
                "variant_id": variant_id,
                "seller_id": row["seller_id"],
                "finding_digest": _digest(row),
            }
            for variant_id, rows in found
            if variant_id in stated
            for row in rows
        ),
    )


def keep_settled_variants(
    storage: Storage, run_id: str, category_id: int, variant_ids: AbstractSet[str]
) -> None:
    """Add to the variants that a run settles: those it judges, and those that left the catalogue.

    Only of them may it resolve a finding. Kept because a newer run may settle them again, and
    because one that left is no longer in the state when the run is published again.
    """
    known = _read_settled(storage, run_id, category_id)
    if not variant_ids <= known:
        write_rows(
            storage,
            layout.settled_variants(run_id, category_id),
            SETTLED_VARIANTS,
            ({"variant_id": variant_id} for variant_id in sorted(known | variant_ids)),
        )


def compare_findings(
    storage: Storage,
    run_id: str,
    category_id: int,
    parts: Sequence[str],
    rejected: AbstractSet[Contents],
) -> list[Row]:
    """Rows of `tables.CHANGES`, one per seller, once the category's state is that of the run.

    A finding of `rejected` contents is none: neither new nor repeated, and nothing has resolved it.
    `parts` are the folders of the run's finished units. Equal findings of one variant, as of three
    copies of one file, are counted one against one. In memory are the ids of the settled variants
    and a digest for each finding that they had, 40 MB for 100,000 variants with 200,000 findings;
    everything else is streamed.
    """
    own, superseded, left = _find_settled(storage, run_id, category_id, parts)
    settled = own | superseded | left
    key = layout.found_findings(run_id, category_id)
    new: Counter[str | None] = Counter()
    repeated: Counter[str | None] = Counter()
    resolved: Counter[str | None] = Counter()
    before: dict[bytes, int] = {}
    ignored = {
        _digest_of(variant_id, relation, *pair)
        for variant_id, *pair in rejected
        for relation in Relation
    }
    for row in read_rows(storage, key, FOUND_FINDINGS):
        if row["finding_digest"] in ignored:
            continue
        if row["variant_id"] in settled:
            before[row["finding_digest"]] = before.get(row["finding_digest"], 0) + 1
        else:
            repeated[row["seller_id"]] += 1
    for row in _read_after(storage, category_id, parts, own, superseded):
        digest = _digest(row)
        if digest not in ignored:
            counts = repeated if _take(before, digest) else new
            counts[row["seller_id"]] += 1
    for row in read_rows(storage, key, FOUND_FINDINGS) if any(before.values()) else ():
        if row["variant_id"] in settled and _take(before, row["finding_digest"]):
            resolved[row["seller_id"]] += 1
    return [
        {
            "category_id": category_id,
            "seller_id": seller_id,
            "new": new[seller_id],
            "repeated": repeated[seller_id],
            "resolved": resolved[seller_id],
        }
        for seller_id in _sorted(new.keys() | repeated.keys() | resolved.keys())
    ]


def _digest(finding: Row) -> bytes:
    """A finding's identity, whichever run found it and whichever picture is the base."""
    pair = sorted([finding["base_sha256"] or "", finding["duplicate_sha256"] or ""])
    return _digest_of(finding["variant_id"], finding["relation"], *pair)


def _digest_of(variant_id: str, relation: str, lower_sha256: str, higher_sha256: str) -> bytes:
    identity = json.dumps([variant_id, relation, lower_sha256, higher_sha256])
    return hashlib.blake2b(identity.encode(), digest_size=16).digest()


def _find_settled(
    storage: Storage, run_id: str, category_id: int, parts: Sequence[str]
) -> tuple[set[str], set[str], set[str]]:
    """The variants whose judgement by this run holds, or did until a newer one; and those gone."""
    settled = _read_settled(storage, run_id, category_id)
    if not settled:
        return set(), set(), set()
    verdicts = read_rows(
        storage, layout.current("verdicts", category_id), VERDICTS, ("variant_id", "run_id")
    )
    own = {row["variant_id"] for row in verdicts if row["run_id"] == run_id}
    planned = layout.plan_variants(run_id, category_id)
    left = settled.difference(_read_ids(storage, planned, PLANNED_VARIANTS)) - own
    judged = settled.intersection(
        variant_id
        for part in parts
        for variant_id in _read_ids(storage, f"{part}verdicts.parquet", VERDICTS)
    )
    return own, judged - own - left, left


def _read_after(
    storage: Storage,
    category_id: int,
    parts: Sequence[str],
    own: AbstractSet[str],
    superseded: AbstractSet[str],
) -> Iterator[Row]:
    """What the run found in the variants that it judged."""
    sources: list[tuple[str, AbstractSet[str]]] = []
    if own:
        sources.append((layout.current("findings", category_id), own))
    if superseded:
        sources += [(f"{part}findings.parquet", superseded) for part in parts]
    for key, variant_ids in sources:
        for row in read_rows(storage, key, FINDINGS, _COMPARED):
            if row["variant_id"] in variant_ids:
                yield row


def _take(counted: dict[bytes, int], digest: bytes) -> bool:
    """Take one finding out of those counted; whether there was one."""
    count = counted.get(digest, 0)
    if count:
        counted[digest] = count - 1
    return bool(count)


def _read_settled(storage: Storage, run_id: str, category_id: int) -> set[str]:
    key = layout.settled_variants(run_id, category_id)
    return set(_read_ids(storage, key, SETTLED_VARIANTS)) if storage.exists(key) else set()


def _read_ids(storage: Storage, key: str, schema: pa.Schema) -> Iterator[str]:
    return (row["variant_id"] for row in read_rows(storage, key, schema, ("variant_id",)))


def _sorted(seller_ids: Iterable[str | None]) -> list[str | None]:
    """Findings without a seller first."""
    return sorted(seller_ids, key=lambda seller_id: (seller_id is not None, seller_id or ""))
