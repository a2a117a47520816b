"""What reviewers and sellers' appeals have decided about pairs of pictures: append-only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from image_duplication.errors import ConfigurationError
from image_duplication.records import DecisionOrigin, DecisionVerdict, Kind
from image_duplication.store.database import Store
from image_duplication.store.schema import DECISIONS

LONGEST_NOTE = 4_000

Contents = tuple[str, str, str]
"""A variant and the hashes of two of its contents, the lower one first."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What a decision is about: two contents of one variant, in whatever order, and the kinds."""

    category_id: int
    variant_id: str
    lower_sha256: str
    higher_sha256: str
    kinds: frozenset[Kind]

    @classmethod
    def of(
        cls, category_id: int, variant_id: str, sha256s: tuple[str, str], kinds: Iterable[str]
    ) -> Pair:
        """The pair of two contents, given in either order."""
        lower, higher = sorted(sha256s)
        return cls(category_id, variant_id, lower, higher, frozenset(map(Kind, kinds)))

    def find_other(self, content_sha256: str) -> str | None:
        """The content that is paired with one; None where that one is not of the pair."""
        if content_sha256 == self.lower_sha256:
            return self.higher_sha256
        return self.lower_sha256 if content_sha256 == self.higher_sha256 else None

    @property
    def contents(self) -> Contents:
        """The variant and its two contents, whatever the kinds."""
        return self.variant_id, self.lower_sha256, self.higher_sha256


@dataclass(frozen=True, slots=True)
class Decision:
    """One person's word on one pair.

    `carried_from` is the decision that this one goes on from, after a side's bytes had changed.
    """

    pair: Pair
    verdict: DecisionVerdict
    origin: DecisionOrigin
    decided_by: str
    decided_at: datetime
    note: str = ""
    carried_from: int | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """All that was decided of a category.

    `newest` is the number of the latest decision, withdrawals among them; 0: none. `holding` are
    the decisions that hold, each with its number. `contents` are those of every pair that anything
    was decided of, ever. `gone_on` are the numbers of the decisions that were carried over. `seen`
    are, of each decision that goes on from another, the two contents that a person looked at.
    """

    newest: int = 0
    holding: Mapping[Pair, tuple[int, Decision]] = field(default_factory=dict)
    contents: frozenset[Contents] = frozenset()
    gone_on: frozenset[int] = frozenset()
    seen: Mapping[int, frozenset[str]] = field(default_factory=dict)


def record(store: Store, decisions: Sequence[Decision]) -> None:
    """Add decisions, all or none. Raises ConfigurationError for one that names nobody."""
    rows = _to_rows(decisions)
    if rows:
        with store.transaction() as connection:
            connection.execute(DECISIONS.insert(), rows)


def record_unless_newer(store: Store, decisions: Sequence[Decision]) -> list[Decision]:
    """Add those decisions, all or none, of whose pair nothing was decided at their time or later.

    So the same decisions again add nothing. Gives the added ones; raises as `record` does.
    """
    with store.transaction() as connection:
        latest: dict[Pair, datetime] = {}
        for category_id in {decision.pair.category_id for decision in decisions}:
            for row in connection.execute(_newest_of(category_id)).mappings():
                newest = _read(row)
                latest[newest.pair] = newest.decided_at
        new = [d for d in decisions if d.pair not in latest or latest[d.pair] < d.decided_at]
        rows = _to_rows(new)
        if rows:
            connection.execute(DECISIONS.insert(), rows)
    return new


def record_carried(store: Store, decisions: Sequence[Decision]) -> None:
    """Add decisions of one category that go on from earlier ones, all or none.

    But for those of two contents that something was decided of meanwhile.
    """
    with store.transaction() as connection:
        known: set[Contents] = set()
        for category_id in {decision.pair.category_id for decision in decisions}:
            rows = connection.execute(_newest_of(category_id)).mappings()
            known.update(_read(row).pair.contents for row in rows)
        new = _to_rows(d for d in decisions if d.pair.contents not in known)
        if new:
            connection.execute(DECISIONS.insert(), new)


def _to_rows(decisions: Iterable[Decision]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for decision in decisions:
        if not decision.decided_by:
            raise ConfigurationError("a decision names nobody; expected who has decided")
        if len(decision.note) > LONGEST_NOTE:
            raise ConfigurationError(
                f"a decision's note has {len(decision.note)} characters; at most "
                f"{LONGEST_NOTE} are allowed"
            )
        rows.append(
            {
                "decided_at": decision.decided_at,
                "decided_by": decision.decided_by,
                "category_id": decision.pair.category_id,
                "variant_id": decision.pair.variant_id,
                "lower_sha256": decision.pair.lower_sha256,
                "higher_sha256": decision.pair.higher_sha256,
                "kinds": _write_kinds(decision.pair.kinds),
                "verdict": decision.verdict,
                "origin": decision.origin,
                "note": decision.note,
                "carried_from": decision.carried_from,
            }
        )
    return rows


def read_current(store: Store, category_id: int) -> dict[Pair, tuple[int, Decision]]:
    """A category's decisions that hold, each with its number: the newest of each pair.

    A withdrawn decision is none.
    """
    return dict(read_decided(store, category_id).holding)


def read_decided(store: Store, category_id: int) -> Decided:
    """All that was decided of a category."""
    with store.transaction() as connection:
        rows = connection.execute(_newest_of(category_id)).mappings().all()
        links = connection.execute(_carried_of(category_id)).all()
    newest = {row["decision_id"]: _read(row) for row in rows}
    return Decided(
        newest=max(newest, default=0),
        holding={
            decision.pair: (number, decision)
            for number, decision in newest.items()
            if decision.verdict is not DecisionVerdict.WITHDRAWN
        },
        contents=frozenset(decision.pair.contents for decision in newest.values()),
        gone_on=frozenset(link.carried_from for link in links),
        seen=_find_seen(links),
    )


def _carried_of(category_id: int) -> sa.Select[Any]:
    """Each decision that goes on from another, with the contents of that one; in their order."""
    earlier = DECISIONS.alias()
    return (
        sa.select(
            DECISIONS.c.decision_id,
            DECISIONS.c.carried_from,
            earlier.c.lower_sha256,
            earlier.c.higher_sha256,
        )
        .join(earlier, earlier.c.decision_id == DECISIONS.c.carried_from)
        .where(DECISIONS.c.category_id == category_id)
        .order_by(DECISIONS.c.decision_id)
    )


def _find_seen(links: Iterable[sa.Row[Any]]) -> dict[int, frozenset[str]]:
    seen: dict[int, frozenset[str]] = {}
    for link in links:  # the earlier of a chain come first
        sides = frozenset((link.lower_sha256, link.higher_sha256))
        seen[link.decision_id] = seen.get(link.carried_from, sides)
    return seen


def read_history(store: Store, category_id: int, variant_id: str) -> list[Decision]:
    """Everything that was ever decided about one variant's pairs, the oldest first."""
    query = (
        sa.select(DECISIONS)
        .where(DECISIONS.c.category_id == category_id, DECISIONS.c.variant_id == variant_id)
        .order_by(DECISIONS.c.decision_id)
    )
    with store.transaction() as connection:
        return [_read(row) for row in connection.execute(query).mappings()]


def _newest_of(category_id: int) -> sa.Select[Any]:
    """The newest decision of each pair of a category, withdrawals among them."""
    newest = (
        sa.select(sa.func.max(DECISIONS.c.decision_id))
        .where(DECISIONS.c.category_id == category_id)
        .group_by(
            DECISIONS.c.variant_id,
            DECISIONS.c.lower_sha256,
            DECISIONS.c.higher_sha256,
            DECISIONS.c.kinds,
        )
    )
    return (
        sa.select(DECISIONS)
        .where(DECISIONS.c.decision_id.in_(newest.scalar_subquery()))
        .order_by(DECISIONS.c.decision_id)
    )


def _read(row: sa.RowMapping) -> Decision:
    return Decision(
        pair=Pair(
            row["category_id"],
            row["variant_id"],
            row["lower_sha256"],
            row["higher_sha256"],
            frozenset(map(Kind, row["kinds"].split(","))),
        ),
        verdict=DecisionVerdict(row["verdict"]),
        origin=DecisionOrigin(row["origin"]),
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        note=row["note"],
        carried_from=row["carried_from"],
    )


def _write_kinds(kinds: frozenset[Kind]) -> str:
    return ",".join(kind for kind in Kind if kind in kinds)
