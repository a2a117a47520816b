"""Confirm, reject and undo, for findings by their ids or for all that a filter shows."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from image_duplication.records import DecisionVerdict
from image_duplication.store.decisions import LONGEST_NOTE, Decision, read_current, record
from image_duplication.store.leases import now_in_utc
from image_duplication_web.access import ActingUser
from image_duplication_web.review.category_files import CategoryContent, Finding
from image_duplication_web.review.finding_list import FindingFilter, find_matching
from image_duplication_web.review.finding_status import CategoryDecisions, Status
from image_duplication_web.review.requests import require_own_page
from image_duplication_web.review.reviewed_content import review_content
from image_duplication_web.review.sources import SourcesOfApp

logger = logging.getLogger(__name__)

_MOST_IDS = 500

router = APIRouter(dependencies=[Depends(require_own_page)])


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Matching(_Closed):
    """All findings that a filter shows, with what the page that showed them knew."""

    filter: FindingFilter
    version: str = Field(max_length=64)
    """Of the category's files."""
    count: int = Field(ge=1)
    """How many it showed."""


class DecisionRequest(_Closed):
    """A person's word on findings: either some by their ids, or all that match a filter."""

    verdict: DecisionVerdict
    """`withdrawn` takes back whatever holds."""
    finding_ids: tuple[str, ...] = Field((), max_length=_MOST_IDS)
    matching: Matching | None = None
    note: str = Field("", max_length=LONGEST_NOTE)

    @model_validator(mode="after")
    def _names_findings(self) -> DecisionRequest:
        if bool(self.finding_ids) == (self.matching is not None):
            raise ValueError("give either finding_ids or matching")
        return self


class DecidedFinding(_Closed):
    """How one finding stands now."""

    finding_id: str
    status: Status
    decided_by: str
    decided_at: datetime | None


class DecisionAnswer(_Closed):
    """How many findings the request was about, and how those stand that it named by their ids."""

    count: int
    findings: tuple[DecidedFinding, ...]


@router.post("/categories/{category_id}/decisions")
def decide(
    sources: SourcesOfApp,
    user: ActingUser,
    category_id: Annotated[int, Path(ge=0, lt=2**63)],
    asked: DecisionRequest,
) -> DecisionAnswer:
    """Record decisions, all or none.

    Status 409 where the category is no longer what the page showed: nothing is recorded then.
    """
    current = read_current(sources.store, category_id)
    content = sources.files.read(category_id, is_latest=True)
    if asked.matching is not None and asked.matching.filter.verdict:
        content = review_content(sources.files, content, current)
    before = CategoryDecisions.of(current)
    findings = _find_asked(content, before, asked)
    now = now_in_utc()
    decisions: dict[object, Decision] = {}
    for finding in findings:
        for decision in before.to_record(
            finding, asked.verdict, user=user.name, now=now, note=asked.note
        ):
            decisions[decision.pair] = decision  # equal bytes give one pair in several findings
    record(sources.store, list(decisions.values()))
    logger.info(
        "category %d: %s %s %d findings, %d decisions recorded",
        category_id, user.name, asked.verdict.value, len(findings), len(decisions),
    )  # fmt: skip
    if asked.matching is not None:
        return DecisionAnswer(count=len(findings), findings=())
    after = CategoryDecisions.of(read_current(sources.store, category_id))
    return DecisionAnswer(
        count=len(findings), findings=tuple(_describe(finding, after) for finding in findings)
    )


def _find_asked(
    content: CategoryContent, decisions: CategoryDecisions, asked: DecisionRequest
) -> list[Finding]:
    if not content.is_whole:
        raise HTTPException(409, "A run is writing this category. Wait for its end, then reload.")
    if asked.matching is not None:
        findings = find_matching(content, decisions, asked.matching.filter)
        if content.version != asked.matching.version or len(findings) != asked.matching.count:
            raise HTTPException(
                409,
                f"The findings have changed since this page was loaded: {len(findings)} match now, "
                f"the page showed {asked.matching.count}. Nothing was recorded. Reload and look.",
            )
    else:
        known = {finding.finding_id: finding for finding in content.duplicates}
        gone = [one for one in asked.finding_ids if one not in known]
        if gone:
            raise HTTPException(
                409,
                f"{len(gone)} of the findings are no longer what this page showed: a run has "
                "judged other pictures since. Nothing was recorded. Reload and look.",
            )
        findings = [known[one] for one in dict.fromkeys(asked.finding_ids)]
    if any(finding.pair is None for finding in findings):
        raise HTTPException(
            409,
            "A finding was judged by an earlier release, which kept no kinds. Nothing was "
            "recorded. Run the DAG with scope full for this category.",
        )
    return findings


def _describe(finding: Finding, decisions: CategoryDecisions) -> DecidedFinding:
    decision = decisions.find(finding)
    return DecidedFinding(
        finding_id=finding.finding_id,
        status=decisions.status(finding),
        decided_by="" if decision is None else decision.decided_by,
        decided_at=None if decision is None else decision.decided_at,
    )
