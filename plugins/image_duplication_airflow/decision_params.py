"""The parameters of a run that records decisions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param

from image_duplication.errors import ConfigurationError
from image_duplication_airflow.known_params import refuse_unknown

_FILE_NAME = r"^\w[\w .-]*\.csv$"  # no folder: only what lies in `decisions/`

PARAMS = {
    # A default of none: without one, Airflow cannot tell of a run that failed.
    "file_name": Param(
        None,
        type=["null", "string"],
        pattern=_FILE_NAME,
        title="File",
        description="A CSV file in the folder `decisions/` below the storage root, "
        "e.g. 1234_duplicates.csv.",
    ),
}


def read_file_name(params: Mapping[str, Any]) -> str:
    """The file of a run. Raises ConfigurationError naming the parameter that is wrong."""
    refuse_unknown(params, PARAMS)
    file_name = params["file_name"]
    if not re.fullmatch(_FILE_NAME.strip("^$"), file_name or ""):
        raise ConfigurationError(
            f"run parameter 'file_name' is {file_name!r}; expected the name of a .csv file, "
            "without a folder"
        )
    return str(file_name)
