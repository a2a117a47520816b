"""What people have decided about one category's pairs, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from image_duplication.records import DecisionVerdict, Kind
from image_duplication.store.decisions import Contents, Decision, Pair
from image_duplication.tables import Row


@dataclass(frozen=True, slots=True)
class Reviews:
    """What people have decided about one category's pairs.

    `allows_unreviewed_identical`: findings of equal bytes need no decision.
    """

    confirmed: Mapping[str, Mapping[Pair, int]]  # by variant: the pairs' newest decisions
    rejected: frozenset[Contents]
    allows_unreviewed_identical: bool

    @classmethod
    def of(
        cls,
        decisions: Mapping[Pair, tuple[int, Decision]],
        *,
        allows_unreviewed_identical: bool,
    ) -> Reviews:
        """From the decisions that hold.

        A rejected pair of contents is rejected whatever kinds it is reported with today.
        """
        confirmed: dict[str, dict[Pair, int]] = {}
        rejected = set()
        for pair, (number, decision) in decisions.items():
            if decision.verdict is DecisionVerdict.CONFIRMED:
                confirmed.setdefault(pair.variant_id, {})[pair] = number
            elif decision.verdict is DecisionVerdict.REJECTED:
                rejected.add(pair.contents)
        return cls(confirmed, frozenset(rejected), allows_unreviewed_identical)

    def is_rejected(self, variant_id: str, first_sha256: str, second_sha256: str) -> bool:
        """Whether a person has said that the two contents are different pictures."""
        lower, higher = sorted((first_sha256, second_sha256))
        return (variant_id, lower, higher) in self.rejected

    def still_accepts(self, row: Row) -> bool:
        """Whether nobody has gone back on what a row of `tables.REMOVED_IMAGES` rests on."""
        if self.is_rejected(row["variant_id"], row["content_sha256"], row["keeper_sha256"]):
            return False
        return row["decision_id"] is None or any(
            pair.kinds == frozenset(row["kinds"])
            # The other one is the base: where a third picture is kept, it must be the same as that.
            and not self.is_rejected(row["variant_id"], other, row["keeper_sha256"])
            for pair in self.confirmed.get(row["variant_id"], ())
            if (other := pair.find_other(row["content_sha256"]))
        )

    def find_decision(self, finding: Row) -> int | None:
        """The number of the decision that confirms a finding."""
        pair = Pair.of(
            finding["category_id"],
            finding["variant_id"],
            (finding["base_sha256"], finding["duplicate_sha256"]),
            finding["kinds"] or (),  # null in the state of an earlier release
        )
        return self.confirmed.get(pair.variant_id, {}).get(pair)

    def accepts(self, finding: Row) -> bool:
        """Whether a finding is confirmed, or needs no confirmation."""
        is_identical = set(finding["kinds"] or ()) == {Kind.IDENTICAL}
        return self.find_decision(finding) is not None or (
            is_identical and self.allows_unreviewed_identical
        )
