"""Decisions that go on when a picture was only saved anew: same image, other bytes.

A decision is of two contents. Where one of them is gone, and the image that had it now has another
content that matches the old one as `same_picture` and nothing else, the decision holds of that one
too. It must match so the one that a person looked at, for small changes add up. Nothing is read of
a category in which no decision has lost a side.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from image_duplication import layout
from image_duplication.detection import examine_contents
from image_duplication.pictures import archived_key, find_picture
from image_duplication.records import Kind
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.decisions import LONGEST_NOTE, Decided, Decision, Pair
from image_duplication.tables import JUDGED, Row, read_state_tables

logger = logging.getLogger(__name__)

_COLUMNS = (
    "category_id",
    "variant_id",
    "image_id",
    "content_sha256",
    "size_bytes",
    "picture_format",
)
_IMAGES = pa.schema([JUDGED.field(name) for name in _COLUMNS])
_FORMATS = tuple({extension: name for name, extension in layout.EXTENSIONS.items()}.values())
"""A format for each extension that an archived picture may have."""


def find_carried(
    storage: Storage,
    settings: Settings,
    decided: Decided,
    *,
    run_id: str,
    category_id: int,
    variant_ids: AbstractSet[str],
    now: datetime,
) -> list[Decision]:
    """The decisions that go on, of those variants, by the category's state; `now` as in the store.

    None of contents that anything was decided of, be it withdrawn since. A pair of equal contents
    goes on as such or not at all.
    """
    asked = sorted({pair.variant_id for pair in decided.holding} & variant_ids)
    if not asked:
        return []
    images: dict[str, list[Row]] = {}
    key = layout.current("images", category_id)
    for table in read_state_tables(storage, key, _IMAGES, pa.array(asked, pa.string())):
        for row in table.to_pylist():
            if row["content_sha256"]:
                images.setdefault(row["variant_id"], []).append(row)
    successors = {
        variant_id: _Successors(storage, settings, run_id, rows)
        for variant_id, rows in images.items()
    }
    carried: dict[Pair, Decision] = {}
    for pair, (number, decision) in decided.holding.items():
        # Of one that went on before, people may have thought better since.
        if pair.variant_id in successors and number not in decided.gone_on:
            sides = frozenset((pair.lower_sha256, pair.higher_sha256))
            seen = decided.seen.get(number, sides)
            for successor in _find_pairs(pair, successors[pair.variant_id], seen):
                if successor.contents not in decided.contents:
                    carried.setdefault(successor, _carry(decision, number, successor, now))
    return list(carried.values())


def _find_pairs(pair: Pair, successors: _Successors, seen: frozenset[str]) -> Iterator[Pair]:
    sides = (pair.lower_sha256, pair.higher_sha256)
    if successors.contents.issuperset(sides):
        return
    # Of a pair that has lost both its sides, the second is looked at only where the first goes on.
    firsts = successors.find(sides[0], seen)
    seconds = successors.find(sides[1], seen) if firsts else ()
    for first, second in itertools.product(firsts, seconds):
        if (first == second) == (sides[0] == sides[1]):
            yield Pair.of(pair.category_id, pair.variant_id, (first, second), pair.kinds)


def _carry(decision: Decision, number: int, pair: Pair, now: datetime) -> Decision:
    logger.info("variant %r: decision %d is carried over to %s", pair.variant_id, number, pair)
    note = f"carried over from decision {number}, as a picture was saved anew"
    return replace(
        decision,
        pair=pair,
        decided_at=now,
        note=(f"{note}: {decision.note}" if decision.note else note)[:LONGEST_NOTE],
        carried_from=number,
    )


class _Successors:
    """What became of the contents of one variant's images, each looked for once."""

    def __init__(
        self, storage: Storage, settings: Settings, run_id: str, images: list[Row]
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._run_id = run_id
        self._images = images
        self._found: dict[tuple[str, frozenset[str]], tuple[str, ...]] = {}
        self.contents = frozenset(row["content_sha256"] for row in images)

    def find(self, content_sha256: str, seen: frozenset[str]) -> tuple[str, ...]:
        """The present contents that stand for a content: itself, or those it was saved anew as.

        Each of those is the same picture, too, as one of the contents that a person has `seen`.
        """
        if content_sha256 in self.contents:
            return (content_sha256,)
        if (content_sha256, seen) not in self._found:
            known = frozenset((content_sha256,))
            groups = (known,) if content_sha256 in seen else (known, seen)
            matches = {
                row["content_sha256"]: None
                for row in self._images
                if all(any(self._is_saved_anew(one, row) for one in group) for group in groups)
            }
            self._found[content_sha256, seen] = tuple(matches)
        return self._found[content_sha256, seen]

    def _is_saved_anew(self, content_sha256: str, row: Row) -> bool:
        """Whether an image had a content, and what it has now is only that, saved anew."""
        if content_sha256 == row["content_sha256"]:
            return True
        old_key = self._find_archived(row, content_sha256)
        return old_key is not None and self._is_same_picture(content_sha256, old_key, row)

    def _find_archived(self, row: Row, content_sha256: str) -> str | None:
        """Where the archive has a content as an earlier one of an image."""
        for picture_format in _FORMATS:
            earlier = {"content_sha256": content_sha256, "picture_format": picture_format}
            if self._storage.exists(key := archived_key(row | earlier)):
                return key
        return None

    def _is_same_picture(self, old_sha256: str, old_key: str, row: Row) -> bool:
        new_key = find_picture(self._storage, self._run_id, row)
        if new_key is None:
            return False
        keys = {old_sha256: old_key, row["content_sha256"]: new_key}
        examination = examine_contents(
            list(keys), lambda content: self._storage.read_bytes(keys[content]), self._settings
        )
        return any(
            match.is_duplicate and match.kinds == {Kind.SAME_PICTURE}
            for match in examination.matches
        )
