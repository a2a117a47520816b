from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_duplication.errors import StorageError, TransientError
from image_duplication.fetching import crew
from image_duplication.fetching.addresses import look_up
from image_duplication.fetching.crew import Crew, processes_for, share_out
from image_duplication.fetching.fetch_loop import Wanted, WorkOrder
from tests.fetching import drawing
from tests.fetching.fetching_all import fetch_all, quick_settings
from tests.fetching.hostile_server import Handler, HostileServer, says

JPEG = drawing.encoded("JPEG")


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer().running() as running:
        yield running


def order_of(root: Path, **download: object) -> WorkOrder:
    settings = quick_settings(dict(download))
    return WorkOrder(str(root), "run", settings.urls, settings.download, look_up)


def children() -> set[int]:
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return {int(number) for number in listed.split()}


def collect_until_ended(running: Crew) -> None:
    ends_at = time.monotonic() + 10
    while time.monotonic() < ends_at:
        running.collect(0.1)


def test_shares_add_up_to_the_whole(tmp_path: Path) -> None:
    order = order_of(tmp_path, in_flight=7, connections_per_host=5, rate_per_host_per_s=30)
    shares = [share.download for share in share_out(order, 3)]
    assert sum(share.in_flight for share in shares) == 7
    assert sum(share.connections_per_host for share in shares) == 5
    assert [share.rate_per_host_per_s for share in shares] == [10.0] * 3


@pytest.mark.parametrize(
    ("setting", "images", "processes"),
    [
        pytest.param(0, 50, 1, id="small-unit"),
        pytest.param(0, 5_000, min(8, len(os.sched_getaffinity(0))), id="large-unit"),
        pytest.param(3, 50, 3, id="as-set"),
        pytest.param(64, 5_000, 8, id="no-more-than-in-flight"),
    ],
)
def test_processes_follow_setting_and_size(
    tmp_path: Path, setting: int, images: int, processes: int
) -> None:
    assert processes_for(order_of(tmp_path, processes=setting), images) == processes


def test_crew_fetches_in_two_processes(server: HostileServer, tmp_path: Path) -> None:
    server.otherwise = says(JPEG)
    before = children()
    urls = [server.url(f"/{number}") for number in range(300)]
    outcomes = fetch_all(tmp_path, urls, quick_settings({"processes": 2}))
    assert [fetched.reason_code for fetched in outcomes] == [None] * 300
    assert sorted(server.paths()) == sorted(f"/{number}" for number in range(300))
    assert children() <= before


def test_crew_keeps_the_rate_over_its_processes(server: HostileServer, tmp_path: Path) -> None:
    server.otherwise = says(JPEG)
    urls = [server.url(f"/{number}") for number in range(64 + 30)]
    settings = quick_settings({"processes": 2, "rate_per_host_per_s": 60})
    fetch_all(tmp_path, urls, settings)
    times = sorted(request.at for request in server.requests)
    # Two processes, each with its own burst of two.
    assert times[-1] - times[0] >= 0.9 * (len(urls) - 4) / 60


def test_crew_raises_a_worker_process_error(server: HostileServer, tmp_path: Path) -> None:
    server.otherwise = says(JPEG)
    (tmp_path / "staging").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="staging"):
        fetch_all(tmp_path, [server.url("/x")], quick_settings({"processes": 2}))


def test_crew_raises_when_a_worker_process_dies(server: HostileServer, tmp_path: Path) -> None:
    def stall(handler: Handler) -> None:
        time.sleep(5)

    server.otherwise = stall
    before = children()
    with Crew(order_of(tmp_path, processes=2, read_timeout_s=9), images=1) as running:
        running.give([Wanted(0, 1, "v", "i", server.url("/x"))])
        ends_at = time.monotonic() + 10
        while not server.paths():
            assert time.monotonic() < ends_at
            assert running.collect(0.05) == []
        for child in children() - before:
            os.kill(child, 9)
        with pytest.raises(TransientError, match="download process"):
            collect_until_ended(running)


def test_crew_goes_on_in_this_process_when_none_can_be_started(
    server: HostileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise BlockingIOError("resource temporarily unavailable")

    monkeypatch.setattr(crew.subprocess, "Popen", refuse)
    server.otherwise = says(JPEG)
    fetched = fetch_all(tmp_path, [server.url("/x")], quick_settings({"processes": 2}))[0]
    assert fetched.reason_code is None
    assert "cannot start 2 download processes" in caplog.text


def test_crew_works_in_a_daemonic_process(server: HostileServer, tmp_path: Path) -> None:
    server.otherwise = says(JPEG)
    code = (
        "import multiprocessing, pathlib, sys\n"
        "from tests.fetching.fetching_all import fetch_all, quick_settings\n"
        "multiprocessing.current_process()._config['daemon'] = True\n"
        "done = fetch_all(pathlib.Path(sys.argv[1]), [sys.argv[2]],"
        " quick_settings({'processes': 2}))\n"
        "print(done[0].reason_code)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), server.url("/x")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert finished.stdout.strip() == "None"
