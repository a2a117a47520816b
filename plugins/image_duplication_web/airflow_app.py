"""The web apps as Airflow mounts them: with Airflow's users and the connection of its store."""

from __future__ import annotations

from fastapi import FastAPI

from image_duplication_airflow.connections import open_source, open_store
from image_duplication_web.airflow_auth import AIRFLOW_ACCESS
from image_duplication_web.review.app import make_review_app
from image_duplication_web.review.sources import Sources
from image_duplication_web.upload_check.app import create_airflow_check_app
from image_duplication_web.upload_check.variants import Databases


def make_airflow_review_app() -> FastAPI:
    """The review pages. They open nothing until they are asked for."""
    return make_review_app(AIRFLOW_ACCESS, Sources(open_store))


def make_airflow_check_app() -> FastAPI:
    """The upload check. Its workers start with the first upload; a wrong setting is its answer."""
    return create_airflow_check_app(AIRFLOW_ACCESS, Databases(open_source, open_store))
