"""What a removal, a dry run of it, or its restore came to, in counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from image_duplication.records import (
    RemovalKind,
    RemovalRowState,
    RemovalState,
    SkipReason,
)
from image_duplication.store.removals import Removal

RowCounts = Counter[tuple[int, RemovalRowState, SkipReason | None]]
"""Rows by category, state and reason."""


@dataclass(frozen=True, slots=True)
class CategoryOutcome:
    """What became of one category's rows; `skipped` and `left` are counts by reason."""

    category_id: int
    applied: int
    skipped: dict[str, int]
    restored: int
    left: dict[str, int]


@dataclass(frozen=True, slots=True)
class RemovalOutcome:
    """What became of a removal's rows. Of a dry run: what would have."""

    removal_id: str
    kind: RemovalKind
    state: RemovalState
    is_dry: bool
    rows: int
    categories: tuple[CategoryOutcome, ...]

    @property
    def applied(self) -> int:
        """Rows of the source that are deactivated and not restored."""
        return sum(category.applied for category in self.categories)

    @property
    def skipped(self) -> int:
        """Rows that were left active, or as they were."""
        return sum(sum(category.skipped.values()) for category in self.categories)

    @property
    def restored(self) -> int:
        """Rows of the source that are active again."""
        return sum(category.restored for category in self.categories)

    @property
    def left(self) -> int:
        """Rows that the restore left as they are."""
        return sum(sum(category.left.values()) for category in self.categories)

    def to_json(self) -> dict[str, Any]:
        """The outcome as plain JSON values, small enough for XCom."""
        sums = {n: getattr(self, n) for n in ("applied", "skipped", "restored", "left")}
        return {**asdict(self), **sums, "categories": [asdict(c) for c in self.categories]}


def sum_up(removal: Removal, counts: RowCounts, *, is_dry: bool = False) -> RemovalOutcome:
    """The outcome from the counts of a removal's rows."""
    return RemovalOutcome(
        removal_id=removal.removal_id,
        kind=removal.kind,
        state=removal.state,
        is_dry=is_dry,
        rows=removal.manifest_rows,
        categories=tuple(
            _sum_up_category(category_id, counts)
            for category_id in sorted({category_id for category_id, _, _ in counts})
        ),
    )


def _sum_up_category(category_id: int, counts: RowCounts) -> CategoryOutcome:
    mine: Mapping[tuple[RemovalRowState, str], int] = {
        (state, str(reason)): count
        for (found, state, reason), count in counts.items()
        if found == category_id
    }

    def by_reason(state: RemovalRowState) -> dict[str, int]:
        return {r: count for (found, r), count in sorted(mine.items()) if found is state}

    return CategoryOutcome(
        category_id=category_id,
        applied=sum(by_reason(RemovalRowState.APPLIED).values()),
        skipped=by_reason(RemovalRowState.SKIPPED),
        restored=sum(by_reason(RemovalRowState.RESTORED).values()),
        left=by_reason(RemovalRowState.LEFT),
    )


def describe_outcome(outcome: RemovalOutcome) -> str:
    """The outcome in a few lines, for a person who reads the log."""
    heading = f"removal {outcome.removal_id}: {outcome.rows} {outcome.kind}, {outcome.state}"
    lines = [f"{heading}; a dry run, nothing is changed" if outcome.is_dry else heading]
    for category in outcome.categories:
        counts = {"deactivated": category.applied, "active again": category.restored}
        told = [f"{count} {what}" for what, count in counts.items() if count]
        told += [f"{count} skipped: {reason}" for reason, count in category.skipped.items()]
        told += [f"{count} left: {reason}" for reason, count in category.left.items()]
        lines.append(f"  category {category.category_id}: {', '.join(told)}")
    return "\n".join(lines)
