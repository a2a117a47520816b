"""One variant as its page shows it: pictures in order, pairs with their evidence, decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from image_duplication.judged_variants import JudgedVariant, list_images, number_images
from image_duplication.overlays import find_overlay
from image_duplication.records import Role
from image_duplication.reviewed_category import review_variant
from image_duplication.reviews import Reviews
from image_duplication.store.database import Store
from image_duplication.store.decisions import Decision, read_current, read_history
from image_duplication.tables import Row
from image_duplication_web.review.category_files import CategoryContent, CategoryFiles, Finding
from image_duplication_web.review.finding_status import CategoryDecisions, Status


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One picture: its number in the variant from 1, its row, what it is, in words."""

    number: int
    row: Row
    role: str
    is_keeper: bool
    has_content: bool


@dataclass(frozen=True, slots=True)
class ShownPair:
    """Two pictures of a finding, by their numbers in the variant, and the evidence in words.

    `overlay` lays the second over the first: nine numbers as compare.js takes them, or nothing.
    """

    finding: Finding
    status: Status
    decision: Decision | None
    numbers: tuple[int | None, int | None]
    overlay: str
    figures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShownVariant:
    """Everything on the page of a variant."""

    variant_id: str
    verdict: Row  # with what people have rejected
    pictures: Sequence[ShownPicture]
    pairs: Sequence[ShownPair]
    history: Sequence[tuple[Decision, tuple[str, str]]]


def read_variant(
    files: CategoryFiles, store: Store, content: CategoryContent, variant_id: str
) -> ShownVariant:
    """A variant of the category's content."""
    category_id = content.category_id
    evidence = {
        _contents(row["first_sha256"], row["second_sha256"]): row
        for row in files.read_evidence(category_id, variant_id)
    }
    current = read_current(store, category_id)
    decisions = CategoryDecisions.of(current)
    judged = JudgedVariant(
        variant_id,
        content.verdicts[variant_id],
        files.read_images(category_id, variant_id),
        [],
    )
    reviewed = review_variant(judged, Reviews.of(current, allows_unreviewed_identical=False))
    images = list_images(reviewed.images)
    numbers = number_images(images)
    findings = [one for one in content.findings if one.row["variant_id"] == variant_id]
    return ShownVariant(
        variant_id=variant_id,
        verdict=reviewed.verdict,
        pictures=_show_pictures(images, numbers, content),
        pairs=[_show_pair(finding, decisions, numbers, evidence) for finding in findings],
        history=[
            (decision, _names(decision, images))
            for decision in reversed(read_history(store, category_id, variant_id))
        ],
    )


def _show_pictures(
    images: Sequence[Row], numbers: Mapping[str, int], content: CategoryContent
) -> Sequence[ShownPicture]:
    copies: dict[str, list[str]] = {}
    for row in images:
        if row["role"] == Role.DUPLICATE:
            copies.setdefault(row["base_image_id"], []).append(str(numbers[row["image_id"]]))
    keepers = {row["keeper_image_id"] for row in images if row["base_image_id"] in copies}
    return [
        ShownPicture(
            number,
            row,
            _describe_role(row, numbers, copies),
            is_keeper=row["image_id"] in keepers and numbers[row["image_id"]] == number,
            has_content=row["content_sha256"] in content.pictures,
        )
        for number, row in enumerate(images, start=1)
    ]


def _describe_role(
    row: Row, numbers: Mapping[str, int], copies: Mapping[str, Sequence[str]]
) -> str:
    if row["role"] == Role.DUPLICATE:
        return f"repeats picture {numbers.get(row['base_image_id'], '?')}"
    if row["role"] == Role.UNJUDGED:
        return f"not judged: {(row['reason_code'] or 'unknown').replace('_', ' ')}"
    if row["is_usable"] is False:
        return "does not count"
    if row["image_id"] in copies:
        return f"shown again as {', '.join(copies[row['image_id']])}"
    return "a picture of its own"


def _show_pair(
    finding: Finding,
    decisions: CategoryDecisions,
    numbers: Mapping[str, int],
    evidence: Mapping[tuple[str, str], Row],
) -> ShownPair:
    row = finding.row
    found = evidence.get(_contents(row["base_sha256"], row["duplicate_sha256"]))
    overlay = find_overlay(
        found,
        engine=row["engine"],
        below_sha256=row["base_sha256"],
        above_sha256=row["duplicate_sha256"],
    )
    return ShownPair(
        finding=finding,
        status=decisions.status(finding),
        decision=decisions.find(finding),
        numbers=(numbers.get(row["base_image_id"]), numbers.get(row["duplicate_image_id"])),
        overlay=" ".join(f"{number:.9g}" for number in overlay or ()),
        figures=_figures(found),
    )


_FIGURES = {
    "overlap_first": "overlap, of the first picture",
    "overlap_second": "overlap, of the second picture",
    "fine_agreement": "texture that agrees, fine",
    "coarse_agreement": "texture that agrees, coarse",
    "contradicted": "places that contradict",
    "edges_kept": "edges kept",
    "edges_added": "edges added",
    "recoloured": "colour changed",
}


def _figures(found: Row | None) -> dict[str, str]:
    """The figures that a person can make something of."""
    if found is None:
        return {}
    told = {"mean squared error": f"{found['mse']:.1f}"}
    if found["thumbnail_correlation"] is not None:
        told["likeness of thumbnails"] = f"{found['thumbnail_correlation']:.2f}"
    alignment = found["alignment"]
    if alignment is None:
        return told | {"laid over each other": "found no way"}
    told |= {words: f"{alignment[name]:.0%}" for name, words in _FIGURES.items()}
    told["points that agree"] = f"{alignment['keypoints']}"
    return told


def _names(decision: Decision, images: Sequence[Row]) -> tuple[str, str]:
    """The two pictures of a decision by their number, or by their content where they are gone."""
    numbers = {row["content_sha256"]: str(n) for n, row in reversed([*enumerate(images, 1)])}
    first, second = (
        numbers.get(sha256, f"({sha256[:8]}…, no longer shown)")
        for sha256 in (decision.pair.lower_sha256, decision.pair.higher_sha256)
    )
    return first, second


def _contents(first_sha256: str | None, second_sha256: str | None) -> tuple[str, str]:
    lower, higher = sorted((first_sha256 or "", second_sha256 or ""))
    return lower, higher
