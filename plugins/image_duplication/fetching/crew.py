"""The fetch loop of one unit: in this process, or in several that share its limits."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable
from multiprocessing.connection import Connection, Pipe
from types import TracebackType
from typing import Protocol, Self

from image_duplication.errors import ImageDuplicationError, TransientError
from image_duplication.fetching.addresses import Resolver
from image_duplication.fetching.fetch_loop import (
    Fetched,
    FetchLoop,
    Inbox,
    Stop,
    Wanted,
    WorkOrder,
)
from image_duplication.settings import Settings
from image_duplication.storage import Storage

logger = logging.getLogger(__name__)

_BATCH_ROWS = 64
_ROWS_AHEAD = 1_024  # that one worker holds, so that a paused host rarely hides another behind it
_STARVED_S = 0.25  # without any outcome for so long, workers get more than that
_LARGE_UNIT_IMAGES = 400  # below, starting processes takes longer than they save
_LEAVE_S = 5.0

_WORKER_CODE = "from image_duplication.fetching.crew import main; main()"


class _Ended:
    """A worker has finished, or died."""


_Report = tuple[int, "list[Fetched] | Exception | _Ended"]
_Outbox = queue.SimpleQueue[_Report]


class _Worker(Protocol):
    def give(self, batch: list[Wanted]) -> None: ...

    def end(self) -> None:
        """Leave without finishing, if it has not finished."""


def make_order(
    storage: Storage,
    run_id: str,
    settings: Settings,
    resolver: Resolver,
    *,
    processes: int | None = None,
) -> WorkOrder:
    """The order of one task: its part of what the deployment may ask of a host.

    `processes` overrides the setting.
    """
    download = settings.download
    update: dict[str, float | int] = {}
    if download.rate_per_host_per_s is not None:
        # The pool lets that many tasks run; together they keep the deployment's promise.
        update["rate_per_host_per_s"] = download.rate_per_host_per_s / download.pool_slots
    if processes is not None:
        update["processes"] = processes
    return WorkOrder(
        storage.root, run_id, settings.urls, download.model_copy(update=update), resolver
    )


def share_out(order: WorkOrder, workers: int) -> list[WorkOrder]:
    """One order for each worker; together they keep the limits of the whole."""
    download = order.download
    rate = download.rate_per_host_per_s
    return [
        order._replace(
            download=download.model_copy(
                update={
                    "in_flight": _part(download.in_flight, workers, number),
                    "connections_per_host": _part(download.connections_per_host, workers, number),
                    "rate_per_host_per_s": None if rate is None else rate / workers,
                }
            )
        )
        for number in range(workers)
    ]


def _part(whole: int, parts: int, number: int) -> int:
    return whole // parts + (number < whole % parts)


def processes_for(order: WorkOrder, images: int) -> int:
    """How many processes a unit of that many images is worth; 1: this one."""
    download = order.download
    wanted = download.processes
    if not wanted:
        wanted = len(os.sched_getaffinity(0)) if images > _LARGE_UNIT_IMAGES else 1
    return min(wanted, download.in_flight, download.connections_per_host)


class Crew:
    """Workers behind one door: pictures wanted go in, outcomes come out in any order.

    Holds what the workers have no room for yet.
    """

    def __init__(self, order: WorkOrder, *, images: int) -> None:
        self._order = order
        self._processes = processes_for(order, images)
        self._outbox: _Outbox = queue.SimpleQueue()
        self._backlog: deque[Wanted] = deque()
        self._workers: list[_Worker] = []
        self._held: list[int] = []  # pictures that each worker has

    def __enter__(self) -> Self:
        """Start the workers."""
        if self._processes > 1:
            self._start_processes()
        if not self._workers:
            self._workers = [_ThreadWorker(0, self._order, self._outbox)]
        self._held = [0] * len(self._workers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the door; whatever is still under way is left."""
        for worker in self._workers:
            worker.end()

    def give(self, wanted: Iterable[Wanted]) -> None:
        """Have pictures fetched."""
        self._backlog.extend(wanted)
        self._hand_out(_ROWS_AHEAD)

    def collect(self, timeout_s: float) -> list[Fetched]:
        """Outcomes that have come; none after `timeout_s`.

        Raises StorageError from a worker, TransientError when a worker process has died.
        """
        try:
            number, report = self._outbox.get(timeout=min(timeout_s, _STARVED_S))
        except queue.Empty:
            self._hand_out(max(self._held) + _BATCH_ROWS)
            return []
        if isinstance(report, Exception):
            raise report
        if isinstance(report, _Ended):
            raise TransientError(
                f"download process {number} ended with {self._held[number]} images unfinished"
            )
        self._held[number] -= len(report)
        self._hand_out(_ROWS_AHEAD)
        return report

    def _start_processes(self) -> None:
        try:
            for number, order in enumerate(share_out(self._order, self._processes)):
                self._workers.append(_ProcessWorker(number, order, self._outbox))
        except OSError as error:
            logger.warning(
                "cannot start %d download processes (%s); going on in this one",
                self._processes,
                error,
            )
            for worker in self._workers:
                worker.end()
            self._workers = []
            self._outbox = queue.SimpleQueue()

    def _hand_out(self, rows_ahead: int) -> None:
        while self._backlog:
            number = min(range(len(self._held)), key=self._held.__getitem__)
            room = rows_ahead - self._held[number]
            if room < min(_BATCH_ROWS, len(self._backlog)):
                return
            batch = [self._backlog.popleft() for _ in range(min(_BATCH_ROWS, len(self._backlog)))]
            self._held[number] += len(batch)
            self._workers[number].give(batch)


class _ThreadWorker:
    """The loop in a thread of this process."""

    def __init__(self, number: int, order: WorkOrder, outbox: _Outbox) -> None:
        self._number = number
        self._outbox = outbox
        self._inbox: Inbox = queue.SimpleQueue()
        self._loop = FetchLoop(order, self._inbox, lambda done: outbox.put((number, done)))
        self._thread = threading.Thread(target=self._run, name="fetch-loop", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run()
        except Exception as error:
            self._outbox.put((self._number, error))

    def give(self, batch: list[Wanted]) -> None:
        self._inbox.put(batch)

    def end(self) -> None:
        self._inbox.put(Stop)
        self._thread.join(_LEAVE_S)


class _ProcessWorker:
    """The loop in a process of its own.

    A plain child program, not `multiprocessing`: a daemonic task may start one, nothing is forked
    after threads have started, and the task's `__main__` (Airflow's) is not imported again.
    """

    def __init__(self, number: int, order: WorkOrder, outbox: _Outbox) -> None:
        self._number = number
        self._outbox = outbox
        self._ours, theirs = Pipe()
        path = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, this package
                [sys.executable, "-P", "-c", _WORKER_CODE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
            )
        except OSError:
            self._ours.close()
            raise
        finally:
            theirs.close()
        self._ours.send(order)
        self._reader = threading.Thread(target=self._read, name="fetch-crew", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while True:
                self._outbox.put((self._number, self._ours.recv()))
        except (EOFError, OSError):
            self._outbox.put((self._number, _Ended()))

    def give(self, batch: list[Wanted]) -> None:
        # A process that has died says so through its reader.
        with contextlib.suppress(OSError):
            self._ours.send(batch)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(_LEAVE_S)
        self._ours.close()


def main() -> None:
    """A worker process: takes its order and batches from the descriptor in its first argument."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the task is interrupted too, and ends this
    connection = Connection(int(sys.argv[1]))
    inbox: Inbox = queue.SimpleQueue()
    order = connection.recv()
    threading.Thread(target=_pump, args=(connection, inbox), daemon=True).start()
    try:
        FetchLoop(order, inbox, connection.send).run()
    except ImageDuplicationError as error:
        connection.send(error)
    except OSError:
        os._exit(1)  # the task has gone


def _pump(connection: Connection, inbox: Inbox) -> None:
    try:
        while True:
            inbox.put(connection.recv())
    except (EOFError, OSError):
        # The task has gone, perhaps killed: what is under way here is of no use to anyone.
        os._exit(1)
