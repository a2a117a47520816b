"""How many requests one process has under way: as many as help, and no more.

Where the network is slow, that is as many as allowed. Where this process itself is the bottleneck,
as with a fast host near by, further threads only take the interpreter from each other: at 64 under
way a picture then costs twice the CPU time that it costs at 8.
"""

from __future__ import annotations

import time

_START = 4
_TICK_S = 0.05
_IDLE_SHARE = 0.5  # of one core; below it, the process waits for the network
_FULL_SHARE = 0.8  # other processes of the machine want their part of the cores too


class Pace:
    """Doubles what is allowed while the process is idle, and takes a quarter back while it is full.

    `limit` is the most that is ever allowed.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.allowed = min(limit, _START)
        self.next_at = 0.0
        self._since = time.monotonic()
        self._cpu_s = time.process_time()

    def adjust(self, now: float, *, is_wanted: bool) -> None:
        """Look at what the process has used since the last time; `is_wanted`: all is taken."""
        if now < self.next_at:
            return
        cpu_s = time.process_time()
        share = (cpu_s - self._cpu_s) / max(now - self._since, 1e-6)
        if share < _IDLE_SHARE and is_wanted:
            self.allowed = min(self._limit, self.allowed * 2)
        elif share > _FULL_SHARE:
            self.allowed = max(min(self._limit, _START), self.allowed * 3 // 4)
        self._since, self._cpu_s, self.next_at = now, cpu_s, now + _TICK_S
