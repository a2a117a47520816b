"""By when a run is to be finished: a deadline that every way of starting a run agrees with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert

from image_duplication.errors import ConfigurationError
from image_duplication_airflow.alerting import tell_of_late_run
from image_duplication_airflow.run_start import RunStart

DEADLINE_VARIABLE = "IMAGE_DUPLICATION_DEADLINE_HOURS"
DEFAULT_HOURS = 36.0
"""A weekly run may take the Sunday."""


def make_deadline(hours: float) -> DeadlineAlert:
    """A run is late when it is not finished so long after its start; then somebody is told."""
    # The triggerer tells, not an executor: its slots may be what the run is waiting for.
    return DeadlineAlert(
        reference=RunStart(),
        interval=timedelta(hours=hours),
        callback=AsyncCallback(tell_of_late_run),
        name=f"finished {hours:g} hours after its start",
    )


def read_deadline(environment: Mapping[str, str]) -> DeadlineAlert | None:
    """The deadline that the environment asks for; its variable empty: none.

    Raises ConfigurationError when it is no positive number of hours.
    """
    text = environment.get(DEADLINE_VARIABLE, f"{DEFAULT_HOURS}")
    if not text:
        return None
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours < math.inf:
        raise ConfigurationError(
            f"environment variable {DEADLINE_VARIABLE} is {text!r}; expected a positive number of "
            "hours, or nothing for no deadline"
        )
    return make_deadline(hours)
