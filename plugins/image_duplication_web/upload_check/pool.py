"""The worker processes and the bounded queue in front of them."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Awaitable, Callable
from concurrent.futures.process import BrokenProcessPool

from pebble import ProcessExpired, ProcessPool
from starlette.requests import ClientDisconnect

from image_duplication.settings import Settings
from image_duplication_web.upload_check.measures import Measures
from image_duplication_web.upload_check.refusals import RefusalCode, RequestRefusedError
from image_duplication_web.upload_check.workers import (
    FAULT,
    NO_MEMORY,
    NOT_NOW,
    TOO_LATE,
    Declined,
    Judged,
    Order,
    judge,
    report_ready,
    start_work,
)
from image_duplication_web.worker_processes import WorkerContext

logger = logging.getLogger(__name__)

_START_S = 120.0  # that a worker may take to start, on a machine that is busy
_LATER_S = 30.0  # after which a storage that did not answer may be asked again
_NEWEST_WEIGHT = 0.2  # of the latest request in the moving mean of their seconds
_CODES = {
    "variant_unknown": RefusalCode.VARIANT_UNKNOWN,
    "too_many_files": RefusalCode.TOO_MANY_PICTURES,
    "no_files": RefusalCode.NO_PICTURES,
}


class WorkerPool:
    """Judges uploads in other processes, a bounded number at once.

    Orders wait here rather than in Pebble's own queue, so that one that is given up before its turn
    costs nothing. Used from one event loop; workers start with `start` or the first order.
    """

    def __init__(self, settings: Settings, measures: Measures) -> None:
        self._settings = settings
        self._measures = measures
        self._processes = settings.upload.processes or len(os.sched_getaffinity(0))
        self._queue_length = settings.upload.queue_length
        self._free = asyncio.Semaphore(self._processes)
        self._waiting = 0
        self._mean_s = 0.2
        self._context = WorkerContext(self._note_start)
        self._started = 0
        self._pool: ProcessPool | None = None
        measures.waiting.set_function(lambda: self._waiting)

    def find_alive(self) -> bool:
        """Whether the workers run; if not, others are started."""
        is_alive = self._pool is not None and self._pool.active
        self._living_pool()
        return is_alive

    async def start(self) -> None:
        """Start the workers; return when one can work. Raises TimeoutError."""
        async with asyncio.timeout(_START_S):
            await asyncio.wrap_future(self._living_pool().schedule(report_ready))

    def stop(self) -> None:
        """End the workers, whatever they are at."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None

    def check_room(self) -> None:
        """Refuse an order that would find the queue full. Raises RequestRefusedError."""
        if self._free.locked() and self._waiting >= self._queue_length:
            rounds = (self._waiting + 1) / self._processes
            raise RequestRefusedError(
                RefusalCode.QUEUE_FULL,
                f"{self._processes} requests are judged and {self._waiting} wait, which is the "
                "most allowed; come again later",
                retry_after_s=max(1.0, math.ceil(rounds * self._mean_s)),
                is_unread=True,
            )

    async def judge(self, order: Order, *, is_wanted: Callable[[], Awaitable[bool]]) -> Judged:
        """The answer to an order, or RequestRefusedError.

        Its worker is killed when the order's time is over. An order whose sender has gone by the
        time it would be begun is not begun.
        """
        self.check_room()
        try:
            async with asyncio.timeout_at(order.ends_at):
                await self._wait_for_turn()
                try:
                    if not await is_wanted():
                        raise ClientDisconnect
                    return await self._judge(order)
                finally:
                    self._free.release()
        except TimeoutError as error:
            allowed_s = self._settings.upload.total_time_s
            raise RequestRefusedError(
                RefusalCode.OUT_OF_TIME,
                f"there is no verdict after {allowed_s:g} s, which is the longest allowed; fewer "
                "or smaller pictures take less",
                retry_after_s=allowed_s,
            ) from error

    async def _wait_for_turn(self) -> None:
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    async def _judge(self, order: Order) -> Judged:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with self._measures.judging.track_inprogress():
            try:
                # A timeout around this cancels the future, by which Pebble kills the worker.
                outcome: Judged | Declined = await asyncio.wrap_future(
                    self._living_pool().schedule(judge, args=[order])
                )
            except (ProcessExpired, BrokenProcessPool) as error:
                logger.error("a worker was lost: %r", error)
                raise RequestRefusedError(
                    RefusalCode.JUDGING_FAILED,
                    "the process that judged these pictures ended, and another is started; fewer "
                    "or smaller pictures need less of it",
                ) from error
        if isinstance(outcome, Declined):
            raise _refused(outcome)
        self._mean_s += _NEWEST_WEIGHT * (loop.time() - began - self._mean_s)
        return outcome

    def _note_start(self) -> None:
        self._started += 1
        if self._started > self._processes:
            self._measures.restarts.inc()

    def _living_pool(self) -> ProcessPool:
        if self._pool is not None and not self._pool.active:
            # Pebble gives a pool up when a worker dies that has no order.
            logger.error("the pool of workers is broken; starting another")
            self.stop()
        if self._pool is None:
            self._pool = ProcessPool(
                max_workers=self._processes,
                initializer=start_work,
                initargs=[self._settings],
                context=self._context,
            )
        return self._pool


def _refused(declined: Declined) -> RequestRefusedError | TimeoutError:
    if declined.code == TOO_LATE:
        return TimeoutError()
    if declined.code == NOT_NOW:
        return RequestRefusedError(
            RefusalCode.NOT_READY, f"{declined.message}; come again later", retry_after_s=_LATER_S
        )
    if declined.code in {NO_MEMORY, FAULT}:
        reason = "need more memory than allowed" if declined.code == NO_MEMORY else "met a fault"
        return RequestRefusedError(
            RefusalCode.JUDGING_FAILED,
            f"these pictures {reason}; fewer or smaller ones may be judged",
        )
    code = _CODES.get(declined.code, RefusalCode.FIELD_NOT_VALID)
    return RequestRefusedError(code, declined.message)
