"""Which findings of a category a page shows, and in which order: pure choices, no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from image_duplication.records import Kind
from image_duplication_web.review.category_files import CategoryContent, Finding
from image_duplication_web.review.finding_status import CategoryDecisions, Status, StatusFilter

PAGE_ROWS = 50


class FindingOrder(StrEnum):
    """What a list of findings may be sorted by."""

    CATALOGUE = "catalogue"  # as the category's files have them: by variant
    SELLER = "seller"
    KIND = "kind"
    STATUS = "status"
    VERDICT = "verdict"
    DISTANCE = "distance"


class FindingFilter(BaseModel):
    """What a person asked to see; empty: whatever it is. From the address, so it can be kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind | None = None
    seller: str = Field("", max_length=255)
    """The seller's whole id."""
    status: StatusFilter = StatusFilter.STANDING
    verdict: str = Field("", max_length=64)
    variant: str = Field("", max_length=255)
    """The whole id of a variant or a catalogue entry."""

    def matches(self, finding: Finding, decisions: CategoryDecisions) -> bool:
        """Whether a finding is asked for."""
        row = finding.row
        return (
            (self.kind is None or self.kind in (row["kinds"] or ()))
            and (not self.seller or self.seller == row["seller_id"])
            and (not self.verdict or self.verdict == finding.verdict)
            and (not self.variant or self.variant in (row["variant_id"], row["catalogue_id"]))
            and self.status.shows(decisions.status(finding))
        )


class FindingQuery(FindingFilter):
    """The same, in some order, and which page of it."""

    order: FindingOrder = FindingOrder.CATALOGUE
    descending: bool = False
    page: int = Field(1, ge=1, le=1_000_000)


@dataclass(frozen=True, slots=True)
class FindingPage:
    """Some of the findings that match, and how many there are; pages count from 1."""

    findings: Sequence[Finding]
    total: int
    page: int
    pages: int

    @property
    def first(self) -> int:
        """The place of the first finding shown, from 1."""
        return (self.page - 1) * PAGE_ROWS + 1


def find_matching(
    content: CategoryContent, decisions: CategoryDecisions, asked: FindingFilter
) -> list[Finding]:
    """The duplicates that match, in the order of the files."""
    return [finding for finding in content.duplicates if asked.matches(finding, decisions)]


def sort_findings(
    findings: Sequence[Finding], decisions: CategoryDecisions, query: FindingQuery
) -> list[Finding]:
    """The findings in the order asked for; equal ones stay as the files have them."""
    if query.order is FindingOrder.CATALOGUE:
        return list(reversed(findings)) if query.descending else list(findings)
    key = _KEYS[query.order]
    return sorted(findings, key=lambda one: key(one, decisions), reverse=query.descending)


def take_page(findings: Sequence[Finding], page: int) -> FindingPage:
    """One page; a page after the last is the last."""
    pages = max(1, math.ceil(len(findings) / PAGE_ROWS))
    page = min(page, pages)
    shown = findings[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    return FindingPage(shown, len(findings), page, pages)


_STATUSES = list(Status)

_KEYS: dict[FindingOrder, Callable[[Finding, CategoryDecisions], Any]] = {
    FindingOrder.SELLER: lambda finding, _: finding.row["seller_id"] or "",
    FindingOrder.KIND: lambda finding, _: " ".join(finding.row["kinds"] or ()),
    FindingOrder.STATUS: lambda finding, decisions: _STATUSES.index(decisions.status(finding)),
    FindingOrder.VERDICT: lambda finding, _: finding.verdict,
    # Distances of different engines cannot be compared.
    FindingOrder.DISTANCE: lambda finding, _: (
        finding.row["engine"] or "",
        finding.row["distance"] or 0.0,
    ),
}
