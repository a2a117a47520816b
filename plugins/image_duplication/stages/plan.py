"""Stage plan_work: which variants are due, cut into work units and runs. Written once per run."""

from __future__ import annotations

import csv
import itertools
import json
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from image_duplication import layout
from image_duplication.category_index import read_category_index
from image_duplication.errors import ConfigurationError, SchemaError
from image_duplication.judgement_versions import feature_version
from image_duplication.plans import (
    Plan,
    PlannedCategory,
    read_plan,
    sibling_run_id,
)
from image_duplication.queries import Source
from image_duplication.records import ReasonCode, Scope, Selection, Verdict
from image_duplication.settings import Settings
from image_duplication.source_rows import (
    has_no_images,
    is_utf8,
    read_integer,
    read_text,
    read_time,
    sign,
)
from image_duplication.storage import Storage
from image_duplication.tables import (
    PLANNED_VARIANTS,
    REJECTED_ROWS,
    UNITS,
    VERDICTS,
    Row,
    read_state_rows,
    write_rows,
)

logger = logging.getLogger(__name__)

_LABEL_NAME_LENGTH = 200
"""Characters of a category's name in a label; Airflow's column for labels holds 250 in all."""

_SIGNATURE_COLUMNS = ("variant_id", "image_id", "position", "image_url", "updated_at")


@dataclass(slots=True)
class _Share:
    """What one run takes of the work, while it is being planned."""

    run_id: str
    units: list[Row] = field(default_factory=list)
    categories: list[PlannedCategory] = field(default_factory=list)


@dataclass(slots=True)
class _Draft:
    """A category while it is being planned; only one is in memory at a time."""

    category_id: int
    name: str
    variants: list[Row] = field(default_factory=list)
    bind_values: dict[str, int | str | None] = field(default_factory=dict)
    units: list[Row] = field(default_factory=list)
    left: int = 0


def plan_work(
    storage: Storage,
    settings: Settings,
    source: Source,
    *,
    run_id: str,
    selection: Selection,
    plan_only: bool = False,
    take_new_snapshot: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Plan:
    """Write the plan of a run, and of each sibling run it needs; a plan already there is kept.

    Every variant is judged on the source as it is now, a backfill's too. Raises ConfigurationError
    when a plan that is to be kept was made for other categories or another scope.
    """
    if storage.exists(layout.plan_record(run_id)) and not take_new_snapshot:
        return _keep_plan(storage, run_id, selection)
    planned_at = now()
    names, strays = _choose_categories(storage, settings, source, selection.category_ids)
    # A plan that is there already stops being whole with the first file that is replaced.
    storage.delete(layout.plan_record(run_id))
    rejected = _write_rejected(storage, source, run_id, strays)
    shares = [_Share(run_id)]
    find_due_reason = _due_rule(settings, selection, planned_at)
    for category_id, name in sorted(names.items()):
        draft = _draft_category(storage, settings, source, category_id, name, find_due_reason)
        for share, units in _share_out(draft, shares, run_id, settings.plan.max_units_per_run):
            share.categories.append(_write_category(storage, share.run_id, draft, units))
    # The run's own plan comes last: where it is, its siblings' plans are.
    for number in reversed(range(len(shares))):
        share = shares[number]
        write_rows(storage, layout.plan_units(share.run_id), UNITS, share.units)
        plan = Plan(
            run_id=share.run_id,
            scope=selection.scope,
            planned_at=planned_at,
            is_dry=plan_only,
            categories=tuple(share.categories),
            rejected_rows=rejected if number == 0 else 0,
            sibling_run_ids=tuple(s.run_id for s in shares[1:]) if number == 0 else (),
            updated_within=selection.updated_within,
            asked_category_ids=_asked(selection),
        )
        storage.write_json(layout.plan_record(plan.run_id), plan.to_json())
    return plan


def _keep_plan(storage: Storage, run_id: str, selection: Selection) -> Plan:
    """The plan that is there; a run's parameters may have been replaced since it was made."""
    plan = read_plan(storage, run_id)
    if (plan.scope, plan.asked_category_ids) != (selection.scope, _asked(selection)):
        raise ConfigurationError(
            f"run {run_id!r} has a plan, made for scope {plan.scope.value!r} and category_ids "
            f"{_listed(plan.asked_category_ids)}; its parameters are now {selection.scope.value!r} "
            f"and {_listed(_asked(selection))}: set take_new_snapshot to have it planned anew"
        )
    logger.info("run %s: keeping its plan", run_id)
    return plan


def _asked(selection: Selection) -> tuple[int, ...] | None:
    """The categories that were asked for, in order; None: none in particular."""
    return None if selection.category_ids is None else tuple(sorted(selection.category_ids))


def _listed(category_ids: tuple[int, ...] | None) -> str:
    return "null" if category_ids is None else str(list(category_ids))


def describe_plan(plan: Plan, settings: Settings, storage: Storage) -> str:
    """What the plan will cost, for a person: units, images, expected requests and minutes."""
    plans = [plan, *(read_plan(storage, run_id) for run_id in plan.sibling_run_ids)]
    units = sum(len(one.unit_ids) for one in plans)
    images = sum(category.images_due for one in plans for category in one.categories)
    categories = len({category.category_id for one in plans for category in one.categories})
    rate = settings.download.rate_per_host_per_s
    by_rate = images / rate if rate else 0.0
    minutes = max(by_rate, images * settings.plan.seconds_per_image) / 60
    lines = [
        f"plan of run {plan.run_id}, {_describe_choice(plan)}",
        f"  {units} units in {len(plans)} run(s), {categories} categories",
        f"  {images} images due, about {images} requests, about {math.ceil(minutes)} minute(s)",
    ]
    if plan.rejected_rows:
        lines.append(f"  {plan.rejected_rows} source rows rejected: category id is no integer")
    lines += [
        f"  {category.category_id} {category.name}: {category.variants_due} of "
        f"{category.variants} variants due, {category.images_due} of {category.images} images, "
        f"{len(category.unit_ids)} unit(s)"
        + (f", {category.left} variant(s) left" if category.left else "")
        for one in plans
        for category in one.categories
    ]
    return "\n".join(lines)


def _describe_choice(plan: Plan) -> str:
    if plan.updated_within is None:
        return f"scope {plan.scope}"
    start, end = plan.updated_within
    return f"updated from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


# Categories -------------------------------------------------------------------------------------


def _choose_categories(
    storage: Storage, settings: Settings, source: Source, category_ids: Sequence[int] | None
) -> tuple[dict[int, str], list[object]]:
    """Category names by id, and the ids that are no integers: parameter, file, then database."""
    named = _read_categories_file(settings)
    chosen = list(category_ids) if category_ids else list(named)
    if chosen:
        rows = source.rows(
            "chosen_categories",
            ("category_id", "category_name"),
            {"category_ids": [str(category_id) for category_id in chosen]},
        )
        found = {read_integer(row["category_id"]): read_text(row["category_name"]) for row in rows}
        for missing in sorted(set(chosen) - found.keys()):
            logger.warning("category %s has no active variant in the source", missing)
        return {c: named.get(c) or found.get(c) or "" for c in chosen}, []
    # A category that has no active variant any more must still have its findings resolved.
    names = read_category_index(storage)
    strays: list[object] = []
    for row in source.rows("active_categories", ("category_id", "category_name")):
        category_id = read_integer(row["category_id"])
        if (
            category_id is None
            or category_id < 1
            or str(category_id) != read_text(row["category_id"])
        ):
            strays.append(row["category_id"])
        else:
            names[category_id] = read_text(row["category_name"]) or ""
    return names, strays


def _read_categories_file(settings: Settings) -> dict[int, str]:
    """Category names by id from the settings' file; empty when none is set."""
    if settings.plan.categories_file is None:
        return {}
    path = settings.include / "config" / settings.plan.categories_file
    names: dict[int, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"id", "name"} <= set(reader.fieldnames or ()):
                raise ConfigurationError(
                    f"categories file {str(path)!r} has the columns {reader.fieldnames}; "
                    "expected name and id"
                )
            for row in reader:
                category_id = read_integer(row["id"])
                if category_id is None or category_id < 1:
                    raise ConfigurationError(
                        f"categories file {str(path)!r}, line {reader.line_num}: id "
                        f"{row['id']!r} is not a positive integer"
                    )
                names[category_id] = (row["name"] or "").strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"categories file {str(path)!r} cannot be read: {error}"
        ) from error
    if not names:
        raise ConfigurationError(f"categories file {str(path)!r} names no category")
    return names


def _write_rejected(storage: Storage, source: Source, run_id: str, strays: list[object]) -> int:
    """Write the images of categories whose id is no integer as rows with that reason."""

    def rejected_rows() -> Iterator[Row]:
        columns = ("category_id", "variant_id", "image_id", "image_url")
        for stray in strays:
            if is_utf8(stray):
                binds = {"category_id": read_text(stray)}
                rows = source.rows("images_outside_categories", columns, binds)
            else:
                # It cannot be bound, so one row stands for all of its images.
                rows = iter([{**dict.fromkeys(columns), "category_id": stray}])
            for row in rows:
                yield {
                    **{name: read_text(row[name]) for name in columns},
                    "reason_code": ReasonCode.CATEGORY_NOT_INTEGER,
                }

    return write_rows(storage, layout.plan_rejected(run_id), REJECTED_ROWS, rejected_rows())


# What is due ------------------------------------------------------------------------------------


_DueRule = Callable[[list[Row], str, "_Judged | None"], str | None]
"""Why a variant is due, told from its source rows, their signature and its last judgement."""


def _due_rule(settings: Settings, selection: Selection, planned_at: datetime) -> _DueRule:
    version = feature_version(settings.detection)
    if selection.updated_within is not None:
        start, end = selection.updated_within
        zone = ZoneInfo(settings.source.timezone)

        def was_updated(row: Row) -> bool:
            updated_at = read_time(row["updated_at"], zone)
            return updated_at is not None and start <= updated_at < end

        return lambda rows, _, __: "updated" if any(map(was_updated, rows)) else None
    if selection.scope is Scope.FULL:
        return lambda _, __, ___: "full"
    oldest = planned_at - timedelta(days=settings.download.revalidate_days)
    return lambda _, signature, judged: _find_due_reason(judged, signature, version, oldest)


def _draft_category(
    storage: Storage,
    settings: Settings,
    source: Source,
    category_id: int,
    name: str,
    find_due_reason: _DueRule,
) -> _Draft:
    draft = _Draft(category_id, name)
    judged = _read_judged(storage, category_id)
    rows = source.rows("variant_signatures", _SIGNATURE_COLUMNS, {"category_id": str(category_id)})
    for variant_id, grouped in itertools.groupby(
        rows, key=lambda row: read_text(row["variant_id"]) or ""
    ):
        listed = list(grouped)
        signature = sign(listed)
        draft.bind_values[variant_id] = _bind_value(listed[0]["variant_id"])
        draft.variants.append(
            {
                "variant_id": variant_id,
                "unit_id": None,
                "signature": signature,
                "images": 0 if has_no_images(listed) else len(listed),
                "due_reason": find_due_reason(listed, signature, judged.get(variant_id)),
            }
        )
    draft.left = len(judged.keys() - draft.bind_values.keys())
    _cut_units(draft, settings.plan.part_size_images)
    return draft


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a variant's last judgement says of whether it is due."""

    signature: str
    verdict: str
    unfetched: int
    version: str
    fetched_at: datetime | None


def _read_judged(storage: Storage, category_id: int) -> dict[str, _Judged]:
    key = layout.current("verdicts", category_id)
    if not storage.exists(key):
        return {}
    try:
        return {
            row["variant_id"]: _Judged(
                row["signature"],
                row["verdict"],
                row["unfetched"],
                row["feature_version"],
                row["fetched_at"],
            )
            for row in read_state_rows(storage, key, VERDICTS)
        }
    except SchemaError:
        # One broken category must not stop the others; publish_run names it again and fails.
        logger.exception("category %s: its verdicts cannot be read, all is due", category_id)
        return {}


def _find_due_reason(
    judged: _Judged | None, signature: str, version: str, oldest: datetime
) -> str | None:
    if judged is None:
        return "new"
    if judged.signature != signature:
        return "changed"
    if judged.verdict == Verdict.UNDECIDED:
        return "undecided"
    # A verdict that an outage of the image host has shaped must not outlive it.
    if judged.unfetched:
        return "unfetched"
    if judged.version != version:
        return "older_features"
    # Its hosts are asked whether its pictures are still the same; it costs no more than that.
    is_old = judged.fetched_at is not None and judged.fetched_at <= oldest
    return "revalidation" if is_old else None


def _bind_value(value: object) -> int | str | None:
    """A variant id as it is bound in SQL: an integer key as an integer, any other as text.

    None, no bound at all, for one that is not UTF-8: its text would be another id.
    """
    if isinstance(value, int):
        return value
    return read_text(value) if is_utf8(value) else None


def _cut_units(draft: _Draft, part_size_images: int) -> None:
    """Cut the due variants into parts of consecutive variants, none much over the part size."""
    parts: list[list[Row]] = []
    size = 0
    for variant in draft.variants:
        if variant["due_reason"] is None:
            continue
        if not parts or size + variant["images"] > part_size_images:
            parts.append([])
            size = 0
        parts[-1].append(variant)
        size += variant["images"]
    for number, part in enumerate(parts, start=1):
        unit_id = f"{draft.category_id}/{number}"
        for variant in part:
            variant["unit_id"] = unit_id
        place = f" ({number}/{len(parts)})" if len(parts) > 1 else ""
        draft.units.append(
            {
                "unit_id": unit_id,
                "category_id": draft.category_id,
                "category_name": draft.name,
                "part": number,
                "parts": len(parts),
                "label": f"{draft.category_id} {draft.name[:_LABEL_NAME_LENGTH]}{place}",
                "first_variant_id": json.dumps(draft.bind_values[part[0]["variant_id"]]),
                "last_variant_id": json.dumps(draft.bind_values[part[-1]["variant_id"]]),
                "variants_due": len(part),
                "images_due": sum(variant["images"] for variant in part),
            }
        )


# Runs -------------------------------------------------------------------------------------------


def _share_out(
    draft: _Draft, shares: list[_Share], run_id: str, max_units: int
) -> list[tuple[_Share, list[Row]]]:
    """Give a category's units to runs, opening further ones as they fill up; who took which.

    A category stays in one run unless it alone has more units than a run may map. One with
    nothing due goes to the first run, which says so.
    """
    if not draft.units:
        return [(shares[0], [])]
    taken = []
    waiting = draft.units
    while waiting:
        room = max_units - len(shares[-1].units)
        if room == 0 or (shares[-1].units and len(waiting) > room):
            shares.append(_Share(sibling_run_id(run_id, len(shares))))
            continue
        taken.append((shares[-1], waiting[:room]))
        shares[-1].units += waiting[:room]
        waiting = waiting[room:]
    return taken


def _write_category(
    storage: Storage, run_id: str, draft: _Draft, units: list[Row]
) -> PlannedCategory:
    """Write one run's view of a category: all its variants, and which of them this run judges."""
    unit_ids = tuple(unit["unit_id"] for unit in units)
    write_rows(
        storage,
        layout.plan_variants(run_id, draft.category_id),
        PLANNED_VARIANTS,
        (
            {**row, "unit_id": row["unit_id"] if row["unit_id"] in unit_ids else None}
            for row in draft.variants
        ),
    )
    return PlannedCategory(
        category_id=draft.category_id,
        name=draft.name,
        variants=len(draft.variants),
        images=sum(row["images"] for row in draft.variants),
        variants_due=sum(unit["variants_due"] for unit in units),
        images_due=sum(unit["images_due"] for unit in units),
        left=draft.left,
        unit_ids=unit_ids,
    )
