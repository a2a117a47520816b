"""What people have decided about a category's findings, and what a further word would record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from image_duplication.records import DecisionOrigin, DecisionVerdict
from image_duplication.store.decisions import Contents, Decision, Pair
from image_duplication_web.review.category_files import Finding


class Status(StrEnum):
    """Where a finding is between judgement and removal."""

    OPEN = "open"  # nobody has decided, or the decision was taken back
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class StatusFilter(StrEnum):
    """Which of these a list shows; what was rejected comes back only when it is asked for."""

    STANDING = "standing"  # open and confirmed
    OPEN = "open"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    ALL = "all"

    def shows(self, status: Status) -> bool:
        """Whether findings of a status are shown."""
        if self is StatusFilter.STANDING:
            return status is not Status.REJECTED
        return self is StatusFilter.ALL or self.value == status.value


_STATUS_OF = {
    DecisionVerdict.CONFIRMED: Status.CONFIRMED,
    DecisionVerdict.REJECTED: Status.REJECTED,
}


@dataclass(frozen=True, slots=True)
class CategoryDecisions:
    """The decisions of a category that hold."""

    by_contents: Mapping[Contents, tuple[Decision, ...]]

    @classmethod
    def of(cls, current: Mapping[Pair, tuple[int, Decision]]) -> CategoryDecisions:
        """From what `store.decisions.read_current` gives."""
        found: dict[Contents, tuple[Decision, ...]] = {}
        for _, decision in sorted(current.values(), key=lambda numbered: numbered[0]):
            contents = decision.pair.contents
            found[contents] = (*found.get(contents, ()), decision)
        return cls(found)

    def find(self, finding: Finding) -> Decision | None:
        """The decision that makes a finding what it is.

        A rejected pair of contents is rejected whatever kinds it is reported with today; a
        confirmed one is confirmed with the kinds that the reviewer saw.
        """
        holding = list(self._holding(finding))
        rejections = [one for one in holding if one.verdict is DecisionVerdict.REJECTED]
        return next(reversed(rejections or holding), None)

    def status(self, finding: Finding) -> Status:
        """Where the finding is."""
        decision = self.find(finding)
        return Status.OPEN if decision is None else _STATUS_OF[decision.verdict]

    def _holding(self, finding: Finding) -> Iterator[Decision]:
        if finding.pair is not None:
            for decision in self.by_contents.get(finding.pair.contents, ()):
                is_own = decision.pair == finding.pair
                if is_own or decision.verdict is DecisionVerdict.REJECTED:
                    yield decision

    def to_record(
        self, finding: Finding, verdict: DecisionVerdict, *, user: str, now: datetime, note: str
    ) -> list[Decision]:
        """What makes the finding as `verdict` says: nothing where it is so already.

        `now` is in UTC, without a zone. To confirm takes back what was rejected of the same
        contents with other kinds, for else the pair would stay rejected.
        """
        if finding.pair is None:
            return []
        holding = list(self._holding(finding))
        said: dict[Pair, DecisionVerdict] = {}
        if verdict is not DecisionVerdict.REJECTED:
            said = {d.pair: DecisionVerdict.WITHDRAWN for d in holding if d.verdict is not verdict}
        if verdict is not DecisionVerdict.WITHDRAWN and all(
            d.verdict is not verdict for d in holding
        ):
            said[finding.pair] = verdict
        return [
            Decision(pair, word, DecisionOrigin.REVIEW, user, now, note)
            for pair, word in said.items()
        ]
