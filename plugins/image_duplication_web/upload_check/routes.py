"""`POST /v1/check`: pictures in, a verdict out."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from image_duplication.records import Verdict
from image_duplication.settings import Settings
from image_duplication.upload_check.answer import CheckAnswer
from image_duplication_web.upload_check.intake import Received, read_request
from image_duplication_web.upload_check.measures import Measures
from image_duplication_web.upload_check.pool import WorkerPool
from image_duplication_web.upload_check.rates import Rates
from image_duplication_web.upload_check.refusals import (
    RefusalCode,
    RequestRefusedError,
    describe_refusals,
)
from image_duplication_web.upload_check.requests import describe_body
from image_duplication_web.upload_check.url_pictures import UrlPictures
from image_duplication_web.upload_check.variants import Variants
from image_duplication_web.upload_check.workers import Judged, Order

_RETRY_S = 1.0


class Checks:
    """Takes requests through their stages: received, fetched, judged; and removes their files."""

    def __init__(
        self,
        settings: Settings,
        pool: WorkerPool,
        url_pictures: UrlPictures,
        variants: Variants,
        measures: Measures,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._url_pictures = url_pictures
        self._variants = variants
        self._measures = measures
        self._open = 0

    async def check(self, request: Request) -> Response:
        """The answer to one request. Raises RequestRefusedError."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._pool.check_room()
        with self._place(), tempfile.TemporaryDirectory(prefix="upload-check-") as folder:
            received = await read_request(request, Path(folder), self._settings)
            judged = await self._judge(request, received, Path(folder))
        self._measures.count_verdict(
            Verdict.of(judged.verdict),
            seconds=loop.time() - began,
            cpu_s=judged.cpu_s,
            pictures=judged.pictures,
        )
        return Response(judged.content, media_type="application/json")

    @contextmanager
    def _place(self) -> Iterator[None]:
        most = self._settings.upload_service.max_open_requests
        if self._open >= most:
            raise RequestRefusedError(
                RefusalCode.QUEUE_FULL,
                f"{self._open} requests are open, which is the most allowed; come again later",
                retry_after_s=_RETRY_S,
                is_unread=True,
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def _judge(self, request: Request, received: Received, folder: Path) -> Judged:
        ends_at = asyncio.get_running_loop().time() + self._settings.upload.total_time_s
        files = received.files or await self._fetch(received.urls, folder, ends_at)
        fields = received.fields
        variant = None
        if fields.variant_id is not None:
            variant = await self._variants.find(fields.variant_id, fields.category_id, ends_at)
        order = Order(files, fields.mode, variant, ends_at)

        async def is_wanted() -> bool:
            return not await request.is_disconnected()

        return await self._pool.judge(order, is_wanted=is_wanted)

    async def _fetch(self, urls: tuple[str, ...], folder: Path, ends_at: float) -> Any:
        try:
            async with asyncio.timeout_at(ends_at):
                return await self._url_pictures.fetch(urls, folder)
        except TimeoutError as error:
            raise RequestRefusedError(
                RefusalCode.OUT_OF_TIME,
                f"the pictures could not be fetched within "
                f"{self._settings.upload.total_time_s:g} s, the longest allowed",
            ) from error


def make_router(checks: Checks, settings: Settings, require_user: Callable[..., Any]) -> APIRouter:
    """The route, guarded: the user first, then how often, and only then the body."""
    router = APIRouter()
    rates = Rates(settings.upload_service.requests_per_minute)

    @router.post(
        "/v1/check",
        summary="Judge the pictures of an upload",
        dependencies=[Depends(require_user), Depends(rates.keep)],
        response_model=CheckAnswer,
        responses=describe_refusals(*RefusalCode),
        openapi_extra={"requestBody": describe_body(settings)},
    )
    async def check_upload(request: Request) -> Response:
        """Send files as a form, or addresses as JSON. The pictures are judged in their order, after
        those that the variant shows if one is named, and none is kept."""  # noqa: D205, D209
        return await checks.check(request)

    return router
