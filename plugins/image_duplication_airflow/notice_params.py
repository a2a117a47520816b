"""The parameters of a run of notices: what the trigger form asks, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Param

from image_duplication.errors import ConfigurationError
from image_duplication.settings import Settings, load_settings
from image_duplication_airflow.category_choice import CATEGORY_IDS, read_category_ids

PARAMS = {
    "category_ids": Param(
        None,
        **CATEGORY_IDS,
        minItems=1,
        title="Categories",
        description="Category ids, one a line. Or give a run.",
    ),
    "run_id": Param(
        None,
        type=["null", "string"],
        minLength=1,
        title="Run",
        description="A finished run of image_duplication, whose categories are meant: all that it "
        "published. Or give categories.",
    ),
    "dry_run": Param(
        True,
        type="boolean",
        title="Dry run",
        description="Write the notices as drafts and record nothing: no days are counted.",
    ),
}


@dataclass(frozen=True, slots=True)
class NoticeChoices:
    """A run's parameters, checked: `category_ids` or `run_id`, and never both."""

    settings: Settings
    category_ids: tuple[int, ...] | None
    run_id: str | None
    is_dry: bool


def read_choices(params: Mapping[str, Any]) -> NoticeChoices:
    """The choices of a run. Raises ConfigurationError naming the parameter that is wrong."""
    unknown = sorted(params.keys() - PARAMS.keys())
    if unknown:
        raise ConfigurationError(
            f"run parameter {unknown[0]!r} is not known; expected {', '.join(PARAMS)}"
        )
    given = {name: params.get(name, param.value) for name, param in PARAMS.items()}
    if bool(given["category_ids"]) == bool(given["run_id"]):
        raise ConfigurationError(
            f"run parameters 'category_ids' = {given['category_ids']!r} and 'run_id' = "
            f"{given['run_id']!r}; expected one of the two"
        )
    return NoticeChoices(
        settings=load_settings(),
        category_ids=read_category_ids(given["category_ids"]),
        run_id=given["run_id"],
        is_dry=bool(given["dry_run"]),
    )
