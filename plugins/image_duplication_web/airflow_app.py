"""The web apps as Airflow mounts them: with Airflow's users and the connection of its store."""

from __future__ import annotations

import logging

from fastapi import Depends, FastAPI, HTTPException

from image_duplication.errors import ConfigurationError
from image_duplication_airflow.connections import open_source, open_store
from image_duplication_web.airflow_auth import AIRFLOW_ACCESS
from image_duplication_web.review.app import make_review_app
from image_duplication_web.review.sources import Sources
from image_duplication_web.upload_check.app import create_airflow_check_app
from image_duplication_web.upload_check.variants import Databases

logger = logging.getLogger(__name__)


def make_airflow_review_app() -> FastAPI:
    """The review pages. They open nothing until they are asked for."""
    return make_review_app(AIRFLOW_ACCESS, Sources(open_store))


def make_airflow_check_app() -> FastAPI:
    """The upload check, whose workers start with the first upload.

    Without usable settings an app that says so: what is raised here would stop all of Airflow.
    """
    try:
        return create_airflow_check_app(AIRFLOW_ACCESS, Databases(open_source, open_store))
    except ConfigurationError as error:
        logger.error("the upload check is not served: %s", error)
        return _explain(str(error))


def _explain(reason: str) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.api_route(
        "/{_address:path}",
        methods=["GET", "POST"],
        dependencies=[Depends(AIRFLOW_ACCESS.require_viewer)],
    )
    def refuse(_address: str) -> None:
        raise HTTPException(503, f"the upload check is not served: {reason}")

    return app
