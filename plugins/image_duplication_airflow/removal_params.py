"""The parameters of a removal: what the trigger form asks, and what a run makes of the answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow.sdk import Param

from image_duplication.errors import ConfigurationError
from image_duplication.settings import Settings, load_settings
from image_duplication_airflow.category_choice import CATEGORY_IDS, read_category_ids

_REMOVAL_ID = r"^[0-9a-f]{32}$"
_LONGEST_NOTE = 1_000


class RemovalMode(StrEnum):
    """What a run of the removal DAG is asked for."""

    IMAGES = "images"
    VARIANTS = "variants"
    RESTORE = "restore"


PARAMS = {
    "mode": Param(
        RemovalMode.IMAGES.value,
        type="string",
        enum=[mode.value for mode in RemovalMode],
        title="Mode",
        description="images: deactivate redundant images. variants: deactivate variants that are "
        "still short after the notice to their seller. restore: undo a removal.",
    ),
    "category_ids": Param(
        None,
        **CATEGORY_IDS,
        minItems=1,
        title="Categories",
        description="Category ids, one a line. Or give a run. Not for restore.",
    ),
    "run_id": Param(
        None,
        type=["null", "string"],
        minLength=1,
        title="Run",
        description="A finished run of image_duplication, whose categories are meant: all that it "
        "published. Or give categories. Not for restore.",
    ),
    "dry_run": Param(
        True,
        type="boolean",
        title="Dry run",
        description="Write and show what would be done, wait for nobody, change nothing.",
    ),
    "allow_unreviewed_identical": Param(
        None,
        type=["null", "boolean"],
        title="Unreviewed identical images",
        description="Propose images with equal bytes that nobody has reviewed, too. Empty: as in "
        "the settings. For images only.",
    ),
    "removal_id": Param(
        None,
        type=["null", "string"],
        pattern=_REMOVAL_ID,
        title="Removal to undo",
        description="The 32 hexadecimal digits that its page and its log name. For restore only.",
    ),
    "note": Param(
        "",
        type="string",
        maxLength=_LONGEST_NOTE,
        title="Note",
        description="Why; whoever approves reads it. Restore asks for one, and records it.",
    ),
}


@dataclass(frozen=True, slots=True)
class RemovalChoices:
    """A removal run's parameters, checked. `removal_id` is given for restore, and only then."""

    settings: Settings
    mode: RemovalMode
    category_ids: tuple[int, ...] | None
    run_id: str | None
    is_dry: bool
    allow_unreviewed_identical: bool | None
    removal_id: str | None
    note: str


def read_choices(params: Mapping[str, Any]) -> RemovalChoices:
    """The choices of a run. Raises ConfigurationError naming the parameter that is wrong."""
    unknown = sorted(params.keys() - PARAMS.keys())
    if unknown:
        raise ConfigurationError(
            f"run parameter {unknown[0]!r} is not known; expected {', '.join(PARAMS)}"
        )
    given = {name: params.get(name, param.value) for name, param in PARAMS.items()}
    mode = RemovalMode(given["mode"])
    _check_needed(mode, given)
    _check_needless(mode, given)
    return RemovalChoices(
        settings=load_settings(),
        mode=mode,
        category_ids=read_category_ids(given["category_ids"]),
        run_id=given["run_id"],
        is_dry=bool(given["dry_run"]),
        allow_unreviewed_identical=given["allow_unreviewed_identical"],
        removal_id=given["removal_id"],
        note=given["note"].strip(),
    )


def _check_needed(mode: RemovalMode, given: Mapping[str, Any]) -> None:
    if mode is not RemovalMode.RESTORE:
        if bool(given["category_ids"]) == bool(given["run_id"]):
            raise ConfigurationError(
                f"run parameters 'category_ids' = {given['category_ids']!r} and 'run_id' = "
                f"{given['run_id']!r}; mode {mode.value!r} expects one of the two"
            )
        return
    if not re.fullmatch(_REMOVAL_ID, given["removal_id"] or ""):
        raise ConfigurationError(
            f"run parameter 'removal_id' is {given['removal_id']!r}; mode 'restore' expects the 32 "
            "hexadecimal digits of the removal to undo"
        )
    if not given["note"].strip():
        raise ConfigurationError(
            "run parameter 'note' is empty; mode 'restore' expects why the removal is undone"
        )


_NEEDLESS = {
    RemovalMode.IMAGES: ("removal_id",),
    RemovalMode.VARIANTS: ("removal_id", "allow_unreviewed_identical"),
    RemovalMode.RESTORE: ("category_ids", "run_id", "allow_unreviewed_identical"),
}


def _check_needless(mode: RemovalMode, given: Mapping[str, Any]) -> None:
    """Refuse what the mode would overlook: whoever gave it expects something else."""
    for name in _NEEDLESS[mode]:
        if given[name] is not None:
            raise ConfigurationError(
                f"run parameter {name!r} is {given[name]!r}; mode {mode.value!r} expects none"
            )
