"""What a child process and everything below it cost: wall time, CPU time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "build" / "benchmark"

_SAMPLE_INTERVAL_S = 0.2
_MIB = 1024 * 1024


class ChildFailedError(Exception):
    """A measured process did not succeed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one child process cost, from its start to its end.

    `cpu_s` is the child's and that of all children it waited for. `peak_tree_mib` is the largest
    sum of the resident memory of child and descendants, in which a page that two processes share
    counts twice; `peak_process_mib` the largest single process.
    """

    wall_s: float
    cpu_s: float
    peak_tree_mib: float
    peak_process_mib: float


class _MemorySampler(threading.Thread):
    """Looks at a process tree five times a second until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(name="memory-sampler", daemon=True)
        self._root = psutil.Process(pid)
        self._ended = threading.Event()
        self.peak_tree_bytes = 0
        self.peak_process_bytes = 0

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_INTERVAL_S):
            sizes = list(resident_bytes(self._root).values())
            self.peak_tree_bytes = max(self.peak_tree_bytes, sum(sizes))
            self.peak_process_bytes = max(self.peak_process_bytes, *sizes, 0)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def resident_bytes(root: psutil.Process) -> dict[int, int]:
    """Resident memory of a process and its descendants, by process id."""
    sizes = {}
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return {}
    for process in family:
        try:
            sizes[process.pid] = int(process.memory_info().rss)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return sizes


def python_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child that imports this project, without the machine's own settings."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "IMAGE_DUPLICATION"))
    }
    paths = os.pathsep.join([str(PROJECT), str(PROJECT / "plugins")])
    return inherited | {"PYTHONPATH": paths} | dict(extra or {})


def measure(module: str, arguments: Sequence[str], *, log: Path, timeout_s: float) -> Cost:
    """Run `python -m <module> <arguments>` to its end; what it prints goes to the log.

    Raises ChildFailedError with the log's end when it fails or takes too long.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=PROJECT,
            env=python_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    sampler = _MemorySampler(process.pid)
    sampler.start()
    watchdog = threading.Timer(timeout_s, os.killpg, (process.pid, 9))
    watchdog.daemon = True
    watchdog.start()
    try:
        # Not Popen.wait: only wait4 says what the child and its children used.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 9)
        watchdog.cancel()
        sampler.stop()
    wall_s = time.monotonic() - started
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise ChildFailedError(
            f"{module} {' '.join(arguments)} ended with exit code {process.returncode} after "
            f"{wall_s:.0f} s (allowed {timeout_s:.0f}); the end of {log}:\n{tail}"
        )
    # The kernel's own peak misses nothing, but knows only the largest process.
    largest_mib = usage.ru_maxrss / 1024
    return Cost(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_tree_mib=max(sampler.peak_tree_bytes / _MIB, largest_mib),
        peak_process_mib=max(sampler.peak_process_bytes / _MIB, largest_mib),
    )
