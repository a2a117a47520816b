"""Registers what this project adds to Airflow itself; holds no logic."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from image_duplication_airflow.run_start import RunStart


class ImageDuplicationPlugin(AirflowPlugin):
    """Image duplication: the start of a run's deadline, and the pages to review findings."""

    name = "image_duplication"
    deadline_references = [RunStart]
    # Relative to where Airflow itself is, which may be below a path.
    external_views = [
        {
            "name": "Image duplication",
            "href": "image-duplication/",
            "destination": "nav",
            "category": "browse",
            "url_route": "image-duplication",
        },
        {
            "name": "Image duplication",
            "href": "image-duplication/dags/{DAG_ID}/runs/{RUN_ID}",
            "destination": "dag_run",
            "url_route": "image-duplication-run",
        },
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The web app. Airflow asks for it in the api-server only, so no task imports FastAPI."""
        from image_duplication_web.airflow_app import make_airflow_app  # noqa: PLC0415

        return [
            {
                "app": make_airflow_app(),
                "url_prefix": "/image-duplication",
                "name": "image_duplication",
            }
        ]
