"""Work spread over processes, in order."""

from __future__ import annotations

import math
import multiprocessing
import operator
import os
import threading
import time
from collections.abc import Iterator

import pytest

from image_duplication import parallel
from image_duplication.parallel import count_processes, map_in_order


class Source:
    """Batches that say how many of them were taken."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.taken += 1
            yield number


@pytest.mark.parametrize("processes", [1, 2])
def test_map_keeps_the_order(processes: int) -> None:
    assert list(map_in_order(math.factorial, range(30), processes)) == [
        math.factorial(number) for number in range(30)
    ]


def test_map_keeps_the_order_when_the_first_is_the_slowest() -> None:
    waits = [0.4, 0.0, 0.1, 0.0]
    assert list(map_in_order(sleep_and_return, waits, 2)) == waits


def sleep_and_return(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pytest.mark.parametrize("processes", [1, 2])
def test_map_of_nothing_is_nothing(processes: int) -> None:
    assert list(map_in_order(abs, [], processes)) == []


def test_map_takes_one_batch_at_a_time_in_one_process() -> None:
    source = Source(100)
    made = map_in_order(abs, source, 1)
    assert source.taken == 0
    next(made)
    assert source.taken == 1


def test_map_takes_few_batches_ahead_in_several_processes() -> None:
    source = Source(1_000)
    made = map_in_order(abs, source, 2)
    for number in range(20):
        assert next(made) == number
        assert source.taken - number <= 6
    made.close()  # type: ignore[attr-defined]
    assert source.taken < 30


@pytest.mark.parametrize("processes", [1, 2])
def test_map_raises_what_the_function_raises_after_what_came_before(processes: int) -> None:
    made = map_in_order(math.sqrt, [4, 9, -1, 16], processes)
    assert [next(made), next(made)] == [2, 3]
    with pytest.raises(ValueError, match=r"domain|nonnegative"):
        next(made)


def test_map_raises_what_the_batches_raise() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(map_in_order(abs, broken(), 2))


def test_map_works_in_this_process_and_in_others() -> None:
    pids = set(map_in_order(operator.methodcaller("__call__"), [os.getpid] * 8, 2))
    assert os.getpid() in pids
    assert len(pids) == 2


def test_map_leaves_no_process_behind() -> None:
    before = set(multiprocessing.active_children())
    threads = threading.active_count()
    made = map_in_order(abs, range(100), 2)
    next(made)
    made.close()  # type: ignore[attr-defined]
    assert set(multiprocessing.active_children()) <= before
    assert threading.active_count() <= threads


def work_as_a_daemon(results: multiprocessing.SimpleQueue[object]) -> None:
    pids = set(map_in_order(operator.methodcaller("__call__"), [os.getpid] * 4, 2))
    results.put((os.getpid(), pids))


def test_map_works_in_its_own_process_when_that_may_have_no_children() -> None:
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    worker = context.Process(target=work_as_a_daemon, args=(results,), daemon=True)
    worker.start()
    worker.join(timeout=60)
    assert worker.exitcode == 0
    pid, pids = results.get()
    assert pids == {pid}


def test_a_number_of_processes_that_was_asked_for_is_taken() -> None:
    assert count_processes(7, task_slots=4, images=1, images_worth_one=1_000) == 7


@pytest.mark.parametrize(
    ("images", "task_slots", "processes"),
    [
        (0, 1, 1),
        (399, 1, 1),
        (800, 1, 2),
        (1_000_000, 1, 8),
        (1_000_000, 2, 4),
        (1_000_000, 3, 2),
        (1_000_000, 100, 1),
    ],
    ids=["no work", "little work", "some", "all cores", "shared by 2", "shared by 3", "crowded"],
)
def test_processes_follow_the_work_and_the_cores(
    images: int, task_slots: int, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert (
        count_processes(0, task_slots=task_slots, images=images, images_worth_one=400) == processes
    )
