"""The parameters of a run: what the trigger form asks, and what a run makes of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Param

from image_duplication.records import Engine, Scope, Selection
from image_duplication.settings import Settings, load_settings
from image_duplication_airflow.category_choice import CATEGORY_IDS, read_category_ids
from image_duplication_airflow.known_params import refuse_unknown

# Null means the value of the settings, which are not read when the DAG file is parsed.
PARAMS = {
    "category_ids": Param(
        None,
        **CATEGORY_IDS,
        title="Categories",
        description="Category ids, one a line. Empty: those of the categories file, or all that "
        "the database has.",
    ),
    "scope": Param(
        Scope.CHANGED.value,
        type="string",
        enum=[scope.value for scope in Scope],
        title="Scope",
        description="changed: variants whose images changed since they were last judged, or that "
        "were left undecided. full: every active variant.",
    ),
    "engines": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "enum": [engine.value for engine in Engine]},
        minItems=1,
        title="Engines",
        description=f"Which engines judge: {', '.join(Engine)}. Empty: as in the settings.",
    ),
    "pixel_size": Param(
        None,
        type=["null", "integer"],
        minimum=10,
        maximum=1000,
        title="Pixel size (px)",
        description="Side to which difPy reduces each picture. Empty: as in the settings.",
    ),
    "similarity_mse": Param(
        None,
        type=["null", "number"],
        minimum=0,
        maximum=200,
        title="Similarity (mean squared error)",
        description="Largest error of a difPy match; 0 is difPy's `duplicates`, 5 its `similar`. "
        "Empty: as in the settings.",
    ),
    "part_size_images": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="Part size (images)",
        description="Larger categories are split into parts of this many images. "
        "Empty: as in the settings.",
    ),
    "max_units_per_run": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        maximum=1024,
        title="Units per run",
        description="More work units go to sibling runs. Empty: as in the settings.",
    ),
    "plan_only": Param(
        False,
        type="boolean",
        title="Plan only",
        description="Print units, images due, expected requests and minutes, and do nothing else.",
    ),
    "take_new_snapshot": Param(
        False,
        type="boolean",
        title="Take a new snapshot",
        description="Chosen when the run is started: a task of it that is cleared or retried "
        "plans and extracts from the source again, instead of keeping what the run had read.",
    ),
}

_SETTING_OF_PARAM = {
    "engines": ("detection", "engines"),
    "pixel_size": ("detection", "difpy", "pixel_size"),
    "similarity_mse": ("detection", "difpy", "similarity_mse"),
    "part_size_images": ("plan", "part_size_images"),
    "max_units_per_run": ("plan", "max_units_per_run"),
}


@dataclass(frozen=True, slots=True)
class RunChoices:
    """A run's parameters, checked; `settings` has the run's own values in place."""

    settings: Settings
    selection: Selection
    plan_only: bool
    take_new_snapshot: bool


def read_choices(params: Mapping[str, Any]) -> RunChoices:
    """The choices of a run. Raises ConfigurationError naming the parameter that is wrong."""
    refuse_unknown(params, PARAMS)
    overrides: dict[str, Any] = {}
    for name, path in _SETTING_OF_PARAM.items():
        if params.get(name) is None:
            continue
        section = overrides
        for part in path[:-1]:
            section = section.setdefault(part, {})
        section[path[-1]] = params[name]
    return RunChoices(
        settings=load_settings(overrides),
        selection=Selection(
            category_ids=read_category_ids(params.get("category_ids")),
            scope=Scope(params.get("scope", Scope.CHANGED)),
        ),
        plan_only=bool(params.get("plan_only", False)),
        take_new_snapshot=bool(params.get("take_new_snapshot", False)),
    )
