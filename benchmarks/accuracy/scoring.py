"""From judged pairs to figures: recall, false accusations with their intervals, kinds, goals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.accuracy.dataset import PairLabel
from benchmarks.accuracy.engines import NAME
from benchmarks.accuracy.hard_negatives import Category
from benchmarks.accuracy.intervals import Share, resampled, wilson
from benchmarks.accuracy.modifications import Family
from benchmarks.accuracy.outcomes import PairGroup

DUPLICATES_ONLY = "duplicates only"
"""The project's recall when `related` never counts."""


@dataclass(frozen=True, slots=True)
class FamilyGoal:
    """Families that share a goal: the least mean recall over their modifications."""

    name: str
    goal: float
    families: tuple[Family, ...]


FAMILY_GOALS: tuple[FamilyGoal, ...] = (
    FamilyGoal(
        "re-encode, resize, stretch, orientation, EXIF, filter, photometric, colour",
        0.995,
        (
            Family.REENCODE,
            Family.RESIZE,
            Family.STRETCH,
            Family.ORIENTATION,
            Family.EXIF,
            Family.FILTER,
            Family.PHOTOMETRIC,
            Family.COLOUR,
        ),
    ),
    FamilyGoal(
        "border, badge, watermark, crop to 25%, small rotation, perspective, combinations",
        0.97,
        (
            Family.BORDER,
            Family.BADGE,
            Family.WATERMARK_SMALL,
            Family.WATERMARK_LARGE,
            Family.WATERMARK_TILED,
            Family.CROP,
            Family.SMALL_ROTATION,
            Family.PERSPECTIVE,
            Family.COMBINATION,
        ),
    ),
    FamilyGoal(
        "crop 40%, zoom x2, inset, collage (related counts)",
        0.93,
        (Family.CROP_40, Family.ZOOM, Family.INSET, Family.COLLAGE),
    ),
    FamilyGoal("background swap", 0.80, (Family.BACKGROUND_SWAP,)),
    FamilyGoal("inverted colours", 0.80, (Family.INVERTED,)),
)

PRIMARY_GOAL = 0.98
COPIES_GOAL = 0.95
WITHIN_PAIRS_GOAL = 0.0025
WITHIN_PRODUCTS_GOAL = 0.01
CROSS_GOAL = 0.001
HARD_GOAL = 0.01
KINDS_GOAL = 0.90
CPU_PER_IMAGE_MS_GOAL = 7.0
CPU_PER_CANDIDATE_PAIR_MS_GOAL = 20.0


@dataclass(frozen=True, slots=True)
class GoalLine:
    """One goal beside what was measured. `is_met` None: there was nothing to measure."""

    name: str
    goal: str
    measured: str
    is_met: bool | None


# --- recall ------------------------------------------------------------------------------------


def recall_by_modification(positives: pd.DataFrame, detectors: Sequence[str]) -> pd.DataFrame:
    """Per modification, in the order of the data: family, pairs, skipped, recall per detector."""
    judged = positives[positives["is_applicable"]]
    grouped = judged.groupby("modification", sort=False)
    table = grouped[[*detectors, "is_duplicate"]].mean()
    table = table.rename(columns={"is_duplicate": DUPLICATES_ONLY})
    by_name = positives.groupby("modification", sort=False)
    table.insert(0, "family", by_name["family"].first())
    table.insert(1, "is_primary", by_name["is_primary"].first())
    table.insert(2, "pairs", grouped.size())
    table.insert(3, "skipped", by_name["is_applicable"].apply(lambda made: int((~made).sum())))
    return table


def recall_by_family(modifications: pd.DataFrame, detectors: Sequence[str]) -> pd.DataFrame:
    """Per family, each modification weighted equally: modifications, pairs, skipped, recall."""
    grouped = modifications.groupby("family", sort=False)
    table = grouped[[*detectors, DUPLICATES_ONLY]].mean()
    table.insert(0, "modifications", grouped.size())
    table.insert(1, "pairs", grouped["pairs"].sum())
    table.insert(2, "skipped", grouped["skipped"].sum())
    order = [family.value for family in Family if family.value in table.index]
    return table.loc[order]


def primary_recall(modifications: pd.DataFrame, detector: str) -> float:
    """Mean recall over all modifications but background swap and inversion."""
    return float(modifications.loc[modifications["is_primary"], detector].mean())


def group_recall(modifications: pd.DataFrame, goal: FamilyGoal, detector: str) -> float:
    """Mean recall over the modifications of a goal's families; NaN if none was judged."""
    names = [family.value for family in goal.families]
    return float(modifications.loc[modifications["family"].isin(names), detector].mean())


# --- false accusations -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accusations:
    """What one detector says of pairs that nobody made; hard pairs by their category.

    Copies matched are those found and those reported as `related`.
    """

    pairs: Share
    products: Share
    copies_found: Share
    copies_matched: Share
    near_flagged: Share
    cross: Share
    hard: dict[str, Share]
    related_pairs: int


def count_accusations(pairs: pd.DataFrame, detector: str, seed: int) -> Accusations:
    """The figures of one detector; intervals of honest pairs are resampled by product."""
    within = pairs[pairs["group"] == PairGroup.WITHIN]
    honest = within[within["category"] == PairLabel.HONEST]
    by_product = honest.groupby("product")[detector].any()
    names = pd.Series(by_product.index, index=by_product.index)
    copies = within[within["category"] == PairLabel.DUP]
    matched = copies[detector] | (copies["is_related"] & (detector == NAME))
    cross = pairs[pairs["group"] == PairGroup.CROSS]
    hard = pairs[pairs["group"] == PairGroup.HARD]
    related = int(honest["is_related"].sum()) if detector == NAME else 0
    return Accusations(
        pairs=resampled(honest[detector], honest["product"], seed),
        products=resampled(by_product, names, seed),
        copies_found=_count(copies, detector),
        copies_matched=wilson(int(matched.sum()), len(copies)),
        near_flagged=_count(within[within["category"] == PairLabel.NEAR], detector),
        cross=_count(cross, detector),
        hard={
            category.value: _count(hard[hard["category"] == category], detector)
            for category in Category
        },
        related_pairs=related,
    )


def _count(pairs: pd.DataFrame, detector: str) -> Share:
    return wilson(int(pairs[detector].sum()), len(pairs))


def by_source(positives: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The project's figures source by source, as a check that no shop carries them alone."""
    within = pairs[pairs["group"] == PairGroup.WITHIN]
    lines = []
    for source in sorted({*within["source"], *positives["source"]}):
        own = within[within["source"] == source]
        honest = own[own["category"] == PairLabel.HONEST]
        copies = own[own["category"] == PairLabel.DUP]
        judged = positives[(positives["source"] == source) & positives["is_applicable"]]
        primary = judged[judged["is_primary"]]
        lines.append(
            {
                "source": source,
                "products": int(honest["product"].nunique()),
                "honest_pairs": len(honest),
                "flagged_pairs": int(honest[NAME].sum()),
                "flagged_products": int(honest.loc[honest[NAME], "product"].nunique()),
                "related_pairs": int(honest["is_related"].sum()),
                "copies": len(copies),
                "copies_found": int(copies[NAME].sum()),
                "modified_pairs": len(primary),
                "primary_recall": float(primary.groupby("modification")[NAME].mean().mean()),
            }
        )
    return pd.DataFrame(lines).set_index("source")


# --- kinds -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kinds:
    """How often the kinds were exactly right, by what was expected, and what was said instead.

    Judged are single modifications that were found and that show. `confusion` has the columns
    expected_kinds, kinds, modification, pairs; the most frequent first.
    """

    right: int
    total: int
    invisible: int
    by_expected: pd.DataFrame
    confusion: pd.DataFrame

    @property
    def share(self) -> float:
        """The share of exactly right ones; NaN where nothing was judged."""
        return self.right / self.total if self.total else math.nan


def score_kinds(positives: pd.DataFrame) -> Kinds:
    """Compare the kinds of the project's findings with the expected ones, as sets."""
    found = positives[
        positives["is_single"]
        & positives["is_applicable"]
        & (positives["is_duplicate"] | positives["is_related"])
    ]
    shown = found[found["is_visible"]]
    is_right = shown["kinds"] == shown["expected_kinds"]
    by_expected = is_right.groupby(shown["expected_kinds"]).agg(["sum", "size"])
    by_expected.columns = pd.Index(["right", "pairs"])
    wrong = shown[~is_right].groupby(["expected_kinds", "kinds", "modification"]).size()
    confusion = wrong.rename("pairs").reset_index().sort_values("pairs", ascending=False)
    invisible = int((~found["is_visible"]).sum())
    return Kinds(int(is_right.sum()), len(shown), invisible, by_expected, confusion)


# --- goals -------------------------------------------------------------------------------------


def _at_least(name: str, goal: float, measured: float) -> GoalLine:
    is_met = None if math.isnan(measured) else measured >= goal
    return GoalLine(name, f"at least {goal:.1%}", f"{measured:.2%}", is_met)


def _share_at_least(name: str, goal: float, share: Share) -> GoalLine:
    is_met = share.value >= goal if share.total else None
    return GoalLine(name, f"at least {goal:.1%}", str(share), is_met)


def _share_at_most(name: str, goal: float, share: Share) -> GoalLine:
    is_met = share.value <= goal if share.total else None
    return GoalLine(name, f"at most {goal:.2%}", str(share), is_met)


def recall_goals(modifications: pd.DataFrame) -> list[GoalLine]:
    """The goals of recall, the primary one first."""
    lines = [_at_least("primary: mean recall", PRIMARY_GOAL, primary_recall(modifications, NAME))]
    for goal in FAMILY_GOALS:
        lines.append(_at_least(goal.name, goal.goal, group_recall(modifications, goal, NAME)))
    return lines


def accusation_goals(own: Accusations) -> list[GoalLine]:
    """The goals of honest pairs, and of the real copies among them."""
    lines = [
        _share_at_least("real copies found, close-ups among them", COPIES_GOAL, own.copies_matched),
        _share_at_most("true different views, pairs", WITHIN_PAIRS_GOAL, own.pairs),
        _share_at_most("true different views, products", WITHIN_PRODUCTS_GOAL, own.products),
        _share_at_most("pictures of different products", CROSS_GOAL, own.cross),
    ]
    return lines + [_share_at_most(name, HARD_GOAL, share) for name, share in own.hard.items()]


def kinds_goal(kinds: Kinds) -> GoalLine:
    """The goal of kinds."""
    return _at_least("kinds right, single modifications", KINDS_GOAL, kinds.share)


def goal_of_family(family: str) -> float:
    """The goal that a family's group has."""
    return next(
        goal.goal for goal in FAMILY_GOALS if family in {known.value for known in goal.families}
    )
