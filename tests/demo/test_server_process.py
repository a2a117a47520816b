"""Server programs that are started: free ports, readiness, an end for all that they started."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from demo import server_process
from demo.server_process import (
    ServerEndedError,
    free_ports,
    start_process,
    stop_process,
    tail_of,
    wait_until_ready,
)

STARTS_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def is_gone(pid: int, timeout_s: float = 60) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(8)

    assert len(set(ports)) == 8
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_stopped_process_takes_its_children_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start_process([sys.executable, "-c", STARTS_A_CHILD], log)
    try:
        wait_until_ready(process, lambda: log.read_text().endswith("\n"), 60)
    finally:
        stop_process(process)

    assert process.returncode is not None
    assert is_gone(int(log.read_text()))


def test_waiting_for_a_server_that_ended_says_its_code(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start_process([sys.executable, "-c", "print('no room'); raise SystemExit(3)"], log)

    with pytest.raises(ServerEndedError, match="code 3"):
        wait_until_ready(process, lambda: False, 60)
    assert "no room" in tail_of(log)


def test_waiting_for_a_silent_server_ends(tmp_path: Path) -> None:
    process = start_process(
        [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "log"
    )
    try:
        with pytest.raises(TimeoutError, match="within 0 s"):
            wait_until_ready(process, lambda: False, 0.2)
    finally:
        stop_process(process)


def test_deaf_server_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " print('deaf', flush=True); time.sleep(600)"
    )
    process = start_process([sys.executable, "-c", deaf], log)
    wait_until_ready(process, lambda: "deaf" in log.read_text(), 60)
    with monkeypatch.context() as patched:
        patched.setattr(server_process, "STOP_TIMEOUT_S", 0.5)
        stop_process(process)

    assert process.returncode == -9
