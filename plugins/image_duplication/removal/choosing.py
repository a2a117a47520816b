"""Which images of one variant may be proposed for removal: pure decisions, no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from image_duplication.judged_variants import JudgedVariant
from image_duplication.records import Action, ExclusionReason, Relation
from image_duplication.reviews import Reviews
from image_duplication.tables import Row


def choose_images(variant: JudgedVariant, reviews: Reviews) -> tuple[list[Row], Counter[str]]:
    """A variant's rows of `tables.REMOVED_IMAGES`, and why its other redundant images are none."""
    groups = _Groups.of(variant)
    excluded: Counter[str] = Counter()
    chosen: list[Row] = []
    left = Counter(row["image_id"] for row in groups.listed)
    usable = {row["image_id"] for row in groups.listed if row["is_usable"]}
    for redundant, keeper, finding in _find_redundant(groups):
        reason = _find_exclusion(groups, reviews, redundant, keeper, finding)
        if reason is None and (left.total() <= 1 or not usable - {redundant}):
            reason = ExclusionReason.LAST_PICTURE
        if reason is not None:
            excluded[reason] += 1
            continue
        del left[redundant]
        usable.discard(redundant)
        chosen.append(_manifest_row(groups, reviews, redundant, keeper, finding))
    return chosen, excluded


@dataclass(frozen=True, slots=True)
class _Groups:
    """One variant's images and duplicate findings, ready to be looked up."""

    variant_id: str
    listed: list[Row]
    images: dict[str, Row]  # with a picture, by image id
    repeats: Counter[str]
    findings: list[Row]
    keepers: frozenset[str]

    @classmethod
    def of(cls, variant: JudgedVariant) -> _Groups:
        listed = [row for row in variant.images if row["image_id"] is not None]
        findings = [row for row in variant.findings if row["relation"] == Relation.DUPLICATE]
        return cls(
            variant.variant_id,
            listed,
            {row["image_id"]: row for row in listed if row["content_sha256"]},
            Counter(row["image_id"] for row in listed),
            findings,
            frozenset(row["keeper_image_id"] for row in findings),
        )

    def find_ties(self, base: str, image_id: str) -> list[Row]:
        """The finding of a base and one member of its group, if there is one."""
        return [
            finding
            for finding in self.findings
            if (finding["base_image_id"], finding["duplicate_image_id"]) == (base, image_id)
        ]


def _find_redundant(groups: _Groups) -> Iterator[tuple[str, str, Row]]:
    """Each redundant image once, with its keeper and the finding that names it."""
    seen = set()
    for finding in groups.findings:
        if finding["action"] == Action.REMOVE_DUPLICATE:
            redundant = finding["duplicate_image_id"]
        elif finding["action"] == Action.REMOVE_BASE:
            redundant = finding["base_image_id"]
        else:
            continue
        if redundant not in seen:
            seen.add(redundant)
            yield redundant, finding["keeper_image_id"], finding


def _find_exclusion(
    groups: _Groups, reviews: Reviews, redundant: str, keeper: str, finding: Row
) -> ExclusionReason | None:
    """Why an image is not to be proposed; the last picture is the caller's concern."""
    images = groups.images
    if redundant in groups.keepers:
        return ExclusionReason.IS_KEEPER
    if not _is_of_state(images, finding) or keeper not in images:
        return ExclusionReason.STATE_DIFFERS
    if max(groups.repeats[redundant], groups.repeats[keeper]) > 1:
        return ExclusionReason.IMAGE_REPEATED
    return _find_lacking_review(groups, reviews, redundant, keeper, finding)


def _find_lacking_review(
    groups: _Groups, reviews: Reviews, redundant: str, keeper: str, finding: Row
) -> ExclusionReason | None:
    images = groups.images
    # Where a third image of the group is kept, it must be the same picture as the base too.
    is_third = keeper not in {finding["base_image_id"], finding["duplicate_image_id"]}
    ties = groups.find_ties(finding["base_image_id"], keeper) if is_third else []
    pairs = [(tie["base_sha256"], tie["duplicate_sha256"]) for tie in (finding, *ties)]
    pairs.append((images[redundant]["content_sha256"], images[keeper]["content_sha256"]))
    if any(reviews.is_rejected(groups.variant_id, *pair) for pair in pairs):
        return ExclusionReason.REJECTED
    if not reviews.accepts(finding):
        return ExclusionReason.NOT_CONFIRMED
    is_tied = any(_is_of_state(images, tie) and reviews.accepts(tie) for tie in ties)
    return ExclusionReason.KEEPER_NOT_CONFIRMED if is_third and not is_tied else None


def _is_of_state(images: Mapping[str, Row], finding: Row) -> bool:
    """Whether both sides of a finding have the bytes that the images' rows say."""
    return all(
        (image := images.get(finding[f"{side}_image_id"])) is not None
        and image["content_sha256"] == finding[f"{side}_sha256"]
        for side in ("base", "duplicate")
    )


def _manifest_row(
    groups: _Groups, reviews: Reviews, redundant: str, keeper: str, finding: Row
) -> Row:
    image, kept = groups.images[redundant], groups.images[keeper]
    return {
        "category_id": finding["category_id"],
        "variant_id": groups.variant_id,
        "image_id": redundant,
        "image_url": image["image_url"],
        "position": image["position"],
        "updated_at": image["updated_at"],
        "content_sha256": image["content_sha256"],
        "keeper_image_id": keeper,
        "keeper_image_url": kept["image_url"],
        "keeper_updated_at": kept["updated_at"],
        "keeper_sha256": kept["content_sha256"],
        "kinds": finding["kinds"] or [],
        "sentence": finding["sentence"],
        "decision_id": reviews.find_decision(finding),
    }
