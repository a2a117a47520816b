"""The web app of the upload check, for both ways to run it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI

from image_duplication.errors import ConfigurationError
from image_duplication.settings import Settings, load_settings
from image_duplication.upload_check.databases import open_source, open_store
from image_duplication_web.access import Access
from image_duplication_web.upload_check.health import make_metrics, make_probes
from image_duplication_web.upload_check.keys import Keys
from image_duplication_web.upload_check.measures import Measures
from image_duplication_web.upload_check.pool import WorkerPool
from image_duplication_web.upload_check.reference import make_reference
from image_duplication_web.upload_check.refusals import (
    RefusalCode,
    RequestRefusedError,
    describe_refusals,
    install_handlers,
)
from image_duplication_web.upload_check.routes import Checks, make_router
from image_duplication_web.upload_check.url_pictures import UrlPictures
from image_duplication_web.upload_check.variants import Databases, Variants

logger = logging.getLogger(__name__)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_DESCRIPTION = """Finds, while a seller uploads, which of the pictures repeat another one, by the \
same detection as the weekly run, and says what to upload instead."""


def create_airflow_check_app(access: Access, databases: Databases) -> FastAPI:
    """The app to be mounted in Airflow: whoever may look may check; nobody else gets anything.

    Its workers start with the first check. Raises nothing, for then the whole api-server would not
    start: where the settings are wrong, the app answers that instead of a verdict.
    """
    guard = [Depends(access.require_viewer)]
    try:
        settings = load_settings()
    except ConfigurationError as error:
        logger.error("the upload check cannot work: %s", error)
        return _create_unready(str(error), guard)
    return _create(settings, access.require_viewer, databases, guards_of_open_addresses=guard)


def create_service_app(settings: Settings) -> FastAPI:
    """The app of a service of its own, for those who have an API key.

    Without a key there are only the probes and the description of the interface. Raises
    ConfigurationError.
    """
    return _create(
        settings,
        Keys(settings).require_key,
        Databases(open_source, open_store),
        guards_of_open_addresses=[],
    )


def _create_unready(fault: str, guards: Sequence[Any]) -> FastAPI:
    app = FastAPI(title="Upload check", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.measures = Measures()
    install_handlers(app)

    @app.api_route("/{address:path}", methods=[*_METHODS], dependencies=guards)
    async def refuse(address: str) -> None:  # noqa: ARG001 - whichever it is
        raise RequestRefusedError(
            RefusalCode.NOT_READY,
            f"{fault}; mend it, then restart the api-server",
            is_unread=True,
        )

    return app


def _create(
    settings: Settings,
    require_user: Callable[..., Any],
    databases: Databases,
    *,
    guards_of_open_addresses: Sequence[Any],
) -> FastAPI:
    measures = Measures()
    pool = WorkerPool(settings, measures)
    url_pictures = UrlPictures(settings)
    variants = Variants(settings, databases)

    def stop_workers() -> None:
        pool.stop()
        url_pictures.close()

    # Of a service of its own; an app that is mounted in another is not told when that starts.
    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        await pool.start()
        try:
            yield
        finally:
            stop_workers()

    app = FastAPI(
        title="Upload check",
        version="1",
        description=_DESCRIPTION,
        lifespan=running,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.measures = measures
    app.state.stop_workers = stop_workers
    install_handlers(app)
    checks = Checks(settings, pool, url_pictures, variants, measures)
    app.include_router(make_router(checks, settings, require_user))
    login = describe_refusals(RefusalCode.NOT_AUTHENTICATED, RefusalCode.NOT_ALLOWED)
    app.include_router(make_probes(pool), dependencies=guards_of_open_addresses, responses=login)
    app.include_router(make_reference(), dependencies=guards_of_open_addresses)
    app.include_router(
        make_metrics(measures), dependencies=[Depends(require_user)], responses=login
    )
    return app
