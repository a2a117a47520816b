"""What a running service does about too much, too slow, too often, and about lost workers."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests

from image_duplication_web.upload_check.keys import hash_key
from image_duplication_web.upload_check.refusals import RefusalCode
from tests.web.upload_check.hostile import HOSTILE
from tests.web.upload_check.service import Service, running_service
from tests.web.upload_check.test_routes import refusal_of

MAX_BYTES = 200_000
MAX_REQUEST_BYTES = 600_000
TOTAL_TIME_S = 6.0
RECEIVE_TIME_S = 5.0


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker, one place in the queue, little time and room."""
    settings = {
        "UPLOAD__PROCESSES": 1,
        "UPLOAD__QUEUE_LENGTH": 1,
        "UPLOAD__TOTAL_TIME_S": TOTAL_TIME_S,
        "UPLOAD__MAX_REQUEST_BYTES": MAX_REQUEST_BYTES,
        "UPLOAD_SERVICE__RECEIVE_TIME_S": RECEIVE_TIME_S,
        "DOWNLOAD__MAX_BYTES": MAX_BYTES,
    }
    with running_service(tmp_path_factory.mktemp("tight"), **settings) as running:
        yield running


def wait_until(is_true: Callable[[], bool], timeout_s: float = 90) -> None:
    ends_at = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < ends_at, "it never came true"
        time.sleep(0.02)


def head(service: Service, *more: str) -> bytes:
    lines = [
        "POST /v1/check HTTP/1.1",
        f"Host: 127.0.0.1:{service.port}",
        f"X-API-Key: {service.key}",
        "Content-Type: multipart/form-data; boundary=b",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def part(name: str) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n' % name.encode()


def read_answer(line: socket.socket) -> str:
    """All that comes until the service closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := line.recv(65_536):
            received += piece
    return received.decode()


def kept_bytes(service: Service) -> int:
    total = 0
    for path in service.kept_files():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


@pytest.mark.parametrize(
    ("parts_of", "code", "most"),
    [
        (MAX_BYTES * 10, RefusalCode.FILE_TOO_LARGE, MAX_BYTES),
        (MAX_BYTES - 60_000, RefusalCode.REQUEST_TOO_LARGE, MAX_REQUEST_BYTES),
    ],
    ids=["one file", "many files"],
)
def test_body_that_never_ends_is_cut_off_and_never_kept_beyond_its_bound(
    tight: Service, parts_of: int, code: RefusalCode, most: int
) -> None:
    largest, sent = 0, 0
    with socket.create_connection(("127.0.0.1", tight.port), timeout=20) as line:
        line.sendall(head(tight, "Transfer-Encoding: chunked"))
        line.sendall(chunk(part("files") + b"x" * 50_000))
        wait_until(lambda: kept_bytes(tight) > 0)
        with contextlib.suppress(ConnectionError):
            while sent < 50_000_000:
                for _ in range(0, parts_of, 10_000):
                    line.sendall(chunk(b"x" * 10_000))
                    sent += 10_000
                    largest = max(largest, kept_bytes(tight))
                line.sendall(chunk(b"\r\n" + part("files")))
        answer = read_answer(line)

    assert f'"{code}"' in answer
    assert "connection: close" in answer.lower()
    assert sent < 20_000_000  # the service closed the connection
    assert largest <= most
    wait_until(lambda: tight.kept_files() == [])


def test_body_that_says_it_is_too_large_is_refused_unread(tight: Service) -> None:
    with socket.create_connection(("127.0.0.1", tight.port), timeout=20) as line:
        line.sendall(head(tight, "Content-Length: 99999999"))
        answer = read_answer(line)

    assert answer.startswith("HTTP/1.1 413")
    assert f'"{RefusalCode.REQUEST_TOO_LARGE}"' in answer


def test_unknown_caller_is_refused_before_anything_of_the_body_is_read(tight: Service) -> None:
    with socket.create_connection(("127.0.0.1", tight.port), timeout=20) as line:
        line.sendall(head(tight, "Content-Length: 500000").replace(tight.key.encode(), b"wrong"))
        answer = read_answer(line)

    assert answer.startswith("HTTP/1.1 401")


def test_body_that_stalls_is_refused_after_the_time_for_it(tight: Service) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", tight.port), timeout=20) as line:
        line.sendall(head(tight, "Content-Length: 5000") + part("files") + b"abc")
        answer = read_answer(line)

    assert answer.startswith("HTTP/1.1 408")
    assert RECEIVE_TIME_S <= time.monotonic() - began < RECEIVE_TIME_S + 10
    assert tight.kept_files() == []


def test_files_are_removed_when_the_sender_goes_away_half_way(tight: Service) -> None:
    with socket.create_connection(("127.0.0.1", tight.port), timeout=20) as line:
        line.sendall(head(tight, "Content-Length: 5000") + part("files") + b"abc")
        wait_until(lambda: tight.kept_files() != [])

    wait_until(lambda: tight.kept_files() == [], timeout_s=RECEIVE_TIME_S - 1)


@contextlib.contextmanager
def busy_worker(service: Service) -> Iterator[tuple[psutil.Process, Future[requests.Response]]]:
    """The only worker, held in the middle of an upload, and the answer to that."""
    wait_until(lambda: len(service.workers()) == 1)
    wait_until(lambda: service.post([("x", b"")]).status_code == 200)
    (worker,) = service.workers()
    began_s = worker.cpu_times().user
    slow = [("slow.png", HOSTILE["png of 6,000 x 6,000"]())] * 12
    with ThreadPoolExecutor(1) as senders:
        answer = senders.submit(service.post, slow)
        wait_until(lambda: worker.cpu_times().user > began_s + 0.1)
        worker.suspend()
        try:
            yield worker, answer
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.resume()


def restarts(service: Service) -> float:
    return service.measure("upload_check_worker_restarts_total")


def test_request_too_many_for_the_queue_is_sent_away_and_the_others_run_out_of_time(
    tight: Service, views: list[bytes]
) -> None:
    before = restarts(tight)
    with busy_worker(tight) as (worker, judged), ThreadPoolExecutor(1) as senders:
        began = time.monotonic()
        queued = senders.submit(tight.post, [("x", views[0])])
        wait_until(lambda: tight.measure("upload_check_waiting") == 1)

        refusal = refusal_of(tight.post([("x", views[0])]))
        assert refusal.code is RefusalCode.QUEUE_FULL
        assert refusal.retry_after_s is not None
        assert refusal.retry_after_s >= 1

        assert refusal_of(judged.result()).code is RefusalCode.OUT_OF_TIME
        assert refusal_of(queued.result()).code is RefusalCode.OUT_OF_TIME
        assert time.monotonic() - began < TOTAL_TIME_S + 10
        wait_until(lambda: not worker.is_running())  # killed, though it is held

    assert tight.kept_files() == []
    assert restarts(tight) == before + 1
    wait_until(lambda: tight.post([("x", views[0])]).status_code == 200)


def test_upload_whose_sender_has_gone_is_not_judged(tight: Service, views: list[bytes]) -> None:
    gone = 'upload_check_requests_total{outcome="gone"}'
    before = tight.measure(gone)
    with busy_worker(tight) as (worker, judged):
        pictures = tight.measure("upload_check_pictures_total")
        with socket.create_connection(("127.0.0.1", tight.port), timeout=20) as line:
            body = part("files") + views[1] + b"\r\n--b--\r\n"
            line.sendall(head(tight, f"Content-Length: {len(body)}") + body)
            wait_until(lambda: tight.measure("upload_check_waiting") == 1)
        worker.resume()
        assert judged.result().status_code == 200

    wait_until(lambda: tight.measure(gone) == before + 1)
    assert tight.measure("upload_check_pictures_total") == pictures + 12
    assert tight.kept_files() == []


def test_worker_that_is_killed_costs_its_request_alone(tight: Service, views: list[bytes]) -> None:
    before = restarts(tight)
    with busy_worker(tight) as (worker, judged):
        worker.kill()
        refusal = refusal_of(judged.result())

    assert refusal.code is RefusalCode.JUDGING_FAILED
    assert restarts(tight) == before + 1
    wait_until(lambda: tight.post([("x", views[0])]).status_code == 200)


def test_idle_worker_that_is_killed_is_replaced(tight: Service, views: list[bytes]) -> None:
    wait_until(lambda: len(tight.workers()) == 1)
    (worker,) = tight.workers()
    worker.kill()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)

    wait_until(lambda: tight.post([("x", views[0])]).status_code == 200)
    assert worker.pid not in {each.pid for each in tight.workers()}
    wait_until(lambda: requests.get(f"{tight.url}/readyz", timeout=10).status_code == 200)


def test_picture_that_needs_too_much_memory_costs_its_request_alone(
    tmp_path: Path, views: list[bytes]
) -> None:
    with running_service(
        tmp_path,
        UPLOAD__PROCESSES=1,
        UPLOAD_SERVICE__WORKER_MEMORY_MB=256,
        DOWNLOAD__MAX_PIXELS=200_000_000,
    ) as service:
        answer = service.post([("x.png", HOSTILE["png of 10,000 x 10,000"]()), ("y", views[0])])

        assert answer.status_code in {200, 500}, answer.text
        if answer.status_code == 200:  # then it is a picture that could not be read
            assert answer.json()["pictures"][0]["problem"]
        assert service.post([("x", views[0])]).status_code == 200


def test_requests_of_one_key_are_limited_and_those_of_another_are_not(
    tmp_path: Path, views: list[bytes]
) -> None:
    limits = {"UPLOAD__PROCESSES": 1, "UPLOAD_SERVICE__REQUESTS_PER_MINUTE": 2}
    with running_service(
        tmp_path, **limits, UPLOAD_SERVICE__KEYS=[f"other:{hash_key('other')}"]
    ) as service:
        assert [service.post([("x", views[0])]).status_code for _ in range(2)] == [200, 200]

        refusal = refusal_of(service.post([("x", views[0])]))
        assert refusal.code is RefusalCode.RATE_EXCEEDED
        assert "tester made more than 2 requests within a minute" in refusal.message
        assert refusal.retry_after_s is not None
        assert 1 <= refusal.retry_after_s <= 61

        service.key = "other"
        assert service.post([("x", views[0])]).status_code == 200


def test_service_that_is_told_to_end_ends_with_its_workers(tmp_path: Path) -> None:
    with running_service(tmp_path, UPLOAD__PROCESSES=1) as service:
        workers = service.workers()
        assert workers
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) in {0, -signal.SIGTERM}

    wait_until(lambda: not any(worker.is_running() for worker in workers))


def test_workers_end_when_the_service_is_killed(tmp_path: Path) -> None:
    with running_service(tmp_path, UPLOAD__PROCESSES=1) as service:
        workers = service.workers()
        assert workers
        service.process.kill()

    wait_until(lambda: not any(worker.is_running() for worker in workers))
