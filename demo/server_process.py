"""Server programs that the demo and the tests start: their ports, their logs, their end."""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

# Debian installs servers where an ordinary user's PATH does not look.
PROGRAM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin")
STOP_TIMEOUT_S = 30.0
KILL_TIMEOUT_S = 120.0
POLL_INTERVAL_S = 0.1
LOG_TAIL_LINES = 15


class ServerEndedError(Exception):
    """The server ended before it answered, perhaps because its port was taken meanwhile."""


def find_program(name: str, *folders: Path | str) -> Path | None:
    """A program by its name: in the folders given, on PATH, or where servers are installed."""
    places = [*map(str, folders), os.environ.get("PATH", os.defpath), *PROGRAM_FOLDERS]
    found = shutil.which(name, path=os.pathsep.join(places))
    return None if found is None else Path(found)


def free_ports(count: int) -> list[int]:
    """So many different TCP ports on which nothing listens on the loopback address."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def start_process(
    command: Sequence[str],
    log_file: Path,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    account: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own; what it says is added to the log.

    `account` is the user as whom it runs, instead of this process's.
    """
    with log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            user=account,
            group=None if account is None else pwd.getpwnam(account).pw_gid,
            extra_groups=None if account is None else [],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C at the terminal is for whoever started the server, and then stops it.
            start_new_session=True,
        )


def wait_until_ready(
    process: subprocess.Popen[bytes], answers: Callable[[], bool], timeout_s: float
) -> None:
    """Wait until the server answers. Raises ServerEndedError, and TimeoutError when it does not."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise ServerEndedError(f"it ended with code {process.returncode}")
        if answers():
            return
        time.sleep(POLL_INTERVAL_S)
    raise TimeoutError(f"it did not answer within {timeout_s:.0f} s")


def stop_process(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
    """End a program and what it started: they are one group, by its id."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_TIMEOUT_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=KILL_TIMEOUT_S)


def tail_of(log_file: Path) -> str:
    """The last lines of a log, for a message."""
    if not log_file.is_file():
        return f"it wrote no log to {log_file}"
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"the end of {log_file} says:", *lines[-LOG_TAIL_LINES:]])
