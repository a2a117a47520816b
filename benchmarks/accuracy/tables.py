"""The figures of a run as tables for a terminal, as CSV files, and as a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy.cross_validation import MOST_FLAGGED, CrossValidation, Figures
from benchmarks.accuracy.dataset import PairLabel
from benchmarks.accuracy.engines import NAME
from benchmarks.accuracy.intervals import Share
from benchmarks.accuracy.outcomes import PairGroup
from benchmarks.accuracy.scoring import (
    CPU_PER_CANDIDATE_PAIR_MS_GOAL,
    CPU_PER_IMAGE_MS_GOAL,
    DUPLICATES_ONLY,
    HARD_GOAL,
    Accusations,
    GoalLine,
    Kinds,
    goal_of_family,
    primary_recall,
)
from benchmarks.accuracy.timing import PICTURES_PER_VARIANT, Timing

_CONFUSIONS_SHOWN = 20
_ACCUSATIONS_SHOWN = 25
_WORST_SHOWN = 20
_MET = {True: "[green]met[/]", False: "[bold red]missed[/]", None: "[yellow]not measured[/]"}


def _table(title: str, *columns: str, first: int = 1) -> Table:
    """An empty table; all but its first columns hold figures."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < first else "right", overflow="fold")
    return table


def _percent(share: float, digits: int = 1) -> str:
    return "-" if math.isnan(share) else f"{share:.{digits}%}"


# --- terminal ----------------------------------------------------------------------------------


def print_goals(console: Console, goals: Sequence[GoalLine]) -> None:
    """Every goal beside its figure, and whether it is met."""
    table = _table("Goals", "figure", "goal", "measured", "", first=4)
    for line in goals:
        table.add_row(line.name, line.goal, line.measured, _MET[line.is_met])
    console.print(table)
    missed = [line.name for line in goals if line.is_met is False]
    met = sum(line.is_met is True for line in goals)
    console.print(f"{met} of {len(goals)} goals met.")
    if missed:
        console.print(f"[bold red]missed:[/] {'; '.join(missed)}")


def print_families(console: Console, families: pd.DataFrame, detectors: Sequence[str]) -> None:
    """Recall by family, the detectors side by side."""
    columns = ("family", "goal", "modif.", "pairs", "skipped", NAME, DUPLICATES_ONLY)
    table = _table("Recall by family", *columns, *detectors[1:])
    for family, row in families.iterrows():
        goal = goal_of_family(str(family))
        own = _percent(row[NAME])
        cells = [own if row[NAME] >= goal else f"[red]{own}[/]", _percent(row[DUPLICATES_ONLY])]
        counts = [f"{int(row[name]):,}" for name in ("modifications", "pairs", "skipped")]
        peers = [_percent(row[name]) for name in detectors[1:]]
        table.add_row(str(family), _percent(goal), *counts, *cells, *peers)
    console.print(table)
    console.print(
        "Red: below the goal of its group. Skipped: the modification could not be made of that "
        f"view. {DUPLICATES_ONLY}: `related` never counts."
    )


def print_worst(console: Console, modifications: pd.DataFrame) -> None:
    """The modifications that are found least."""
    table = _table("Least found modifications", "modification", "family", "pairs", NAME, first=2)
    for name, row in modifications.sort_values(NAME).head(_WORST_SHOWN).iterrows():
        table.add_row(str(name), row["family"], f"{row['pairs']:,}", _percent(row[NAME]))
    console.print(table)


def print_detectors(
    console: Console, modifications: pd.DataFrame, accusations: Mapping[str, Accusations]
) -> None:
    """Recall and false accusations, a column to a detector."""
    table = _table("Detectors side by side", "", *accusations)
    table.add_row(
        "primary recall", *(_percent(primary_recall(modifications, name)) for name in accusations)
    )
    rows = {
        "real copies found": [_short(of.copies_found) for of in accusations.values()],
        "  related besides": [_related(of) for of in accusations.values()],
        "near pairs flagged": [_short(of.near_flagged) for of in accusations.values()],
        "honest pairs flagged": [_short(of.pairs) for of in accusations.values()],
        "  95% interval": [_interval(of.pairs) for of in accusations.values()],
        "honest products flagged": [_short(of.products) for of in accusations.values()],
        "  95% interval ": [_interval(of.products) for of in accusations.values()],
        "different products": [_short(of.cross) for of in accusations.values()],
    }
    for category in next(iter(accusations.values())).hard:
        rows[category] = [_short(of.hard[category]) for of in accusations.values()]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console.print(table)
    own = accusations[NAME]
    console.print(
        f"Besides, {own.related_pairs} honest pairs are reported as `related`, which accuses "
        "nobody. Intervals of honest pairs come from drawing products with replacement; where none "
        "was flagged the upper limit is Clopper and Pearson's."
    )


def _short(share: Share) -> str:
    return f"{share.count}/{share.total:,} {_percent(share.value)}" if share.total else "none"


def _related(of: Accusations) -> str:
    return str(of.copies_matched.count - of.copies_found.count)


def _interval(share: Share) -> str:
    return f"{share.low:.2%} - {share.high:.2%}" if share.total else "-"


def print_sources(console: Console, sources: pd.DataFrame) -> None:
    """The project's figures by source."""
    columns = ("products", "honest pairs", "flagged", "products flagged", "related", "copies found")
    table = _table("By source", "source", *columns, "primary recall")
    for source, row in sources.iterrows():
        table.add_row(
            str(source),
            str(int(row["products"])),
            str(int(row["honest_pairs"])),
            str(int(row["flagged_pairs"])),
            str(int(row["flagged_products"])),
            str(int(row["related_pairs"])),
            f"{int(row['copies_found'])}/{int(row['copies'])}",
            _percent(row["primary_recall"]),
        )
    console.print(table)


def print_cross_validation(console: Console, validation: CrossValidation) -> None:
    """Each source beside itself: with the settings, and with limits chosen without it."""
    flagged = ("honest flagged", "different products", "hard, of photos")
    table = _table(
        "Cross-validation by source: as set → held out", "held out", "primary recall", *flagged
    )
    limits = _table("Limits chosen on the other sources", "held out", *validation.limits)
    limits.add_row("(as set)", *(f"{value:g}" for value in validation.limits.values()))
    for fold in validation.folds:
        table.add_row(fold.source, *_compared(fold.as_is, fold.held_out))
        limits.add_row(fold.source, *(f"{value:g}" for value in fold.limits.values()))
    table.add_row("pooled", *_compared(validation.as_is, validation.held_out))
    console.print(table)
    console.print(limits)
    bounds = ", ".join(f"{share:.2%} ({group.value})" for group, share in MOST_FLAGGED.items())
    console.print(
        "As set: with the settings, whose limits were chosen while looking at all sources. Held "
        "out: with limits chosen on the other sources alone, for the highest recall while of the "
        f"pairs there that nobody made these shares are flagged at most: {bounds}. A pair of two "
        "sources counts with both."
    )


def _compared(as_is: Figures, held_out: Figures) -> tuple[str, ...]:
    recall = f"{_percent(as_is.recall)} → {_percent(held_out.recall)}"
    found = f"{as_is.found:,} → {held_out.found:,} of {as_is.modified:,}"
    flagged = [
        f"{as_is.flagged[group]} → {held_out.flagged[group]} of {as_is.pairs[group]:,}"
        for group in PairGroup
    ]
    return f"{recall} ({found})", *flagged


def print_hard(console: Console, pairs: pd.DataFrame) -> None:
    """Hard honest pairs by category and design."""
    title = f"Hard honest pairs (goal: at most {HARD_GOAL:.0%} of each category)"
    table = _table(title, "category", "design", "pairs", "flagged", "related", first=2)
    hard = pairs[pairs["group"] == PairGroup.HARD]
    for (category, design), own in hard.groupby(["category", "design"], sort=False):
        flagged, related = int(own[NAME].sum()), int(own["is_related"].sum())
        table.add_row(str(category), str(design), str(len(own)), str(flagged), str(related))
    console.print(table)


def print_kinds(console: Console, kinds: Kinds) -> None:
    """Which kinds were right, and the commonest confusions."""
    table = _table("Kinds, exactly right", "expected", "right", "pairs", "share")
    for expected, row in kinds.by_expected.iterrows():
        right, total = int(row["right"]), int(row["pairs"])
        table.add_row(str(expected), f"{right:,}", f"{total:,}", _percent(right / total))
    table.add_row("all", f"{kinds.right:,}", f"{kinds.total:,}", _percent(kinds.share))
    console.print(table)
    console.print(
        f"Of single modifications that were found; {kinds.invisible} left out whose recolouring "
        "hardly shows."
    )
    confusions = _table("Kinds confused", "expected", "said", "modification", "pairs", first=3)
    for confused in kinds.confusion.head(_CONFUSIONS_SHOWN).to_dict("records"):
        confusions.add_row(*(str(value) for value in confused.values()))
    if len(kinds.confusion):
        console.print(confusions)


def print_accusations(console: Console, pairs: pd.DataFrame) -> None:
    """The project's false accusations one by one, and the real copies that it missed."""
    table = _table(
        "Falsely accused, and copies missed", "what", "product", "pair", "kinds", first=4
    )
    listed = list_errors(pairs)
    for line in listed.head(_ACCUSATIONS_SHOWN).to_dict("records"):
        what = f"{line['what']}: {line['category']} {line['design']}".strip()
        pair = f"{line['first']} | {line['second']}"
        table.add_row(what, str(line["product"]), pair, str(line["kinds"]))
    if len(listed):
        console.print(table)
    if len(listed) > _ACCUSATIONS_SHOWN:
        console.print(f"{len(listed) - _ACCUSATIONS_SHOWN} more in pairs.csv.")


def print_timing(console: Console, timing: Timing) -> None:
    """CPU by step beside the goals."""
    table = _table("CPU", "step", "ms an image")
    for step, ms in timing.step_ms_per_image.items():
        table.add_row(step, f"{ms:.2f}")
    table.add_row("all in, without timing the steps", f"{timing.ms_per_image:.2f}")
    console.print(table)
    if timing.not_timed:
        missing = ", ".join(timing.not_timed)
        console.print(f"[yellow]Not timed apart, for the detector has none of them: {missing}[/]")
    console.print(
        f"{timing.variants} honest variants of {PICTURES_PER_VARIANT} pictures at 420 px, median "
        f"of three rounds, one process; {timing.ms_per_pair:.2f} ms a pair of them. "
        f"{timing.modified_pairs} modified pairs: {timing.ms_per_modified_pair:.2f} ms each on "
        f"average, 95% of them below {timing.p95_ms_per_modified_pair:.2f} ms."
    )


def timing_goals(timing: Timing) -> list[GoalLine]:
    """The goals of CPU time."""
    image_ms, pair_ms = timing.ms_per_image, timing.ms_per_modified_pair
    return [
        GoalLine(
            "CPU per image, all in",
            f"at most {CPU_PER_IMAGE_MS_GOAL:.0f} ms",
            f"{image_ms:.2f} ms",
            image_ms <= CPU_PER_IMAGE_MS_GOAL,
        ),
        GoalLine(
            "CPU per pair with candidate evidence",
            f"at most {CPU_PER_CANDIDATE_PAIR_MS_GOAL:.0f} ms",
            f"{pair_ms:.2f} ms, 95% below {timing.p95_ms_per_modified_pair:.2f} ms",
            pair_ms <= CPU_PER_CANDIDATE_PAIR_MS_GOAL,
        ),
    ]


# --- files -------------------------------------------------------------------------------------

_ERROR_COLUMNS = ["what", "category", "design", "product", "first", "second", "kinds"]


def list_errors(pairs: pd.DataFrame) -> pd.DataFrame:
    """The project's false accusations and missed copies among the pairs as they are."""
    is_copy = (pairs["group"] == PairGroup.WITHIN) & (pairs["category"] == PairLabel.DUP)
    is_near = (pairs["group"] == PairGroup.WITHIN) & (pairs["category"] == PairLabel.NEAR)
    accused = pairs[pairs[NAME] & ~is_copy].copy()
    accused["what"] = is_near.loc[accused.index].map({True: "near pair", False: "accused"})
    missed = pairs[~pairs[NAME] & is_copy].copy()
    missed["what"] = "copy missed"
    return pd.concat([accused, missed])[_ERROR_COLUMNS]


def write_csvs(
    folder: Path,
    positives: pd.DataFrame,
    pairs: pd.DataFrame,
    modifications: pd.DataFrame,
    families: pd.DataFrame,
    accusations: Mapping[str, Accusations],
    kinds: Kinds,
) -> None:
    """Every error by product, view and modification; recall by modification, family, detector."""
    missed = positives[positives["is_applicable"] & ~positives[NAME]]
    missed = missed.rename(columns={"view": "first", "modification": "second"})
    missed = missed.assign(what="missed", category=missed["family"], design="")
    errors = pd.concat([list_errors(pairs), missed[_ERROR_COLUMNS]])
    errors.to_csv(folder / "pairs.csv", index=False)
    families.to_csv(folder / "families.csv", float_format="%.5f")
    modifications.to_csv(folder / "modifications.csv", float_format="%.5f")
    kinds.confusion.to_csv(folder / "kinds.csv", index=False)
    lines = []
    for name, of in accusations.items():
        shares = {
            "copies": of.copies_found,
            "near": of.near_flagged,
            "honest_pairs": of.pairs,
            "honest_products": of.products,
            "different_products": of.cross,
            **of.hard,
        }
        line: dict[str, object] = {
            "detector": name,
            "primary_recall": primary_recall(modifications, name),
        }
        for what, share in shares.items():
            line |= {
                f"{what}: flagged": share.count,
                f"{what}: of": share.total,
                f"{what}: low": share.low,
                f"{what}: high": share.high,
            }
        lines.append(line)
    pd.DataFrame(lines).to_csv(folder / "peers.csv", index=False, float_format="%.6f")


def write_cross_validation(folder: Path, validation: CrossValidation) -> None:
    """Each source held out, then all pooled, which has neither training figures nor limits."""
    lines = [
        {
            "source": fold.source,
            **_figures("as_set", fold.as_is),
            **_figures("held_out", fold.held_out),
            **_figures("training", fold.training),
            **fold.limits,
        }
        for fold in validation.folds
    ]
    pooled = {
        "source": "pooled",
        **_figures("as_set", validation.as_is),
        **_figures("held_out", validation.held_out),
    }
    # Counts stay whole numbers where the pooled line has none.
    table = pd.DataFrame([*lines, pooled]).convert_dtypes()
    table.to_csv(folder / "cross_validation.csv", index=False, float_format="%.5f")


def _figures(name: str, of: Figures) -> dict[str, object]:
    return {
        f"{name}: recall": of.recall,
        f"{name}: found": of.found,
        f"{name}: modified": of.modified,
        **{f"{name}: {group.value} flagged": count for group, count in of.flagged.items()},
        **{f"{name}: {group.value} pairs": count for group, count in of.pairs.items()},
    }
