"""What the service says when it does not answer a request: one closed schema, one list of codes."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

logger = logging.getLogger(__name__)

_CLIENT_CLOSED_REQUEST = 499  # nobody reads it; the log of whoever stands in front may


class RefusalCode(StrEnum):
    """Why a request got no verdict. The list is closed: a client may decide by it."""

    BODY_UNREADABLE = "body_unreadable"
    NOT_AUTHENTICATED = "not_authenticated"
    NOT_ALLOWED = "not_allowed"
    ADDRESS_UNKNOWN = "address_unknown"
    VARIANT_UNKNOWN = "variant_unknown"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    RECEIVE_TIMED_OUT = "receive_timed_out"
    FILE_TOO_LARGE = "file_too_large"
    REQUEST_TOO_LARGE = "request_too_large"
    MEDIA_TYPE_NOT_SUPPORTED = "media_type_not_supported"
    FIELD_NOT_VALID = "field_not_valid"
    NO_PICTURES = "no_pictures"
    TOO_MANY_PICTURES = "too_many_pictures"
    PICTURE_NOT_FETCHED = "picture_not_fetched"
    RATE_EXCEEDED = "rate_exceeded"
    REFUSED = "refused"
    JUDGING_FAILED = "judging_failed"
    QUEUE_FULL = "queue_full"
    NOT_READY = "not_ready"
    OUT_OF_TIME = "out_of_time"

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status that goes with the code."""
        return _STATUS[self]


_STATUS = {
    RefusalCode.BODY_UNREADABLE: HTTPStatus.BAD_REQUEST,
    RefusalCode.NOT_AUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    RefusalCode.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    RefusalCode.ADDRESS_UNKNOWN: HTTPStatus.NOT_FOUND,
    RefusalCode.VARIANT_UNKNOWN: HTTPStatus.NOT_FOUND,
    RefusalCode.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    RefusalCode.RECEIVE_TIMED_OUT: HTTPStatus.REQUEST_TIMEOUT,
    RefusalCode.FILE_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RefusalCode.REQUEST_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RefusalCode.MEDIA_TYPE_NOT_SUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RefusalCode.FIELD_NOT_VALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    RefusalCode.NO_PICTURES: HTTPStatus.UNPROCESSABLE_ENTITY,
    RefusalCode.TOO_MANY_PICTURES: HTTPStatus.UNPROCESSABLE_ENTITY,
    RefusalCode.PICTURE_NOT_FETCHED: HTTPStatus.UNPROCESSABLE_ENTITY,
    RefusalCode.RATE_EXCEEDED: HTTPStatus.TOO_MANY_REQUESTS,
    RefusalCode.REFUSED: HTTPStatus.BAD_REQUEST,
    RefusalCode.JUDGING_FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
    RefusalCode.QUEUE_FULL: HTTPStatus.SERVICE_UNAVAILABLE,
    RefusalCode.NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
    RefusalCode.OUT_OF_TIME: HTTPStatus.GATEWAY_TIMEOUT,
}

# What routing and the guards of Airflow raise, by HTTP status.
_BY_STATUS = {
    HTTPStatus.UNAUTHORIZED: RefusalCode.NOT_AUTHENTICATED,
    HTTPStatus.FORBIDDEN: RefusalCode.NOT_ALLOWED,
    HTTPStatus.NOT_FOUND: RefusalCode.ADDRESS_UNKNOWN,
    HTTPStatus.METHOD_NOT_ALLOWED: RefusalCode.METHOD_NOT_ALLOWED,
}


class Refusal(BaseModel):
    """Why the request got no verdict."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: RefusalCode
    message: str = Field(description="What was received and what is allowed, in a sentence.")
    retry_after_s: int | None = Field(
        ge=0, description="Seconds after which the same request may succeed; null: it will not."
    )


def describe_refusals(*codes: RefusalCode) -> dict[int | str, dict[str, Any]]:
    """The answers of these codes, for a route's description."""
    by_status: dict[int | str, list[str]] = {}
    for code in codes:
        by_status.setdefault(code.status.value, []).append(f"`{code}`")
    return {
        status: {"model": Refusal, "description": " or ".join(names)}
        for status, names in sorted(by_status.items())
    }


class RequestRefusedError(Exception):
    """This request gets no verdict. `is_unread`: its body may go on, so it is cut off."""

    def __init__(
        self,
        code: RefusalCode,
        message: str,
        *,
        retry_after_s: float | None = None,
        is_unread: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_s = None if retry_after_s is None else math.ceil(retry_after_s)
        self.is_unread = is_unread


def install_handlers(app: FastAPI) -> None:
    """Have every fault of the app answered by a `Refusal`, and counted."""

    @app.exception_handler(RequestRefusedError)
    async def refuse(request: Request, error: RequestRefusedError) -> Response:
        headers = {"Connection": "close"} if error.is_unread else {}
        if error.code is RefusalCode.NOT_AUTHENTICATED:
            headers["WWW-Authenticate"] = "Bearer"
        return _answer(
            request, error.code, str(error), headers=headers, retry_after_s=error.retry_after_s
        )

    @app.exception_handler(HTTPException)
    async def refuse_status(request: Request, error: HTTPException) -> Response:
        code = _BY_STATUS.get(HTTPStatus(error.status_code), RefusalCode.REFUSED)
        return _answer(request, code, _sentence(request, code, error), headers=error.headers)

    @app.exception_handler(ClientDisconnect)
    async def note_departure(request: Request, _: ClientDisconnect) -> Response:
        request.app.state.measures.count_outcome("gone")
        return Response(status_code=_CLIENT_CLOSED_REQUEST)

    @app.exception_handler(Exception)
    async def admit(request: Request, _: Exception) -> Response:
        # Starlette raises the error again once this is sent, so that its trace is logged.
        message = "the service has a fault and has logged it; expected a verdict"
        return _answer(request, RefusalCode.JUDGING_FAILED, message)


def _answer(
    request: Request,
    code: RefusalCode,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    retry_after_s: int | None = None,
) -> Response:
    request.app.state.measures.count_rejection(code)
    refusal = Refusal(code=code, message=message, retry_after_s=retry_after_s)
    more = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return JSONResponse(refusal.model_dump(mode="json"), code.status, {**(headers or {}), **more})


def _sentence(request: Request, code: RefusalCode, error: HTTPException) -> str:
    received = f"{request.method} {request.url.path}"
    if code is RefusalCode.ADDRESS_UNKNOWN:
        return f"{received} is no address of this service; POST /v1/check judges pictures"
    if code is RefusalCode.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        return f"{received} is not allowed; expected {allowed}"
    return f"{received} was refused: {error.detail}"
