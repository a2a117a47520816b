"""The demo's image server: quick answers, honest caching headers, trouble where it is declared."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from demo.image_server import (
    Behaviour,
    RunningImageServer,
    running_image_server,
    write_behaviours,
)

ROOT = Path(__file__).parents[2]
CONTENT = bytes(range(256)) * 40
TIMEOUT_S = (2.0, 3.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    served = tmp_path_factory.mktemp("served")
    (served.parent / "secret.jpg").write_bytes(b"secret")
    names = (
        "a.jpg",
        "once.jpg",
        "limited.jpg",
        "always.jpg",
        "stalls.jpg",
        "short.jpg",
        "gone.jpg",
    )
    for name in (*names, "कुर्सी 1.jpg", "empty.jpg"):
        (served / name).write_bytes(b"" if name == "empty.jpg" else CONTENT)
    write_behaviours(
        served,
        {
            "/once.jpg": Behaviour(status=500, times=1),
            "/limited.jpg": Behaviour(status=429, times=1, retry_after_s=1),
            "/always.jpg": Behaviour(status=429, retry_after_s=1),
            "/stalls.jpg": Behaviour(stall_after_bytes=100, hold_s=20),
            "/short.jpg": Behaviour(missing_bytes=50),
            "/gone.jpg": Behaviour(content_type="text/html; charset=utf-8"),
        },
    )
    return served


@pytest.fixture(scope="module")
def running(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningImageServer]:
    log_path = tmp_path_factory.mktemp("log") / "access.log"
    with running_image_server(folder, log_path=log_path) as server:
        yield server


@pytest.fixture
def server(running: RunningImageServer) -> RunningImageServer:
    running.reset()
    return running


def get(server: RunningImageServer, path: str, **headers: str) -> requests.Response:
    return requests.get(server.base_url + path, headers=headers, timeout=TIMEOUT_S)


def test_server_gives_a_file_with_validators(server: RunningImageServer) -> None:
    answer = get(server, "/a.jpg?ignored=1")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert re.fullmatch(r'"[0-9a-f]{20}"', answer.headers["ETag"])
    assert answer.headers["Last-Modified"].endswith("GMT")


@pytest.mark.parametrize(
    ("condition", "validator"),
    [
        pytest.param("If-None-Match", "ETag", id="etag"),
        pytest.param("If-Modified-Since", "Last-Modified", id="last_modified"),
    ],
)
def test_server_answers_304_when_nothing_changed(
    server: RunningImageServer, condition: str, validator: str
) -> None:
    known = get(server, "/a.jpg").headers[validator]
    answer = get(server, "/a.jpg", **{condition: known})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers[validator] == known


def test_server_answers_200_when_the_validator_is_another(server: RunningImageServer) -> None:
    assert get(server, "/a.jpg", **{"If-None-Match": '"other"'}).status_code == 200
    old = "Mon, 01 Jan 2001 00:00:00 GMT"
    assert get(server, "/a.jpg", **{"If-Modified-Since": old}).status_code == 200


def test_server_heeds_the_etag_before_the_date(server: RunningImageServer) -> None:
    known = get(server, "/a.jpg").headers
    date = known["Last-Modified"]
    both = {"If-None-Match": '"other"', "If-Modified-Since": date}
    assert get(server, "/a.jpg", **both).status_code == 200
    old = "Mon, 01 Jan 2001 00:00:00 GMT"
    both = {"If-None-Match": known["ETag"], "If-Modified-Since": old}
    assert get(server, "/a.jpg", **both).status_code == 304


def test_server_gives_the_new_file_when_it_changes(
    server: RunningImageServer, folder: Path
) -> None:
    changing = folder / "changing.jpg"
    changing.write_bytes(b"first")
    first = get(server, "/changing.jpg")
    changing.write_bytes(b"second one")
    second = get(server, "/changing.jpg", **{"If-None-Match": first.headers["ETag"]})
    assert (first.content, second.content) == (b"first", b"second one")


def test_server_finds_a_name_with_spaces_and_hindi(server: RunningImageServer) -> None:
    assert get(server, "/कुर्सी 1.jpg").content == CONTENT


@pytest.mark.parametrize(
    "path", ["/none.jpg", "/", "/%2e%2e/secret.jpg", "/behaviours.json", "/%00.jpg"]
)
def test_server_answers_404_for_what_is_not_a_picture_of_the_folder(
    server: RunningImageServer, path: str
) -> None:
    assert get(server, path).status_code == 404


def test_server_fails_once_then_serves_until_reset(server: RunningImageServer) -> None:
    assert [get(server, "/once.jpg").status_code for _ in range(3)] == [500, 200, 200]
    server.reset()
    assert get(server, "/once.jpg").status_code == 500


def test_server_limits_once_with_retry_after(server: RunningImageServer) -> None:
    first, second = get(server, "/limited.jpg"), get(server, "/limited.jpg")
    assert (first.status_code, first.headers["Retry-After"]) == (429, "1")
    assert (second.status_code, second.content) == (200, CONTENT)


def test_server_limits_always(server: RunningImageServer) -> None:
    answers = [get(server, "/always.jpg") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429] * 3
    assert all(answer.headers["Retry-After"] == "1" for answer in answers)


def test_server_stalls_after_some_bytes(server: RunningImageServer) -> None:
    url = server.base_url + "/stalls.jpg"
    with requests.get(url, timeout=(2, 0.5), stream=True) as answer:
        assert answer.headers["Content-Length"] == str(len(CONTENT))
        assert answer.raw.read(100) == CONTENT[:100]
        with pytest.raises(requests.exceptions.ConnectionError, match="timed out"):
            answer.content  # noqa: B018 — reading the rest is what must time out


def test_server_ends_a_body_early(server: RunningImageServer) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get(server, "/short.jpg")


def test_server_gives_a_page_or_nothing_with_status_200(server: RunningImageServer) -> None:
    assert get(server, "/gone.jpg").headers["Content-Type"].startswith("text/html")
    empty = get(server, "/empty.jpg")
    assert (empty.status_code, empty.content) == (200, b"")


def test_server_keeps_a_connection_alive(server: RunningImageServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=3)
    try:
        connection.connect()
        own_port = connection.sock.getsockname()[1]
        for path, status in (("/a.jpg", 200), ("/none.jpg", 404), ("/once.jpg", 500)):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
            assert connection.sock is not None, "the server closed the connection"
            assert connection.sock.getsockname()[1] == own_port
    finally:
        connection.close()


def test_server_answers_head_without_a_body(server: RunningImageServer) -> None:
    with requests.Session() as session:
        head = session.head(server.base_url + "/a.jpg", timeout=TIMEOUT_S)
        assert (head.headers["Content-Length"], head.content) == (str(len(CONTENT)), b"")
        assert session.get(server.base_url + "/a.jpg", timeout=TIMEOUT_S).content == CONTENT


def test_server_logs_each_answer_within_a_second(server: RunningImageServer) -> None:
    assert server.log_path is not None
    before_s = time.monotonic()
    known = get(server, "/a.jpg?logged=1").headers["ETag"]
    get(server, "/a.jpg?logged=1", **{"If-None-Match": known})
    limit_s = time.monotonic() + 1.5
    found: list[str] = []
    while len(found) < 2 and time.monotonic() < limit_s:
        lines = server.log_path.read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if "logged=1" in line]
        time.sleep(0.05)
    assert [line.split()[1:] for line in found] == [
        ["/a.jpg?logged=1", "200"],
        ["/a.jpg?logged=1", "304"],
    ]
    moment = found[0].split()[0]
    assert before_s <= float(moment) <= time.monotonic()


def test_server_waits_before_each_answer_when_told(folder: Path) -> None:
    with running_image_server(folder, delay_ms=200) as slow, requests.Session() as session:
        started_s = time.monotonic()
        for _ in range(2):
            session.get(slow.base_url + "/a.jpg", timeout=TIMEOUT_S)
        assert 0.4 <= time.monotonic() - started_s < 2


def ask_until_refused(server: RunningImageServer, limit_s: float) -> float:
    """Seconds until the server no longer answers."""
    started_s = time.monotonic()
    while time.monotonic() - started_s < limit_s:
        try:
            get(server, "/a.jpg")
        except requests.exceptions.ConnectionError:
            break
        time.sleep(0.02)
    return time.monotonic() - started_s


def test_server_stops_within_a_second_of_sigterm_and_writes_its_log(
    folder: Path, tmp_path: Path
) -> None:
    log_path = tmp_path / "access.log"
    with (
        running_image_server(folder, log_path=log_path) as server,
        requests.get(server.base_url + "/stalls.jpg", timeout=TIMEOUT_S, stream=True) as stalled,
    ):
        assert stalled.status_code == 200
        get(server, "/a.jpg")
        os.kill(server.pid, signal.SIGTERM)
        assert ask_until_refused(server, limit_s=5) < 1
    assert "/a.jpg 200" in log_path.read_text(encoding="utf-8")


def test_running_server_is_stopped_when_the_block_fails(folder: Path) -> None:
    with pytest.raises(ValueError, match="on purpose"), running_image_server(folder) as server:
        raise ValueError("on purpose")
    with pytest.raises(requests.exceptions.ConnectionError):
        get(server, "/a.jpg")


def test_server_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo.image_server", "--folder", str(tmp_path / "none")]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 2
    assert "no such folder" in ended.stderr


def test_server_takes_many_connections_at_once(server: RunningImageServer) -> None:
    answers: list[bytes] = []

    def ask() -> None:
        answers.append(get(server, "/a.jpg").content)

    threads = [threading.Thread(target=ask) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert answers == [CONTENT] * 60
