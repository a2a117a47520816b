"""Registers what this project adds to Airflow itself; holds no logic."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from image_duplication_airflow.run_start import RunStart


class ImageDuplicationPlugin(AirflowPlugin):
    """Image duplication: a run's deadline, the pages to review findings, the upload check."""

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
        """The web apps. Airflow asks for them in the api-server only: no task imports FastAPI."""
        from image_duplication_web.airflow_app import make_airflow_app  # noqa: PLC0415
        from image_duplication_web.airflow_auth import AIRFLOW_ACCESS  # noqa: PLC0415
        from image_duplication_web.upload_check.app import create_airflow_check_app  # noqa: PLC0415

        # The first prefix that fits is asked.
        return [
            {
                "app": create_airflow_check_app(AIRFLOW_ACCESS),
                "url_prefix": "/image-duplication/upload-check",
                "name": "image_duplication_upload_check",
            },
            {
                "app": make_airflow_app(),
                "url_prefix": "/image-duplication",
                "name": "image_duplication",
            },
        ]
