"""Registers what this project adds to Airflow itself; holds no logic."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class ImageDuplicationPlugin(AirflowPlugin):
    """Image duplication: so far it makes the packages beside it importable, nothing else."""

    name = "image_duplication"
