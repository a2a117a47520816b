"""What one run did, from its own summary, or from the store once its folder is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from image_duplication import layout
from image_duplication.errors import MissingArtefactError, SchemaError
from image_duplication.plans import read_plan
from image_duplication.records import Verdict
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.standings import read_run_categories
from image_duplication.verdicts import count_verdicts


@dataclass(frozen=True, slots=True)
class RunCategory:
    """What the run did to one category; `problem` says what did not work, or is empty."""

    category_id: int
    name: str
    variants: int
    findings: int
    new: int
    repeated: int
    resolved: int
    short: int
    units_failed: int
    problem: str


@dataclass(frozen=True, slots=True)
class RunDone:
    """One run: what it did per category, which units failed, which runs share its plan.

    `is_published` is False while it is at work; `is_brief` says that only the store knows of it.
    """

    run_id: str
    is_published: bool
    is_brief: bool
    categories: tuple[RunCategory, ...]
    units_failed: tuple[str, ...] = ()
    units_degraded: tuple[str, ...] = ()
    sibling_run_ids: tuple[str, ...] = ()

    def total(self, name: str) -> int:
        """One column added up."""
        return sum(getattr(category, name) for category in self.categories)


def read_run(storage: Storage, store: Store, run_id: str) -> RunDone:
    """What a run did. Raises MissingArtefactError when neither its files nor the store know it."""
    key = layout.run_summary(run_id, "json")
    if storage.exists(key):
        return _from_summary(storage, run_id, storage.read_json(key))
    standings = read_run_categories(store, run_id)
    if standings:
        categories = tuple(
            RunCategory(
                one.category_id, one.name, one.variants, one.findings, one.new, one.repeated,
                one.resolved, one.short, one.units_failed,
                f"{one.units_failed} units failed" if one.units_failed else "",
            )
            for one in standings
        )  # fmt: skip
        return RunDone(run_id, is_published=True, is_brief=True, categories=categories)
    if storage.exists(layout.plan_record(run_id)):
        return RunDone(run_id, is_published=False, is_brief=False, categories=())
    raise MissingArtefactError(f"run {run_id!r} has planned and published nothing")


def _from_summary(storage: Storage, run_id: str, summary: Mapping[str, Any]) -> RunDone:
    try:
        categories = [_category(one) for one in summary["categories"]]
        categories += [
            RunCategory(int(category_id), "", 0, 0, 0, 0, 0, 0, 0, f"not published: {reason}")
            for category_id, reason in summary["categories_failed"].items()
        ]
        return RunDone(
            run_id,
            is_published=True,
            is_brief=False,
            categories=tuple(sorted(categories, key=lambda one: one.category_id)),
            units_failed=tuple(summary["total"]["units_failed"]),
            units_degraded=tuple(summary["total"]["units_degraded"]),
            sibling_run_ids=_siblings(storage, run_id),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        key = layout.run_summary(run_id, "json")
        raise SchemaError(f"{key}: not the summary of a run: {error!r}") from error


def _category(one: Mapping[str, Any]) -> RunCategory:
    failed = [f"{unit['unit_id']} at {unit['stage']}" for unit in one["units_failed"]]
    degraded = [f"{unit_id} is degraded" for unit_id in one["units_degraded"]]
    return RunCategory(
        category_id=one["category_id"],
        name=one["name"],
        variants=one["variants"],
        findings=one["findings"],
        new=one["findings_new"],
        repeated=one["findings_repeated"],
        resolved=one["findings_resolved"],
        short=count_verdicts(one["verdicts"])[Verdict.SHORT],
        units_failed=len(failed),
        problem="; ".join([*(f"failed: {unit}" for unit in failed), *degraded]),
    )


def _siblings(storage: Storage, run_id: str) -> tuple[str, ...]:
    try:
        return read_plan(storage, run_id).sibling_run_ids
    except MissingArtefactError:
        return ()
