"""When which host may be asked: how many requests at once, and how many a second."""

from __future__ import annotations

import math
from collections import deque
from typing import Generic, TypeVar

_T = TypeVar("_T")


class _Host(Generic[_T]):
    __slots__ = ("name", "next_at", "under_way", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: deque[_T] = deque()
        self.under_way = 0
        self.next_at = 0.0


class Turns(Generic[_T]):
    """Queues by host; hosts take turns, so that a slow or paused one holds up no other.

    The rate is a token bucket for one or two requests, written out because the loop must ask "when
    next?" and never wait inside: rate-limiter libraries block the thread or only say no. Times are
    those of time.monotonic(), passed in. Not for use by several threads.
    """

    def __init__(
        self, *, connections_per_host: int | None, rate_per_host_per_s: float | None
    ) -> None:
        self._limit = math.inf if connections_per_host is None else connections_per_host
        self._interval_s = 1 / rate_per_host_per_s if rate_per_host_per_s else 0.0
        self._hosts: dict[str, _Host[_T]] = {}
        self._queue: deque[_Host[_T]] = deque()  # hosts with something waiting

    def add(self, name: str, turn: _T, *, is_first: bool = False) -> None:
        """Queue something for a host; a fetch that was begun goes first."""
        host = self._hosts.setdefault(name, _Host(name))
        if not host.waiting:
            self._queue.append(host)
        if is_first:
            host.waiting.appendleft(turn)
        else:
            host.waiting.append(turn)

    def take(self, now: float) -> _T | None:
        """What may start now, or None. Each needs `give_back` when it is done."""
        for _ in range(len(self._queue)):
            host = self._queue[0]
            self._queue.rotate(-1)
            if host.under_way < self._limit and host.next_at <= now:
                turn = host.waiting.popleft()
                if not host.waiting:
                    self._queue.remove(host)
                host.under_way += 1
                # Counted from when it was due, so that waking late costs no throughput.
                host.next_at = max(host.next_at, now - self._interval_s) + self._interval_s
                return turn
        return None

    def give_back(self, name: str) -> None:
        """A request to a host is over."""
        self._hosts[name].under_way -= 1

    def pause(self, name: str, until: float) -> None:
        """Ask a host nothing before a time."""
        host = self._hosts[name]
        host.next_at = max(host.next_at, until)

    def remove_all(self, name: str) -> list[_T]:
        """Take everything that waits for a host out of its queue."""
        host = self._hosts[name]
        removed = list(host.waiting)
        if removed:
            host.waiting.clear()
            self._queue.remove(host)
        return removed

    def next_at(self) -> float | None:
        """When the next may start that waits for the time alone."""
        times = [host.next_at for host in self._queue if host.under_way < self._limit]
        return min(times, default=None)
