"""A category's state as people see it: without the findings that they have rejected.

The facts stay as they were judged; here they are read with the decisions that hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import pyarrow as pa

from image_duplication import layout
from image_duplication.judged_variants import JudgedVariant, join_judged_variants, tell_keeper
from image_duplication.records import Relation
from image_duplication.reviewed_verdicts import SAME_FILE, set_apart
from image_duplication.reviews import Reviews
from image_duplication.storage import Storage
from image_duplication.tables import (
    FINDINGS,
    JUDGED,
    VERDICTS,
    Row,
    read_state,
    read_state_rows,
    read_state_tables,
)
from image_duplication.verdicts import judge_variant

_SUBJECTS = {"images": JUDGED, "findings": FINDINGS, "verdicts": VERDICTS}

_BASE_KEPT = "kept as what is left was compared with it"
_USABLE_KEPT = "kept as the first usable picture of what is left"


@dataclass(frozen=True, slots=True)
class ReviewedCategory:
    """A category's state, and in memory those variants of it in which pictures are told apart."""

    storage: Storage
    category_id: int
    told_apart: Mapping[str, JudgedVariant]

    @classmethod
    def read(cls, storage: Storage, category_id: int, reviews: Reviews) -> ReviewedCategory:
        """The state with its decisions. Without a rejected pair nothing is read yet."""
        ids = sorted({variant_id for variant_id, _, _ in reviews.rejected})
        rows = {
            subject: _read_variants(storage, layout.current(subject, category_id), schema, ids)
            for subject, schema in _SUBJECTS.items()
        }
        return cls(
            storage,
            category_id,
            {
                variant_id: review_variant(
                    JudgedVariant(
                        variant_id,
                        verdicts[0],
                        rows["images"].get(variant_id, []),
                        rows["findings"].get(variant_id, []),
                    ),
                    reviews,
                )
                for variant_id, verdicts in rows["verdicts"].items()
            },
        )

    def variants(self) -> Iterator[JudgedVariant]:
        """Every variant, in the order of the state; only one is in memory at a time."""
        for variant in join_judged_variants(self.storage, self.category_id):
            yield self.told_apart.get(variant.variant_id, variant)

    def findings(self) -> Iterator[Row]:
        """The findings that hold, with a keeper that is one of them."""
        key = layout.current("findings", self.category_id)
        for variant_id, rows in read_state(self.storage, key, FINDINGS):
            told_apart = self.told_apart.get(variant_id)
            yield from told_apart.findings if told_apart else rows

    def verdicts(self) -> Iterator[Row]:
        """The verdicts, each rejected duplicate counted as the picture of its own that it is."""
        key = layout.current("verdicts", self.category_id)
        for row in read_state_rows(self.storage, key, VERDICTS):
            told_apart = self.told_apart.get(row["variant_id"])
            yield told_apart.verdict if told_apart else row


def review_variant(variant: JudgedVariant, reviews: Reviews) -> JudgedVariant:
    """A variant without its rejected matches.

    A group whose keeper was told apart from the base keeps its base, with which the others were
    compared; if that is not usable, its first usable picture by position.
    """
    images = list(set_apart(variant, reviews))
    keepers = dict(_find_keepers(images))
    images = [row | keepers.get(row["base_image_id"], {}) for row in images]
    judgement = judge_variant(images, required=variant.verdict["required"])
    return JudgedVariant(
        variant.variant_id,
        variant.verdict | asdict(judgement),
        images,
        list(_find_findings(variant, reviews, images)),
    )


def _read_variants(
    storage: Storage, key: str, schema: pa.Schema, variant_ids: list[str]
) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    if variant_ids:
        for table in read_state_tables(storage, key, schema, pa.array(variant_ids, pa.string())):
            for row in table.to_pylist():
                found.setdefault(row["variant_id"], []).append(row)
    return found


def _find_keepers(images: list[Row]) -> Iterator[tuple[str, Row]]:
    """Of each group that has no longer its keeper, by its base: the columns of the new one."""
    groups: dict[str, list[Row]] = {}
    for row in images:
        if row["base_image_id"] is not None:
            groups.setdefault(row["base_image_id"], []).append(row)
    for base_image_id, members in groups.items():
        if len(members) == 1:
            yield base_image_id, _keep(base_image_id, "the only picture of its kind")
        elif members[0]["keeper_image_id"] not in {row["image_id"] for row in members}:
            members.sort(key=lambda row: (row["image_id"] != base_image_id, row["position"] or 0))
            kept = next((row for row in members if row["is_usable"]), members[0])["image_id"]
            is_base = kept == base_image_id
            yield base_image_id, _keep(kept, _BASE_KEPT if is_base else _USABLE_KEPT)


def _keep(image_id: str, reason: str) -> Row:
    return {"keeper_image_id": image_id, "keeper_reason": reason}


def _find_findings(variant: JudgedVariant, reviews: Reviews, images: list[Row]) -> Iterator[Row]:
    by_image = {row["image_id"]: row for row in images if row["content_sha256"]}
    for finding in variant.findings:
        pair = (finding["base_sha256"], finding["duplicate_sha256"])
        is_rejected = None not in pair and reviews.is_rejected(variant.variant_id, *pair)
        if finding["relation"] != Relation.DUPLICATE:
            if not is_rejected:
                yield finding
            continue
        row = by_image[finding["duplicate_image_id"]]
        if row["base_image_id"] == finding["base_image_id"]:
            if not is_rejected:  # else a copy of the base's own file: no finding, yet one picture
                yield finding | tell_keeper(row)
        elif row["base_image_id"] != row["image_id"]:
            # A copy of another picture that was told apart from the same base.
            base = _based_on(by_image[row["base_image_id"]])
            yield finding | base | SAME_FILE | tell_keeper(row)


def _based_on(base: Row) -> Row:
    return {
        "base_image_id": base["image_id"],
        "base_position": base["position"],
        "base_url": base["corrected_url"],
        "base_sha256": base["content_sha256"],
        "base_quality_notes": base["quality_notes"],
    }
