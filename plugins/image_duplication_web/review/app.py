"""The review pages as one app: every route guarded, every answer under one policy."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from image_duplication.errors import (
    ImageDuplicationError,
    MissingArtefactError,
    StorageError,
    StoreError,
)
from image_duplication_web.access import Access
from image_duplication_web.review import assets, deciding, exports, pages, pictures
from image_duplication_web.review.rendering import render
from image_duplication_web.review.sources import Sources

logger = logging.getLogger(__name__)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_RETRY_S = 30

_TITLES = {
    401: "Please log in",
    403: "You may not do this",
    404: "There is nothing here",
    422: "This address cannot be read",
    503: "Out of reach just now",
}


def make_review_app(access: Access, sources: Sources) -> FastAPI:
    """The app, to be mounted below any prefix. `sources` are closed with it."""

    @contextlib.asynccontextmanager
    async def closing(_app: FastAPI) -> AsyncIterator[None]:
        yield
        sources.close()

    # Its own description would be a route without a guard.
    app = FastAPI(
        title="Image duplication: review", lifespan=closing, openapi_url=None, docs_url=None
    )
    app.state.sources = sources
    app.state.access = access
    for room in (pages, exports, pictures, assets):
        app.include_router(room.router, dependencies=[Depends(access.require_viewer)])
    app.include_router(deciding.router, dependencies=[Depends(access.require_operator)])
    app.add_exception_handler(StarletteHTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(ImageDuplicationError, _answer_failed)
    app.add_middleware(_SafeHeaders)
    return app


class _SafeHeaders:
    """Adds the policy to every answer, and keeps pages out of shared memories."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "private, no-store")
            await send(message)

        await self._app(scope, receive, send_safely)


async def _answer_http(request: Request, error: Exception) -> Response:
    fault = error if isinstance(error, StarletteHTTPException) else HTTPException(500)
    if fault.status_code == HTTPStatus.UNAUTHORIZED and _is_page(request):
        access: Access = request.app.state.access
        # Without a host, for a proxy may be known to browsers by another one.
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(access.login_address(here), status_code=303)
    return _answer(request, fault.status_code, str(fault.detail), fault.headers)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    told = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}" for fault in faults
    )
    return _answer(request, 422, told)


async def _answer_failed(request: Request, error: Exception) -> Response:
    if isinstance(error, MissingArtefactError):
        return _answer(
            request, 404,
            f"{error}. Trigger the DAG image_duplication for it; when its run is published, "
            "the page is there.",
        )  # fmt: skip
    logger.warning("%s: %s", request.url.path, error)
    if isinstance(error, StorageError):
        advice = "Pictures and findings are kept there. Nothing is lost; try again in a minute."
    elif isinstance(error, StoreError):
        advice = "Decisions are kept there, so none can be made just now. Try again in a minute."
    else:
        advice = "Somebody who runs this Airflow must mend it: docs/runbook.md says how."
    return _answer(request, 503, f"{error}. {advice}", {"Retry-After": str(_RETRY_S)})


def _answer(
    request: Request, status: int, told: str, headers: Mapping[str, str] | None = None
) -> Response:
    if not _is_page(request):
        answer: Response = JSONResponse({"detail": told}, status_code=status)
    else:
        title = _TITLES.get(status, "This did not work")
        answer = render(request, "problem.html", status=status, title=title, told=told)
    answer.headers.update(headers or {})
    return answer


def _is_page(request: Request) -> bool:
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")
