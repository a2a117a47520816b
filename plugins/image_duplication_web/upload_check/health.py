"""Whether the service lives, whether it can work, and what it counts."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from image_duplication.errors import ImageDuplicationError
from image_duplication.settings import load_settings
from image_duplication.storage import Storage
from image_duplication_web.upload_check.measures import Measures
from image_duplication_web.upload_check.pool import WorkerPool
from image_duplication_web.upload_check.refusals import (
    RefusalCode,
    RequestRefusedError,
    describe_refusals,
)

_ANY_KEY = "images/current"  # whether it is there does not matter; whether the storage answers does
_RETRY_S = 5.0


class Life(BaseModel):
    """The service answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """The service can judge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["ready"] = "ready"


def make_probes(pool: WorkerPool) -> APIRouter:
    """What a supervisor and a load balancer ask."""
    router = APIRouter()

    @router.get("/livez", summary="Whether the service answers at all")
    async def livez() -> Life:
        return Life()

    @router.get(
        "/readyz",
        summary="Whether workers run, settings can be read and the storage answers",
        responses=describe_refusals(RefusalCode.NOT_READY),
    )
    async def readyz() -> Readiness:
        fault = None if pool.find_alive() else "the workers do not run"
        fault = fault or await run_in_threadpool(_find_fault)
        if fault is not None:
            raise RequestRefusedError(RefusalCode.NOT_READY, fault, retry_after_s=_RETRY_S)
        return Readiness()

    return router


def make_metrics(measures: Measures) -> APIRouter:
    """What Prometheus reads."""
    router = APIRouter()

    @router.get(
        "/metrics",
        summary="Counters, for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        return Response(measures.exposition(), media_type=CONTENT_TYPE_LATEST)

    return router


def _find_fault() -> str | None:
    """What keeps a check from being judged. Its words name no place: they go to anybody."""
    try:
        settings = load_settings()
    except ImageDuplicationError:
        return "the settings cannot be read"
    try:
        Storage(settings.storage_root).exists(_ANY_KEY)
    except ImageDuplicationError:
        return "the storage does not answer"
    return None
