"""How runs and categories stood, week by week: what overviews read instead of ten thousand files.

Written by publish_run alone, from the summary of its run; recording one again replaces it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from image_duplication.plans import lead_run_id
from image_duplication.records import Verdict
from image_duplication.store.database import Store
from image_duplication.store.schema import CATEGORY_HISTORY, CATEGORY_STANDINGS, RUN_SUMMARIES
from image_duplication.summary import CategorySummary, RunSummary
from image_duplication.verdicts import count_verdicts

_BATCH_ROWS = 500  # values bound in one statement; SQLite allowed 999 for long
_ESCAPE = "\\"


@dataclass(frozen=True, slots=True)
class CategoryStanding:
    """How one category stands after a run.

    `new`, `repeated` and `resolved` are that run's, `units_failed` and `units_degraded` too; the
    rest states the whole category. `planned_at` is in UTC, without a zone.
    """

    category_id: int
    run_id: str
    planned_at: datetime
    name: str
    variants: int
    compliant: int
    short: int
    undecided: int
    findings: int
    related: int
    by_kind: Mapping[str, int]
    new: int
    repeated: int
    resolved: int
    units_failed: int
    units_degraded: int


@dataclass(frozen=True, slots=True)
class CatalogueStanding:
    """How all categories stood together after a run, and what the run did.

    Sibling runs are one run here. `variants_judged`, `new`, `repeated`, `resolved` and the failures
    are the run's; the rest states the whole catalogue. `planned_at` is in UTC, without a zone.
    """

    run_id: str
    planned_at: datetime
    scope: str
    variants_judged: int
    new: int
    repeated: int
    resolved: int
    units_failed: int
    categories_failed: int
    categories: int
    variants: int
    compliant: int
    short: int
    undecided: int
    findings: int
    by_kind: Mapping[str, int]


class StandingOrder(StrEnum):
    """What a list of categories may be sorted by: the columns of its table."""

    CATEGORY_ID = "category_id"
    NAME = "name"
    PLANNED_AT = "planned_at"
    VARIANTS = "variants"
    COMPLIANT = "compliant"
    SHORT = "short"
    UNDECIDED = "undecided"
    FINDINGS = "findings"
    NEW = "new"
    RESOLVED = "resolved"


def record_summary(store: Store, summary: RunSummary) -> None:
    """Record how a run left its categories; a newer run's word on a category stays."""
    planned_at = _without_zone(datetime.fromisoformat(summary.planned_at))
    rows = [_category_row(summary.run_id, planned_at, one) for one in summary.categories]
    with store.transaction() as connection:
        connection.execute(
            CATEGORY_HISTORY.delete().where(CATEGORY_HISTORY.c.run_id == summary.run_id)
        )
        for batch in _batches(rows):
            connection.execute(CATEGORY_HISTORY.insert(), batch)
            _replace_older(connection, batch)
        _record_run(connection, summary, planned_at)


def read_catalogue(store: Store) -> CatalogueStanding | None:
    """How the catalogue stood after the newest run; None before the first."""
    trend = read_run_trend(store, limit=1)
    return trend[0] if trend else None


def read_run_trend(store: Store, *, limit: int) -> list[CatalogueStanding]:
    """The newest `limit` runs, the oldest of them first."""
    moments = (
        sa.select(RUN_SUMMARIES.c.planned_at)
        .distinct()
        .order_by(RUN_SUMMARIES.c.planned_at.desc())
        .limit(limit)
        .subquery()
    )
    query = (
        sa.select(RUN_SUMMARIES)
        .join(moments, RUN_SUMMARIES.c.planned_at == moments.c.planned_at)
        .order_by(RUN_SUMMARIES.c.planned_at, RUN_SUMMARIES.c.recording)
    )
    with store.transaction() as connection:
        rows = connection.execute(query).mappings().all()
    siblings: dict[str, list[sa.RowMapping]] = {}
    for row in rows:
        siblings.setdefault(lead_run_id(row["run_id"]), []).append(row)
    return [_add_siblings(run_id, parts) for run_id, parts in siblings.items()][-limit:]


def read_category(store: Store, category_id: int) -> CategoryStanding | None:
    """How one category stands; None for one that was never published."""
    query = sa.select(CATEGORY_STANDINGS).where(CATEGORY_STANDINGS.c.category_id == category_id)
    with store.transaction() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _standing_of(row)


def read_category_trend(store: Store, category_id: int, *, limit: int) -> list[CategoryStanding]:
    """How one category stood after each of the newest `limit` runs, the oldest of them first."""
    query = (
        sa.select(CATEGORY_HISTORY)
        .where(CATEGORY_HISTORY.c.category_id == category_id)
        .order_by(CATEGORY_HISTORY.c.planned_at.desc(), CATEGORY_HISTORY.c.run_id.desc())
        .limit(limit)
    )
    with store.transaction() as connection:
        rows = connection.execute(query).mappings().all()
    return [_standing_of(row) for row in reversed(rows)]


def read_run_categories(store: Store, run_id: str) -> list[CategoryStanding]:
    """How a run, siblings not included, left its categories; in the order of their ids."""
    query = (
        sa.select(CATEGORY_HISTORY)
        .where(CATEGORY_HISTORY.c.run_id == run_id)
        .order_by(CATEGORY_HISTORY.c.category_id)
    )
    with store.transaction() as connection:
        return [_standing_of(row) for row in connection.execute(query).mappings()]


def find_standings(
    store: Store,
    *,
    search: str = "",
    order: StandingOrder = StandingOrder.FINDINGS,
    is_descending: bool = True,
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[CategoryStanding], int]:
    """A page of the categories whose name has `search` or whose id begins with it; and how many.

    Equal ones come in the order of their ids.
    """
    found = _matching(search)
    column = CATEGORY_STANDINGS.c[order]
    query = (
        sa.select(CATEGORY_STANDINGS)
        .where(found)
        .order_by(
            column.desc() if is_descending else column.asc(), CATEGORY_STANDINGS.c.category_id
        )
        .offset(offset)
        .limit(limit)
    )
    count = sa.select(sa.func.count()).select_from(CATEGORY_STANDINGS).where(found)
    with store.transaction() as connection:
        rows = connection.execute(query).mappings().all()
        total = connection.execute(count).scalar_one()
    return [_standing_of(row) for row in rows], total


def forget_history(store: Store, *, before: datetime) -> int:
    """Delete what runs planned earlier left; how many rows. How categories stand now is kept."""
    with store.transaction() as connection:
        return sum(
            connection.execute(table.delete().where(table.c.planned_at < before)).rowcount
            for table in (CATEGORY_HISTORY, RUN_SUMMARIES)
        )


# Writing ------------------------------------------------------------------------------------------


def _category_row(run_id: str, planned_at: datetime, category: CategorySummary) -> dict[str, Any]:
    verdicts = count_verdicts(category.verdicts)
    return {
        "category_id": category.category_id,
        "run_id": run_id,
        "planned_at": planned_at,
        "name": category.name,
        "variants": category.variants,
        "compliant": verdicts[Verdict.COMPLIANT],
        "short": verdicts[Verdict.SHORT],
        "undecided": verdicts[Verdict.UNDECIDED],
        "findings": category.findings,
        "related": category.related,
        "by_kind": json.dumps(category.findings_by_kind),
        "new": category.findings_new,
        "repeated": category.findings_repeated,
        "resolved": category.findings_resolved,
        "units_failed": len(category.units_failed),
        "units_degraded": len(category.units_degraded),
    }


def _replace_older(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Put rows in the place of those of older runs."""
    table = CATEGORY_STANDINGS
    these = table.c.category_id.in_([row["category_id"] for row in rows])
    known = dict(
        connection.execute(sa.select(table.c.category_id, table.c.planned_at).where(these)).all()
    )
    fresh = [
        row
        for row in rows
        if (earlier := known.get(row["category_id"])) is None or earlier <= row["planned_at"]
    ]
    if fresh:
        replaced = table.c.category_id.in_([row["category_id"] for row in fresh])
        connection.execute(table.delete().where(replaced))
        connection.execute(table.insert(), fresh)


def _record_run(connection: sa.Connection, summary: RunSummary, planned_at: datetime) -> None:
    table = RUN_SUMMARIES
    newest = connection.scalar(sa.select(sa.func.max(table.c.recording))) or 0
    this = table.c.run_id == summary.run_id
    earlier = connection.execute(sa.select(table).where(this)).mappings().one_or_none()
    is_overtaken = connection.scalar(sa.select(sa.exists().where(table.c.planned_at > planned_at)))
    # Once a newer run has changed how the catalogue stands, only what was recorded then is known.
    stated = (
        {name: earlier[name] for name in _CATALOGUE}
        if earlier is not None and is_overtaken
        else _sum_standings(connection)
    )
    totals = summary.totals()
    connection.execute(table.delete().where(this))
    connection.execute(
        table.insert(),
        {
            "run_id": summary.run_id,
            "planned_at": planned_at,
            "recording": newest + 1 if earlier is None else earlier["recording"],
            "scope": summary.scope,
            "variants_judged": totals["variants_judged"],
            "new": totals["findings_new"],
            "repeated": totals["findings_repeated"],
            "resolved": totals["findings_resolved"],
            "units_failed": len(totals["units_failed"]),
            "categories_failed": len(summary.categories_failed),
            **stated,
        },
    )


_COUNTED = ("variants", "compliant", "short", "undecided", "findings")
_CATALOGUE = ("categories", *_COUNTED, "by_kind")
_OF_RUN = (
    "variants_judged",
    "new",
    "repeated",
    "resolved",
    "units_failed",
    "categories_failed",
)


def _sum_standings(connection: sa.Connection) -> dict[str, Any]:
    table = CATEGORY_STANDINGS
    columns = [sa.func.coalesce(sa.func.sum(table.c[name]), 0).label(name) for name in _COUNTED]
    counted = connection.execute(
        sa.select(sa.func.count().label("categories"), *columns).where(table.c.variants > 0)
    )
    by_kind: Counter[str] = Counter()
    for kinds in connection.scalars(sa.select(table.c.by_kind).where(table.c.findings > 0)):
        by_kind.update(json.loads(kinds))
    sums = {name: int(count) for name, count in counted.mappings().one().items()}
    return {**sums, "by_kind": json.dumps(dict(sorted(by_kind.items())))}


# Reading ------------------------------------------------------------------------------------------


def _standing_of(row: sa.RowMapping) -> CategoryStanding:
    return CategoryStanding(**{**row, "by_kind": json.loads(row["by_kind"])})


def _add_siblings(run_id: str, parts: Sequence[sa.RowMapping]) -> CatalogueStanding:
    """One run of its siblings: the catalogue as the last of them left it."""
    last = parts[-1]
    return CatalogueStanding(
        run_id=run_id,
        planned_at=last["planned_at"],
        scope=last["scope"],
        **{name: sum(part[name] for part in parts) for name in _OF_RUN},
        **{name: last[name] for name in _CATALOGUE if name != "by_kind"},
        by_kind=json.loads(last["by_kind"]),
    )


def _matching(search: str) -> sa.ColumnElement[bool]:
    words = " ".join(search.split()).lower()
    if not words:
        return sa.true()
    for mark in (_ESCAPE, "%", "_"):
        words = words.replace(mark, _ESCAPE + mark)
    name = sa.func.lower(CATEGORY_STANDINGS.c.name).like(f"%{words}%", escape=_ESCAPE)
    number = sa.cast(CATEGORY_STANDINGS.c.category_id, sa.String(20))
    return sa.or_(name, number.like(f"{words}%", escape=_ESCAPE))


def _batches(rows: Sequence[dict[str, Any]]) -> Iterable[Sequence[dict[str, Any]]]:
    return (rows[start : start + _BATCH_ROWS] for start in range(0, len(rows), _BATCH_ROWS))


def _without_zone(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
