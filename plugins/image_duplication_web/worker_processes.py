"""How processes start in which strangers' pictures are decoded: fresh, and with bounded memory."""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

_MEGABYTE = 1 << 20
_EARLY_VICTIM = b"500"  # of 1,000: when memory is short, the kernel ends a worker, not the server


def bound_process(*, memory_mb: int) -> None:
    """Let this process take so much address space more than it has, and end when it is told to."""
    # Nothing here needs cleaning up, so a worker that has to go goes at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory_mb * _MEGABYTE, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_EARLY_VICTIM)


class _WorkerProcess(SpawnProcess):
    """A fresh interpreter that does not run the main module again.

    `multiprocessing` would have each worker import the server's own (Airflow's, when mounted there)
    and hold all that it imports. Nothing that a worker is given comes from it.
    """

    def start(self) -> None:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class WorkerContext(SpawnContext):
    """Starts workers, and says so each time if it is asked to."""

    def __init__(self, note_start: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._note_start = note_start

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override] # noqa: N802
        """A worker that is about to be started."""
        self._note_start()
        return _WorkerProcess(*args, **kwargs)
