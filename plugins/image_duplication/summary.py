"""The summary of a run: per category and in total, as JSON and as text for people."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from image_duplication.plans import Plan
from image_duplication.units import STAGES

_WIDTH = 132
_COUNTED = (
    "variants",
    "images",
    "corrected",
    "downloaded",
    "failed",
    "findings",
    "new",
    "repeated",
    "resolved",
    "short",
)


@dataclass(frozen=True, slots=True)
class UnitFailure:
    """A unit that did not finish, and the stage that it did not finish."""

    unit_id: str
    stage: str

    def __str__(self) -> str:
        """As it stands in messages."""
        return f"{self.unit_id} at {self.stage}"


@dataclass(frozen=True, slots=True)
class CarriedDecision:
    """A decision that goes on, its number `carried_from`, as a picture was only saved anew."""

    variant_id: str
    verdict: str
    carried_from: int
    sha256s: tuple[str, str]


@dataclass(frozen=True, slots=True)
class CategorySummary:
    """What a run did to one category, in images; and how the category stands after it.

    `variants`, `findings`, `related`, `findings_by_kind` and `verdicts` state the whole category,
    whichever run judged it; the rest is this run's share. `findings_new`, `findings_repeated` and
    `findings_resolved` compare with the state that the run found; they count both duplicates and
    related pictures. `is_renewed` says that the run wrote the category's files, which it leaves
    alone when nothing of it was due and nothing was decided. What people have rejected is counted
    nowhere; `decisions_carried` are those that the run carried over. `stage_seconds` is wall time
    summed over units.
    """

    category_id: int
    name: str
    variants_judged: int
    variants: int
    images: int
    corrected: int
    downloaded: int
    failed_by_reason: dict[str, int]
    findings: int
    related: int
    findings_by_kind: dict[str, int]
    findings_new: int
    findings_repeated: int
    findings_resolved: int
    verdicts: dict[str, int]
    units: int
    units_failed: tuple[UnitFailure, ...]
    units_degraded: tuple[str, ...]
    stage_seconds: dict[str, float]
    stage_images: dict[str, int]
    is_renewed: bool
    decisions_carried: tuple[CarriedDecision, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """All categories of a run, and their totals.

    `categories_failed` says by category id why a category could not be published; it has no place
    in `categories`.
    """

    run_id: str
    scope: str
    planned_at: str
    rejected_rows: int
    categories: tuple[CategorySummary, ...]
    categories_failed: Mapping[int, str]

    @classmethod
    def of(
        cls,
        plan: Plan,
        categories: Sequence[CategorySummary],
        categories_failed: Mapping[int, str],
    ) -> RunSummary:
        """The summary of a planned run."""
        return cls(
            plan.run_id,
            plan.scope,
            plan.planned_at.isoformat(),
            plan.rejected_rows,
            tuple(categories),
            categories_failed,
        )

    @property
    def units_failed(self) -> list[UnitFailure]:
        """Every unit of the run that did not finish."""
        return [failure for category in self.categories for failure in category.units_failed]

    def totals(self) -> dict[str, Any]:
        """The categories added up."""
        categories = self.categories
        failed = _add(category.failed_by_reason for category in categories)
        if self.rejected_rows:
            failed["category_not_integer"] = self.rejected_rows
        return {
            "categories": len(categories),
            "variants_judged": sum(category.variants_judged for category in categories),
            "variants": sum(category.variants for category in categories),
            "images": sum(category.images for category in categories) + self.rejected_rows,
            "corrected": sum(category.corrected for category in categories),
            "downloaded": sum(category.downloaded for category in categories),
            "failed_by_reason": failed,
            "findings": sum(category.findings for category in categories),
            "related": sum(category.related for category in categories),
            "findings_by_kind": _add(category.findings_by_kind for category in categories),
            "findings_new": sum(category.findings_new for category in categories),
            "findings_repeated": sum(category.findings_repeated for category in categories),
            "findings_resolved": sum(category.findings_resolved for category in categories),
            "verdicts": _add(category.verdicts for category in categories),
            "units": sum(category.units for category in categories),
            "units_failed": [str(failure) for failure in self.units_failed],
            "units_degraded": [u for category in categories for u in category.units_degraded],
            "decisions_carried": sum(len(category.decisions_carried) for category in categories),
            "stages": self._stages(),
        }

    def _stages(self) -> dict[str, dict[str, float]]:
        seconds = _add(category.stage_seconds for category in self.categories)
        images = _add(category.stage_images for category in self.categories)
        return {
            stage: {
                "seconds": round(seconds[stage], 3),
                "images_per_s": round(images.get(stage, 0) / max(seconds[stage], 1e-9), 1),
            }
            for stage in STAGES
            if stage in seconds
        }

    def to_json(self) -> dict[str, Any]:
        """The summary as plain JSON values."""
        return {
            "run_id": self.run_id,
            "scope": self.scope,
            "planned_at": self.planned_at,
            "total": self.totals(),
            "categories": [asdict(category) for category in self.categories],
            "categories_failed": {str(c): reason for c, reason in self.categories_failed.items()},
        }


def _add(counts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def render_text(run: RunSummary) -> str:
    """The summary as tables of plain characters, for a log or a terminal."""
    text = io.StringIO()
    # Not a terminal, whatever the environment says of the one that the process runs in.
    console = Console(file=text, width=_WIDTH, force_terminal=False, highlight=False, emoji=False)
    console.print(_category_table(run))
    totals = run.totals()
    for title, counts in (
        ("images of this run that failed, by reason", totals["failed_by_reason"]),
        ("findings of the whole categories, by kind", totals["findings_by_kind"]),
        (
            "findings and related pictures, against what the run found",
            {name: totals[f"findings_{name}"] for name in ("new", "repeated", "resolved")},
        ),
        ("verdicts of the whole categories", totals["verdicts"]),
    ):
        console.print(f"{title}: {_list_counts(counts)}", markup=False)
    if totals["decisions_carried"]:
        console.print(f"decisions carried over: {totals['decisions_carried']}", markup=False)
    console.print(_stage_table(totals["stages"]))
    for title in ("units_failed", "units_degraded"):
        if totals[title]:
            console.print(f"{title.replace('_', ' ')}: {', '.join(totals[title])}", markup=False)
    for category_id, reason in run.categories_failed.items():
        console.print(f"category {category_id} is not published: {reason}", markup=False)
    return text.getvalue()


def _list_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _category_table(run: RunSummary) -> Table:
    # `Text`, for a name may look like markup.
    table = Table(
        box=box.ASCII2, title=Text(f"Run {run.run_id}, scope {run.scope}"), title_justify="left"
    )
    table.add_column("category", overflow="fold")
    for heading in _COUNTED:
        table.add_column(heading, justify="right")
    for category in run.categories:
        table.add_row(
            Text(f"{category.category_id} {category.name}"),
            f"{category.variants}",
            f"{category.images}",
            f"{category.corrected}",
            f"{category.downloaded}",
            f"{sum(category.failed_by_reason.values())}",
            f"{category.findings}",
            f"{category.findings_new}",
            f"{category.findings_repeated}",
            f"{category.findings_resolved}",
            f"{sum(n for verdict, n in category.verdicts.items() if verdict.startswith('short'))}",
        )
    return table


def _stage_table(stages: dict[str, dict[str, float]]) -> Table:
    table = Table(box=box.ASCII2)
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    table.add_column("images/s", justify="right")
    for stage, figures in stages.items():
        table.add_row(stage, f"{figures['seconds']:.1f}", f"{figures['images_per_s']:.0f}")
    return table
