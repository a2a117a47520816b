"""Whether a manifest's rows still are what it says, judged against the locked rows of the source.

Pure decisions: nothing is read or changed here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from image_duplication.records import SkipReason
from image_duplication.removal.contents import ListedPicture
from image_duplication.removal.source_records import SourceRecord
from image_duplication.tables import Row


@dataclass(frozen=True, slots=True)
class Check:
    """What is to be done with one row: deactivate `row_key`, unless there is a reason not to.

    `is_done`: the row is deactivated already, by this very removal before it was broken off.
    """

    row_key: str | None = None
    reason: SkipReason | None = None
    is_done: bool = False


def redundant_picture(row: Row) -> ListedPicture:
    """The picture that a row of `tables.REMOVED_IMAGES` takes away."""
    return ListedPicture(
        category_id=row["category_id"],
        variant_id=row["variant_id"],
        image_id=row["image_id"],
        image_url=row["image_url"],
        updated_at=row["updated_at"],
        content_sha256=row["content_sha256"],
    )


def kept_picture(row: Row) -> ListedPicture:
    """The picture that a row of `tables.REMOVED_IMAGES` relies on to stay."""
    return ListedPicture(
        category_id=row["category_id"],
        variant_id=row["variant_id"],
        image_id=row["keeper_image_id"],
        image_url=row["keeper_image_url"],
        updated_at=row["keeper_updated_at"],
        content_sha256=row["keeper_sha256"],
    )


class ImageChecks:
    """Checks the rows of one batch, one after another: each counts on those before it to go."""

    def __init__(
        self, records: Iterable[SourceRecord], changed: AbstractSet[ListedPicture]
    ) -> None:
        self._changed = changed
        self._by_key = {record.row_key: record for record in records}
        self._by_image: defaultdict[tuple[str, str | None], list[SourceRecord]] = defaultdict(list)
        self._active: Counter[str] = Counter()
        for record in self._by_key.values():
            self._by_image[record.variant_id, record.image_id].append(record)
            self._active[record.variant_id] += record.is_active is True
        self._going: set[str] = set()

    def check(
        self, row: Row, started_key: str | None, withdrawal: SkipReason | None = None
    ) -> Check:
        """`started_key` is the source's row that a broken-off try was about to deactivate.

        `withdrawal` is why the row should stay whatever the source says.
        """
        started = self._by_key.get(started_key or "")
        if started is not None and started.is_active is False:
            return Check(started_key, is_done=True)
        listed = self._by_image.get((row["variant_id"], row["image_id"]), [])
        active = [record for record in listed if record.is_active]
        reason = (
            self._find_fault(listed, active, redundant_picture(row))
            or withdrawal
            or self._find_keeper_fault(kept_picture(row))
            or self._find_last_picture(row["variant_id"])
        )
        if reason is not None:
            return Check(reason=reason)
        self._going.add(active[0].row_key)
        self._active[row["variant_id"]] -= 1
        return Check(active[0].row_key)

    def _find_fault(
        self, listed: list[SourceRecord], active: list[SourceRecord], picture: ListedPicture
    ) -> SkipReason | None:
        if not active:
            return SkipReason.NOT_ACTIVE if listed else SkipReason.ROW_MISSING
        if len(active) > 1:
            return SkipReason.ROW_REPEATED
        if not _is_as_listed(active[0], picture):
            return SkipReason.ROW_CHANGED
        return SkipReason.CONTENT_CHANGED if picture in self._changed else None

    def _find_keeper_fault(self, keeper: ListedPicture) -> SkipReason | None:
        active = [
            record
            for record in self._by_image.get((keeper.variant_id, keeper.image_id), [])
            if record.is_active and record.row_key not in self._going
        ]
        if not active:
            return SkipReason.KEEPER_NOT_ACTIVE
        if keeper in self._changed or not any(_is_as_listed(r, keeper) for r in active):
            return SkipReason.KEEPER_CHANGED
        return None

    def _find_last_picture(self, variant_id: str) -> SkipReason | None:
        return SkipReason.LAST_PICTURE if self._active[variant_id] <= 1 else None


def _is_as_listed(record: SourceRecord, picture: ListedPicture) -> bool:
    return (record.image_url, record.updated_at) == (picture.image_url, picture.updated_at)


class VariantChecks:
    """Checks the rows of one batch of variants. `signatures` are those of their active images."""

    def __init__(
        self,
        records: Iterable[SourceRecord],
        signatures: Mapping[str, str],
        changed: AbstractSet[ListedPicture],
    ) -> None:
        self._by_variant = {record.variant_id: record for record in records}
        self._signatures = signatures
        self._changed = {(picture.category_id, picture.variant_id) for picture in changed}

    def check(
        self, row: Row, started_key: str | None, withdrawal: SkipReason | None = None
    ) -> Check:
        """`started_key` is the source's row that a broken-off try was about to deactivate.

        `withdrawal` is why the row should stay whatever the source says.
        """
        record = self._by_variant.get(row["variant_id"])
        if record is None:
            return Check(reason=SkipReason.ROW_MISSING)
        if record.is_active is False and record.row_key == started_key:
            return Check(started_key, is_done=True)
        reason = self._find_fault(record, row) or withdrawal
        return Check(record.row_key) if reason is None else Check(reason=reason)

    def _find_fault(self, record: SourceRecord, row: Row) -> SkipReason | None:
        if not record.is_active:
            return SkipReason.NOT_ACTIVE
        if record.category_id != row["category_id"]:
            return SkipReason.ROW_CHANGED
        if self._signatures.get(row["variant_id"]) != row["signature"]:
            return SkipReason.IMAGES_CHANGED
        if (row["category_id"], row["variant_id"]) in self._changed:
            return SkipReason.CONTENT_CHANGED
        return None
