"""Who started a run."""

from __future__ import annotations

from typing import Any

from image_duplication.errors import ConfigurationError


def name_starter(dag_run: Any) -> str:
    """The user who started a run. Raises ConfigurationError when Airflow names nobody."""
    name: str | None = dag_run.triggering_user_name
    if name is None or not name.strip():
        raise ConfigurationError(
            "Airflow does not say who has started this run; expected a user: start it in the "
            "interface, or by the REST API"
        )
    return name
