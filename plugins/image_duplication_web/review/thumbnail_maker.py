"""Makes thumbnails that are missing, in a process of its own: pictures come from strangers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from pebble import ProcessExpired, ProcessPool

from image_duplication.detection.decoding import DecodeError
from image_duplication.settings import Settings
from image_duplication.thumbnails import make_thumbnail
from image_duplication_web.worker_processes import WorkerContext, bound_process

_PROCESSES = 1
_MOST_WAITING = 60
_READ_AT_ONCE = 2  # pictures in memory: the one that is decoded, and the next
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
        self._turns = asyncio.Semaphore(_READ_AT_ONCE)

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        self._pool = self._make_pool()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    async def make(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """A thumbnail of a picture, as JPEG; `read` gives its bytes, and is asked when it is due.

        Raises what `read` does; MakerBusyError when too many are waiting, or no process can be had
        just now; ThumbnailUnmakeableError for what cannot be decoded in time and memory.
        """
        if self._waiting >= _MOST_WAITING:
            raise MakerBusyError(f"{self._waiting} thumbnails are being made")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.wrap_future(self._schedule(await read()))
        except BrokenProcessPool as error:
            raise MakerBusyError(f"the process could not be started: {error}") from error
        except (TimeoutError, ProcessExpired, DecodeError, MemoryError) as error:
            raise ThumbnailUnmakeableError(str(error)) from error
        finally:
            self._waiting -= 1

    def _schedule(self, content: bytes) -> Future[bytes]:
        if not self._pool.active:  # its process could not be started; perhaps it can be now
            self._pool = self._make_pool()
        # The timeout counts from when a process begins with it, and ends that process.
        made: Future[bytes] = self._pool.schedule(
            make_thumbnail, args=[content, self._settings], timeout=_MAKING_S
        )
        return made

    def _make_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=_PROCESSES,
            max_tasks=_TASKS_A_PROCESS,
            initializer=_start_work,
            initargs=[self._settings.upload_service.worker_memory_mb],
            # Not forked: the process that asks runs threads.
            context=WorkerContext(),
        )


def _start_work(memory_mb: int) -> None:
    bound_process(memory_mb=memory_mb)
