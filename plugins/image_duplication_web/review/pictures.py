"""Pictures and thumbnails, by content and only of what a category's current rows refer to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Annotated, TypeVar

import anyio
from fastapi import APIRouter, Header, HTTPException, Path
from fastapi.responses import Response, StreamingResponse

from image_duplication import layout
from image_duplication.errors import MissingArtefactError
from image_duplication.storage import Storage
from image_duplication_web.review.sources import Sources, SourcesOfApp
from image_duplication_web.review.thumbnail_maker import MakerBusyError, ThumbnailUnmakeableError

_BLOCK_BYTES = 256 * 1024
_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
_BUSY_S = 2
# A page asks for a hundred thumbnails at once. They are read in threads of their own, so that none
# of those in which Airflow answers is held while the storage is slow.
_THREADS = anyio.CapacityLimiter(8)

Result = TypeVar("Result")

_Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
_CategoryId = Annotated[int, Path(ge=0, lt=2**63)]
_KnownTag = Annotated[str, Header(alias="If-None-Match")]

router = APIRouter()


@router.get("/pictures/{category_id}/{content_sha256}")
def picture(
    sources: SourcesOfApp,
    category_id: _CategoryId,
    content_sha256: _Sha256,
    known: _KnownTag = "",
) -> Response:
    """A picture as it was downloaded."""
    key, picture_format = _find(sources, category_id, content_sha256)
    headers = _headers(content_sha256)
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    size = sources.storage.size(key)
    if size is None:
        raise MissingArtefactError(f"picture {content_sha256} is not in the archive")
    return StreamingResponse(
        _blocks(sources.storage, key),
        media_type=_MEDIA_TYPES.get(picture_format, "application/octet-stream"),
        headers={**headers, "Content-Length": str(size)},
    )


@router.get("/thumbnails/{category_id}/{content_sha256}")
async def thumbnail(
    sources: SourcesOfApp,
    category_id: _CategoryId,
    content_sha256: _Sha256,
    known: _KnownTag = "",
) -> Response:
    """A picture, small; made and kept where it is missing."""
    key, _ = await _in_thread(_find, sources, category_id, content_sha256)
    headers = _headers(f"{content_sha256}-small")
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    small = layout.thumbnail(category_id, content_sha256)
    content = await _in_thread(_read_if_there, sources.storage, small)
    if content is None:
        content = await _make(sources, key, small)
    return Response(content, media_type="image/jpeg", headers=headers)


async def _make(sources: Sources, key: str, small: str) -> bytes:
    try:
        content = await sources.thumbnails.make(
            functools.partial(_in_thread, sources.storage.read_bytes, key)
        )
    except MakerBusyError as error:
        busy = {"Retry-After": str(_BUSY_S)}
        raise HTTPException(503, "too many thumbnails at once", headers=busy) from error
    except ThumbnailUnmakeableError as error:
        raise HTTPException(404, "the picture cannot be made small") from error
    await _in_thread(_write, sources.storage, small, content)
    return content


async def _in_thread(call: Callable[..., Result], *arguments: object) -> Result:
    return await anyio.to_thread.run_sync(call, *arguments, limiter=_THREADS)


def _write(storage: Storage, key: str, content: bytes) -> None:
    storage.write_bytes(key, content, durable=False)


def _find(sources: Sources, category_id: int, content_sha256: str) -> tuple[str, str]:
    found = sources.files.read(category_id).pictures.get(content_sha256)
    if found is None:
        raise MissingArtefactError(
            f"category {category_id} refers to no picture of content {content_sha256}"
        )
    return found


def _read_if_there(storage: Storage, key: str) -> bytes | None:
    try:
        # An empty file is what a crash may have left of one that was not forced to disk.
        return storage.read_bytes(key) or None
    except MissingArtefactError:
        return None


def _blocks(storage: Storage, key: str) -> Iterator[bytes]:
    with storage.reading(key) as source:
        while block := source.read(_BLOCK_BYTES):
            yield block


def _headers(tag: str) -> dict[str, str]:
    # Equal content for ever, as the address is the content's own hash.
    return {"ETag": f'"{tag}"', "Cache-Control": "private, max-age=31536000, immutable"}
