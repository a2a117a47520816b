"""Work spread over the cores that one task may use."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

logger = logging.getLogger(__name__)


def count_processes(requested: int, *, task_slots: int, images: int, images_worth_one: int) -> int:
    """How many processes a unit is worth: as asked for, or what cores and work suggest.

    `images_worth_one` is the work that pays for starting one more process.
    """
    if requested:
        return requested
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min((cores or 1) // task_slots, images // images_worth_one))


def may_start_processes() -> bool:
    """Whether this process may have children; a daemonic worker of an executor may not."""
    return not multiprocessing.current_process().daemon


Given = TypeVar("Given")
Made = TypeVar("Made")


def map_in_order(
    function: Callable[[Given], Made], batches: Iterable[Given], processes: int
) -> Iterator[Made]:
    """`map`, over this process and others when more than one is asked for; never far ahead."""
    if processes > 1 and not may_start_processes():
        logger.info("working in one process: this task's process may not have children")
        processes = 1
    if processes == 1:
        yield from map(function, batches)
        return
    others = processes - 1
    # Spawned, for a fork copies the locks of threads that the child does not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(others, mp_context=context) as pool:
        waiting: deque[Future[Made]] = deque()
        try:
            for batch in batches:
                # This process works too, from the start: others take a while to import.
                is_for_others = sum(not future.done() for future in waiting) < 2 * others
                waiting.append(
                    pool.submit(function, batch) if is_for_others else _work_here(function, batch)
                )
                while waiting and (waiting[0].done() or len(waiting) > 2 * processes):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _work_here(function: Callable[[Given], Made], batch: Given) -> Future[Made]:
    done: Future[Made] = Future()
    try:
        done.set_result(function(batch))
    except Exception as error:  # kept until its turn, as another process's would be
        done.set_exception(error)
    return done
