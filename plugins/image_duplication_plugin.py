"""Registers what this project adds to Airflow itself; holds no logic."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from image_duplication_airflow.run_start import RunStart


class ImageDuplicationPlugin(AirflowPlugin):
    """Image duplication: the start from which a run's deadline is counted."""

    name = "image_duplication"
    deadline_references = [RunStart]
