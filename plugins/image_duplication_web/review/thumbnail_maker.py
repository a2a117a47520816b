"""Makes thumbnails that are missing, in a process of its own: pictures come from strangers."""

from __future__ import annotations

import asyncio
import multiprocessing
from typing import Self

import anyio
from pebble import ProcessExpired, ProcessPool

from image_duplication.settings import Settings
from image_duplication.thumbnails import make_thumbnail

_PROCESSES = 1
_MOST_WAITING = 60
_MAKING_S = 20
_TASKS_A_PROCESS = 200  # then it is replaced, with whatever memory it has grown to


class MakerBusyError(Exception):
    """More thumbnails are asked for than can be made soon."""


class ThumbnailUnmakeableError(Exception):
    """The picture cannot be decoded within the bounds."""


class ThumbnailMaker:
    """A bounded process pool. Use as a context manager; it starts its process when first asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting = 0

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        # Not forked: the process that asks runs threads.
        self._pool = ProcessPool(
            max_workers=_PROCESSES,
            max_tasks=_TASKS_A_PROCESS,
            context=multiprocessing.get_context("spawn"),
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._pool.stop()
        self._pool.join()

    async def make(self, content: bytes) -> bytes:
        """A thumbnail of a picture's bytes, as JPEG.

        Raises MakerBusyError when too many are waiting, ThumbnailUnmakeableError for a picture
        that cannot be decoded in time and memory.
        """
        if self._waiting >= _MOST_WAITING:
            raise MakerBusyError(f"{self._waiting} thumbnails are being made")
        self._waiting += 1
        try:
            # The timeout counts from when a process begins with it, and ends that process.
            making = self._pool.schedule(
                make_thumbnail, args=[content, self._settings], timeout=_MAKING_S
            )
            thumbnail: bytes = await asyncio.wrap_future(making)
        except (TimeoutError, ProcessExpired, anyio.ClosedResourceError) as error:
            raise ThumbnailUnmakeableError(str(error)) from error
        except ValueError as error:
            raise ThumbnailUnmakeableError(str(error)) from error
        finally:
            self._waiting -= 1
        return thumbnail
