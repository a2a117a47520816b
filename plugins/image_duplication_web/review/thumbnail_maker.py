"""Makes thumbnails that are missing, in a process of its own: pictures come from strangers."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from pebble import ProcessExpired, ProcessPool

from image_duplication.detection.decoding import DecodeError
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
        self._pool = _make_pool()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    async def make(self, content: bytes) -> bytes:
        """A thumbnail of a picture's bytes, as JPEG.

        Raises MakerBusyError when too many are waiting, or no process can be had just now;
        ThumbnailUnmakeableError for a picture that cannot be decoded in time and memory.
        """
        if self._waiting >= _MOST_WAITING:
            raise MakerBusyError(f"{self._waiting} thumbnails are being made")
        self._waiting += 1
        try:
            return await asyncio.wrap_future(self._schedule(content))
        except BrokenProcessPool as error:
            raise MakerBusyError(f"the process could not be started: {error}") from error
        except (TimeoutError, ProcessExpired, DecodeError) as error:
            raise ThumbnailUnmakeableError(str(error)) from error
        finally:
            self._waiting -= 1

    def _schedule(self, content: bytes) -> Future[bytes]:
        if not self._pool.active:  # its process could not be started; perhaps it can be now
            self._pool = _make_pool()
        # The timeout counts from when a process begins with it, and ends that process.
        made: Future[bytes] = self._pool.schedule(
            make_thumbnail, args=[content, self._settings], timeout=_MAKING_S
        )
        return made


def _make_pool() -> ProcessPool:
    # Not forked: the process that asks runs threads.
    return ProcessPool(
        max_workers=_PROCESSES,
        max_tasks=_TASKS_A_PROCESS,
        context=multiprocessing.get_context("spawn"),
    )
