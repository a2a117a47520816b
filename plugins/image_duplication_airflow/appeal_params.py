"""The parameters of an appeal's answer: what the trigger form asks, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Param

from image_duplication.errors import ConfigurationError
from image_duplication_airflow.known_params import refuse_unknown

_LONGEST_ID = 255
_LONGEST_NOTE = 4_000
_PAIR = 2

PARAMS = {
    "category_id": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="Category",
        description="The category's id.",
    ),
    "variant_id": Param(
        "",
        type="string",
        maxLength=_LONGEST_ID,
        title="Variant",
        description="The product's number in the notice.",
    ),
    "image_ids": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "minLength": 1},
        minItems=_PAIR,
        maxItems=_PAIR,
        uniqueItems=True,
        title="Two images",
        description='The ids of the two pictures, in either order, e.g. ["5007-1", "5007-4"]: '
        "base_image_id and duplicate_image_id of <category>_duplicates.csv.",
    ),
    "granted": Param(
        None,
        type=["null", "boolean"],
        title="Granted",
        description="Yes: they are two different pictures. No: one is a copy of the other.",
    ),
    "note": Param(
        "",
        type="string",
        maxLength=_LONGEST_NOTE,
        title="Note",
        description="Why; kept with the decision.",
    ),
}


@dataclass(frozen=True, slots=True)
class AppealChoices:
    """The answer to one appeal, checked."""

    category_id: int
    variant_id: str
    image_ids: tuple[str, str]
    is_granted: bool
    note: str


def read_choices(params: Mapping[str, Any]) -> AppealChoices:
    """The choices of a run. Raises ConfigurationError naming the parameter that is wrong."""
    refuse_unknown(params, PARAMS)
    # The form's defaults are empty, so that nobody decides by pressing a button.
    for name in ("category_id", "variant_id", "image_ids", "granted"):
        if params.get(name) in (None, ""):
            raise ConfigurationError(
                f"run parameter {name!r} is empty; expected {PARAMS[name].description}"
            )
    first, second = params["image_ids"]
    return AppealChoices(
        category_id=params["category_id"],
        variant_id=params["variant_id"],
        image_ids=(first, second),
        is_granted=params["granted"],
        note=params.get("note", ""),
    )
