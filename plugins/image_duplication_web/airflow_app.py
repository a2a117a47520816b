"""The web app as Airflow mounts it: with Airflow's users and the connection of its store."""

from __future__ import annotations

from fastapi import FastAPI

from image_duplication_airflow.connections import open_store
from image_duplication_web.airflow_auth import AIRFLOW_ACCESS
from image_duplication_web.review.app import make_review_app
from image_duplication_web.review.sources import Sources


def make_airflow_app() -> FastAPI:
    """The app. It opens nothing until it is asked for a page."""
    return make_review_app(AIRFLOW_ACCESS, Sources(open_store))
