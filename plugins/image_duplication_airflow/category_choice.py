"""The run parameter `category_ids`: how a form asks for it, and what is made of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from image_duplication.errors import ConfigurationError

CATEGORY_IDS: dict[str, Any] = {
    "type": ["null", "array"],
    # A list whose items state another type than text is asked for in an editor of JSON, and Airflow
    # 3.3 formats that anew at each key: of 21 typed into [] it makes [2]1. This list states none
    # that Airflow sees: its form has a plain field, an id a line, and gives text; REST and the
    # command line may give numbers.
    "items": {
        "allOf": [{"type": ["integer", "string"]}],
        "minimum": 1,
        "pattern": "^[1-9][0-9]*$",
    },
    "uniqueItems": True,
}
"""JSON schema of the parameter, as keyword arguments of `Param`."""


def check_one_chosen(category_ids: object, run_id: object) -> None:
    """Raise ConfigurationError unless either categories or a run that published them are chosen."""
    if bool(category_ids) == bool(run_id):
        raise ConfigurationError(
            f"run parameters 'category_ids' = {category_ids!r} and 'run_id' = {run_id!r}; "
            "expected one of the two"
        )


def read_category_ids(chosen: Sequence[int | str] | None) -> tuple[int, ...] | None:
    """The ids of a checked parameter as numbers, each once; None when nothing was chosen."""
    return tuple(dict.fromkeys(int(category_id) for category_id in chosen)) if chosen else None
