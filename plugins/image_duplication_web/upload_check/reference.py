"""The description of the interface: OpenAPI for programs, and a page for people.

The page is made here, in one piece without script, so that it needs no network: FastAPI's own loads
its programs from others' servers.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, PackageLoader

# Nothing but what is in the page itself.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def make_reference() -> APIRouter:
    """Both, for the app that they are part of."""
    router = APIRouter(include_in_schema=False)
    pages = Environment(loader=PackageLoader(__package__, ""), autoescape=True, trim_blocks=True)

    @router.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        return JSONResponse(_describe(request))

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        page = pages.get_template("reference.html").render(api=_describe(request))
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    return router


def _describe(request: Request) -> dict[str, Any]:
    app: FastAPI = request.app
    return {**app.openapi(), "servers": [{"url": request.scope.get("root_path", "") or "/"}]}
