"""The plan of a run as every stage reads it: its categories, its units, its siblings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from image_duplication import layout
from image_duplication.errors import MissingArtefactError
from image_duplication.records import Interval, Scope
from image_duplication.storage import Storage
from image_duplication.tables import UNITS, Row, read_rows

_SIBLING = "__sibling_"


def sibling_run_id(run_id: str, number: int) -> str:
    """The id of a run that takes what another one cannot map; `number` counts from 1."""
    return f"{run_id}{_SIBLING}{number}"


def lead_run_id(run_id: str) -> str:
    """The run whose plan a run carries out: its own, unless it is a sibling."""
    return run_id.partition(_SIBLING)[0]


@dataclass(frozen=True, slots=True)
class PlannedCategory:
    """One category's share of a run, in counts; `left` are variants no longer active."""

    category_id: int
    name: str
    variants: int
    images: int
    variants_due: int
    images_due: int
    left: int
    unit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does.

    `sibling_run_ids` are the runs that take what this one does not map; `updated_within` narrows a
    backfill to the variants that changed then. `asked_category_ids` are those that were asked for;
    None: none in particular.
    """

    run_id: str
    scope: Scope
    planned_at: datetime
    is_dry: bool
    categories: tuple[PlannedCategory, ...]
    rejected_rows: int = 0
    sibling_run_ids: tuple[str, ...] = ()
    updated_within: Interval | None = None
    asked_category_ids: tuple[int, ...] | None = None

    @property
    def unit_ids(self) -> list[str]:
        """The units that this run maps, in order."""
        return [unit_id for category in self.categories for unit_id in category.unit_ids]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        return {
            **asdict(self),
            "planned_at": self.planned_at.isoformat(),
            "updated_within": self.updated_within and [t.isoformat() for t in self.updated_within],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` gave."""
        categories = [
            PlannedCategory(**{**category, "unit_ids": tuple(category["unit_ids"])})
            for category in record["categories"]
        ]
        within = record.get("updated_within")
        asked = record.get("asked_category_ids")
        return cls(
            **{
                **record,
                "updated_within": within and tuple(map(datetime.fromisoformat, within)),
                "scope": Scope(record["scope"]),
                "planned_at": datetime.fromisoformat(record["planned_at"]),
                "categories": tuple(categories),
                "sibling_run_ids": tuple(record["sibling_run_ids"]),
                "asked_category_ids": asked and tuple(asked),
            }
        )


def read_plan(storage: Storage, run_id: str) -> Plan:
    """The plan of a run. Raises MissingArtefactError when it has none."""
    return Plan.from_json(storage.read_json(layout.plan_record(run_id)))


def read_unit(storage: Storage, run_id: str, unit_id: str) -> Row:
    """One unit's record from the plan's file, as `tables.UNITS`.

    Raises MissingArtefactError when the plan has no such unit.
    """
    key = layout.plan_units(run_id)
    for unit in read_rows(storage, key, UNITS):
        if unit["unit_id"] == unit_id:
            return unit
    raise MissingArtefactError(f"{key} has no unit {unit_id!r}; clear plan_work")
