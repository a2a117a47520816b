from __future__ import annotations

import gzip
import hashlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from image_duplication import pictures
from image_duplication.errors import StorageError
from image_duplication.fetching.addresses import look_up
from image_duplication.fetching.fetch_loop import Fetched, Wanted
from image_duplication.records import ReasonCode
from tests.fetching import drawing
from tests.fetching.fetching_all import fetch_all, fetch_wanted, quick_settings
from tests.fetching.hostile_server import Answering, Handler, HostileServer, in_turn, says

JPEG = drawing.encoded("JPEG")
PNG = drawing.encoded("PNG")
LONG_AGO = "Mon, 01 Jan 2001 00:00:00 GMT"


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer().running() as running:
        yield running


def fetch_one(
    server: HostileServer,
    tmp_path: Path,
    answering: Answering,
    *,
    resolver: Callable[[str, int], Sequence[str]] = look_up,
    **download: Any,
) -> Fetched:
    server.routes["/x.jpg"] = answering
    return fetch_all(tmp_path, [server.url("/x.jpg")], quick_settings(download), resolver=resolver)[
        0
    ]


# A known picture --------------------------------------------------------------------------------


def fetch_known(
    server: HostileServer,
    tmp_path: Path,
    *,
    etag: str | None = '"v1"',
    last_modified: str | None = None,
    **download: Any,
) -> Fetched:
    url = server.url("/x.jpg")
    wanted = Wanted(0, 1, "v", "i0", url, etag=etag, last_modified=last_modified)
    return fetch_wanted(tmp_path, [wanted], quick_settings(download))[0]


def conditions(server: HostileServer) -> list[dict[str, str]]:
    return [
        {name: value for name, value in request.headers.items() if name.startswith("If-")}
        for request in server.requests
    ]


def stored_files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("etag", "last_modified", "condition"),
    [
        ('"v1"', LONG_AGO, {"If-None-Match": '"v1"'}),
        (None, LONG_AGO, {"If-Modified-Since": LONG_AGO}),
    ],
    ids=["etag", "last-modified"],
)
def test_fetch_of_a_known_picture_stores_nothing_when_it_is_unchanged(
    server: HostileServer,
    tmp_path: Path,
    etag: str | None,
    last_modified: str | None,
    condition: dict[str, str],
) -> None:
    server.otherwise = says(status=304, ETag='W/"v2"')
    fetched = fetch_known(server, tmp_path, etag=etag, last_modified=last_modified)
    assert (fetched.is_unchanged, fetched.reason_code, fetched.http_status) == (True, None, 304)
    assert (fetched.requests, fetched.attempts) == (1, 1)
    assert (fetched.etag, fetched.last_modified) == ('W/"v2"', None)
    assert (fetched.content_sha256, fetched.size_bytes) == (None, None)
    assert conditions(server) == [condition]
    assert stored_files(tmp_path) == []


def test_fetch_of_a_known_picture_takes_the_new_one(server: HostileServer, tmp_path: Path) -> None:
    server.otherwise = says(JPEG, ETag='"v2"')
    fetched = fetch_known(server, tmp_path)
    assert (fetched.is_unchanged, fetched.etag) == (False, '"v2"')
    assert fetched.content_sha256 == hashlib.sha256(JPEG).hexdigest()
    assert len(stored_files(tmp_path)) == 1


def test_fetch_of_a_known_picture_keeps_its_condition_in_another_attempt(
    server: HostileServer, tmp_path: Path
) -> None:
    server.otherwise = in_turn(says(status=503), says(status=304))
    fetched = fetch_known(server, tmp_path)
    assert (fetched.is_unchanged, fetched.requests) == (True, 2)
    assert conditions(server) == [{"If-None-Match": '"v1"'}] * 2


def test_fetch_keeps_its_connection_after_304(server: HostileServer, tmp_path: Path) -> None:
    server.otherwise = says(status=304)
    wanted = [Wanted(n, 1, "v", f"i{n}", server.url(f"/{n}"), etag='"v"') for n in range(20)]
    settings = quick_settings({"in_flight": 1})
    assert all(done.is_unchanged for done in fetch_wanted(tmp_path, wanted, settings))
    assert len({request.connection for request in server.requests}) == 1


def test_fetch_believes_no_304_that_it_did_not_ask_for(
    server: HostileServer, tmp_path: Path
) -> None:
    fetched = fetch_one(server, tmp_path, says(status=304, ETag='"v1"'))
    assert (fetched.is_unchanged, fetched.reason_code) == (False, "refused_by_server")
    assert (fetched.http_status, fetched.etag) == (304, None)


@pytest.mark.parametrize("last", [200, 304])
def test_fetch_of_a_known_picture_asks_without_condition_after_a_redirect(
    server: HostileServer, tmp_path: Path, last: int
) -> None:
    server.routes["/x.jpg"] = says(status=302, Location="/y.jpg")
    server.routes["/y.jpg"] = says(JPEG if last == 200 else b"", status=last, ETag='"v1"')
    fetched = fetch_known(server, tmp_path)
    assert conditions(server) == [{"If-None-Match": '"v1"'}, {}]
    assert fetched.reason_code == (None if last == 200 else "refused_by_server")
    # Validators of another URL would be a false condition for this one.
    assert (fetched.is_unchanged, fetched.etag) == (False, None)


# A picture --------------------------------------------------------------------------------------


def test_fetch_keeps_the_picture_and_what_is_known_of_it(
    server: HostileServer, tmp_path: Path
) -> None:
    before = datetime.now(UTC)
    last_modified = "Mon, 05 Jan 2026 10:00:00 GMT"
    fetched = fetch_one(
        server,
        tmp_path,
        says(JPEG, ETag='"v1"', Last_Modified=last_modified, Content_Type="text/html"),
    )
    sha256 = hashlib.sha256(JPEG).hexdigest()
    assert fetched.fetched_at is not None
    assert before <= fetched.fetched_at <= datetime.now(UTC)
    assert fetched._replace(fetched_at=None) == Fetched(
        number=0,
        requests=1,
        reason_code=None,
        content_sha256=sha256,
        size_bytes=len(JPEG),
        width_px=64,
        height_px=48,
        picture_format="JPEG",
        http_status=200,
        attempts=1,
        etag='"v1"',
        last_modified=last_modified,
        fetched_at=None,
    )
    row = {
        "category_id": 1,
        "variant_id": "v",
        "image_id": "i0",
        "content_sha256": sha256,
        "picture_format": "JPEG",
    }
    assert (tmp_path / pictures.staged_key("run", row)).read_bytes() == JPEG
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [
        tmp_path / pictures.staged_key("run", row)
    ]


@pytest.mark.parametrize(
    ("content", "picture_format"),
    [
        pytest.param(PNG, "PNG", id="png-named-jpg"),
        pytest.param(drawing.animated_gif(), "GIF", id="animated-gif"),
        pytest.param(drawing.encoded("WEBP"), "WEBP", id="webp"),
        pytest.param(drawing.encoded("JPEG", mode="CMYK"), "JPEG", id="cmyk"),
    ],
)
def test_fetch_believes_the_content_only(
    server: HostileServer, tmp_path: Path, content: bytes, picture_format: str
) -> None:
    fetched = fetch_one(server, tmp_path, says(content, Content_Type="image/jpeg"))
    assert (fetched.reason_code, fetched.picture_format) == (None, picture_format)


def chunked(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for place in range(0, len(JPEG), 100):
        part = JPEG[place : place + 100]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    handler.wfile.write(b"0\r\n\r\n")


def until_closed(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + JPEG)
    handler.close_connection = True


@pytest.mark.parametrize(
    "answering",
    [
        chunked,
        until_closed,
        pytest.param(says(gzip.compress(JPEG), Content_Encoding="gzip"), id="gzip"),
    ],
)
def test_fetch_reads_every_kind_of_body(
    server: HostileServer, tmp_path: Path, answering: Answering
) -> None:
    fetched = fetch_one(server, tmp_path, answering)
    assert fetched.content_sha256 == hashlib.sha256(JPEG).hexdigest()


def test_fetch_says_who_it_is_and_keeps_no_cookies(server: HostileServer, tmp_path: Path) -> None:
    server.otherwise = says(JPEG, Set_Cookie="tracked=yes; Path=/")
    urls = [server.url(f"/{number}") for number in range(6)]
    fetch_all(tmp_path, urls, quick_settings({"user_agent": "Checker/1", "in_flight": 2}))
    assert len(server.requests) == 6
    for request in server.requests:
        assert request.headers["User-Agent"] == "Checker/1"
        assert request.headers["Accept-Encoding"] == "identity"
        assert not {"Cookie", "Authorization", "Referer"} & request.headers.keys()


def test_fetch_reuses_connections(server: HostileServer, tmp_path: Path) -> None:
    server.otherwise = in_turn(*[says(JPEG), says(b"no such picture", status=404)] * 10, says(JPEG))
    urls = [server.url(f"/{number}") for number in range(40)]
    fetch_all(tmp_path, urls, quick_settings({"in_flight": 3}))
    assert len(server.requests) == 40
    assert len({request.connection for request in server.requests}) <= 3


def test_fetch_ignores_proxies_of_the_environment(
    server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert fetch_one(server, tmp_path, says(JPEG)).reason_code is None


# Refused and broken answers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason", "attempts"),
    [
        (401, ReasonCode.ACCESS_DENIED, 1),
        (403, ReasonCode.ACCESS_DENIED, 1),
        (404, ReasonCode.NOT_FOUND, 1),
        (410, ReasonCode.NOT_FOUND, 1),
        (418, ReasonCode.REFUSED_BY_SERVER, 1),
        (304, ReasonCode.REFUSED_BY_SERVER, 1),
        (429, ReasonCode.RATE_LIMITED, 2),
        (408, ReasonCode.TIMED_OUT, 2),
        (500, ReasonCode.SERVER_FAILED, 2),
        (503, ReasonCode.SERVER_FAILED, 2),
    ],
)
def test_fetch_tries_again_only_where_it_can_help(
    server: HostileServer, tmp_path: Path, status: int, reason: ReasonCode, attempts: int
) -> None:
    fetched = fetch_one(server, tmp_path, says(b"no", status=status))
    assert (fetched.reason_code, fetched.http_status) == (reason, status)
    assert (fetched.attempts, fetched.requests, len(server.requests)) == (attempts,) * 3


def test_fetch_succeeds_when_the_second_attempt_does(server: HostileServer, tmp_path: Path) -> None:
    fetched = fetch_one(server, tmp_path, in_turn(says(status=500), says(JPEG)))
    assert (fetched.reason_code, fetched.attempts, fetched.http_status) == (None, 2, 200)


def short_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(JPEG) + 1))
    handler.end_headers()
    handler.wfile.write(JPEG)
    handler.close_connection = True


def without_answer(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def gibberish(handler: Handler) -> None:
    handler.wfile.write(b"\0\1\2 nothing like HTTP\r\n\r\n")
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answering", "reason"),
    [
        pytest.param(says(drawing.HTML), ReasonCode.NOT_AN_IMAGE, id="html"),
        pytest.param(says(drawing.SVG), ReasonCode.NOT_AN_IMAGE, id="svg"),
        pytest.param(says(drawing.encoded("PPM")), ReasonCode.FORMAT_NOT_ALLOWED, id="ppm"),
        pytest.param(
            says(drawing.png_header_of(9_000, 9_000)), ReasonCode.TOO_MANY_PIXELS, id="pixels"
        ),
        pytest.param(says(b""), ReasonCode.BODY_EMPTY, id="zero-bytes"),
        pytest.param(says(b"", status=204), ReasonCode.BODY_EMPTY, id="no-content"),
        pytest.param(short_body, ReasonCode.BODY_INCOMPLETE, id="short-body"),
        pytest.param(
            says(b"not gzip", Content_Encoding="gzip"), ReasonCode.BODY_INCOMPLETE, id="no-gzip"
        ),
        pytest.param(without_answer, ReasonCode.CONNECTION_FAILED, id="no-answer"),
        pytest.param(gibberish, ReasonCode.CONNECTION_FAILED, id="gibberish"),
    ],
)
def test_fetch_gives_the_reason(
    server: HostileServer, tmp_path: Path, answering: Answering, reason: ReasonCode
) -> None:
    fetched = fetch_one(server, tmp_path, answering)
    assert fetched.reason_code == reason
    assert fetched.content_sha256 is None
    assert fetched.attempts == (2 if reason.is_retryable else 1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_fetch_fails_when_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/x.jpg"
        fetched = fetch_all(tmp_path, [url], quick_settings())[0]
    assert fetched.reason_code == ReasonCode.CONNECTION_FAILED
    assert (fetched.http_status, fetched.attempts, fetched.requests) == (None, 2, 0)


# Bounds -----------------------------------------------------------------------------------------


def declares_much(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(10**12))
    handler.end_headers()
    handler.wfile.write(JPEG)
    time.sleep(8)


def endless(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        handler.wfile.write(b"\xff" * 65_536)


def endless_chunks(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"10000\r\n" + b"\xff" * 65_536 + b"\r\n")


@pytest.mark.parametrize(
    "answering",
    [
        declares_much,
        endless,
        endless_chunks,
        pytest.param(
            says(gzip.compress(b"\0" * 50_000_000), Content_Encoding="gzip"), id="gzip-bomb"
        ),
        pytest.param(
            says(gzip.compress(gzip.compress(b"\0" * 50_000_000)), Content_Encoding="gzip, gzip"),
            id="twofold-gzip-bomb",
        ),
    ],
)
def test_fetch_refuses_too_many_bytes(
    server: HostileServer, tmp_path: Path, answering: Answering
) -> None:
    started = time.monotonic()
    fetched = fetch_one(server, tmp_path, answering, max_bytes=2_000_000)
    assert (fetched.reason_code, fetched.attempts) == (ReasonCode.TOO_MANY_BYTES, 1)
    assert time.monotonic() - started < 5.0


STALL_S = 8.0
"""Far longer than giving up takes, on a busy machine too; two reads without a bound take 10 s."""


def stall(handler: Handler) -> None:
    time.sleep(STALL_S)


def stall_in_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(JPEG)))
    handler.end_headers()
    handler.wfile.write(JPEG[:100])
    time.sleep(STALL_S)


@pytest.mark.parametrize("answering", [stall, stall_in_body])
def test_fetch_gives_up_when_the_server_stalls(
    server: HostileServer, tmp_path: Path, answering: Answering
) -> None:
    started = time.monotonic()
    fetched = fetch_one(server, tmp_path, answering, read_timeout_s=0.3)
    assert (fetched.reason_code, fetched.attempts) == (ReasonCode.TIMED_OUT, 2)
    assert 0.5 < time.monotonic() - started < STALL_S


def drip_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(JPEG)))
    handler.end_headers()
    for place in range(len(JPEG)):
        handler.wfile.write(JPEG[place : place + 1])
        time.sleep(0.1)


def drip_body_without_length(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    for place in range(len(JPEG)):
        handler.wfile.write(JPEG[place : place + 1])
        time.sleep(0.1)


def drip_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(200):
        handler.wfile.write(b"X")
        time.sleep(0.1)


@pytest.mark.parametrize("answering", [drip_body, drip_body_without_length, drip_headers])
def test_fetch_ends_a_slow_drip_at_the_total_bound(
    server: HostileServer, tmp_path: Path, answering: Answering
) -> None:
    started = time.monotonic()
    fetched = fetch_one(server, tmp_path, answering, total_timeout_s=0.6)
    assert (fetched.reason_code, fetched.attempts) == (ReasonCode.TIMED_OUT, 1)
    assert 0.5 < time.monotonic() - started < 5.0


def test_fetch_keeps_other_pictures_going_beside_a_stall(
    server: HostileServer, tmp_path: Path
) -> None:
    server.otherwise = says(JPEG)
    server.routes["/stall"] = stall
    urls = [server.url("/stall"), *(server.url(f"/{number}") for number in range(20))]
    settings = quick_settings({"in_flight": 2, "max_attempts": 1, "read_timeout_s": 2.0})
    outcomes = fetch_all(tmp_path, urls, settings)
    assert [fetched.reason_code for fetched in outcomes] == [ReasonCode.TIMED_OUT, *[None] * 20]


# Rate limits ------------------------------------------------------------------------------------


def gap_s(server: HostileServer) -> float:
    return server.requests[1].at - server.requests[0].at


def test_fetch_honours_retry_after_in_seconds(server: HostileServer, tmp_path: Path) -> None:
    fetched = fetch_one(server, tmp_path, in_turn(says(status=429, Retry_After="1"), says(JPEG)))
    assert (fetched.reason_code, fetched.attempts) == (None, 2)
    assert 1.0 <= gap_s(server) < 3.0


def test_fetch_honours_retry_after_as_a_date(server: HostileServer, tmp_path: Path) -> None:
    due = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    fetched = fetch_one(server, tmp_path, in_turn(says(status=503, Retry_After=due), says(JPEG)))
    assert (fetched.reason_code, fetched.attempts) == (None, 2)
    assert 0.9 <= gap_s(server) < 4.0


def test_fetch_gives_up_when_retry_after_is_too_long(
    server: HostileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetched = fetch_one(server, tmp_path, says(status=429, Retry_After="3600"))
    assert (fetched.reason_code, fetched.attempts) == (ReasonCode.RATE_LIMITED, 1)
    assert "asks to wait 3600 s, more than the 3 s allowed" in caplog.text
    assert len(server.requests) == 1


def test_fetch_gives_up_when_rate_limited_for_ever(server: HostileServer, tmp_path: Path) -> None:
    fetched = fetch_one(server, tmp_path, says(status=429), max_attempts=4)
    assert (fetched.reason_code, fetched.attempts) == (ReasonCode.RATE_LIMITED, 4)
    assert len(server.requests) == 4


def test_fetch_leaves_a_host_alone_when_it_refuses_everything_for_long(
    server: HostileServer, tmp_path: Path
) -> None:
    server.otherwise = says(status=429, Retry_After="3600")
    urls = [server.url(f"/{number}") for number in range(100)]
    outcomes = fetch_all(tmp_path, urls, quick_settings({"in_flight": 2}))
    assert {fetched.reason_code for fetched in outcomes} == {ReasonCode.RATE_LIMITED}
    assert len(server.requests) < 15


def test_fetch_goes_on_with_other_hosts_when_one_asks_to_wait(
    server: HostileServer, tmp_path: Path
) -> None:
    def busy(handler: Handler) -> None:
        if handler.headers["Host"].startswith("localhost"):
            handler.answer(status=429, Retry_After="1")
        else:
            handler.answer(JPEG)

    server.otherwise = busy
    settings = quick_settings(
        {"in_flight": 2, "private_hosts": ["localhost", "127.0.0.1"]},
        allowed_hosts=["localhost", "127.0.0.1"],
    )
    slow = [server.url(f"/{number}", "localhost") for number in range(6)]
    quick = [server.url(f"/{number}") for number in range(30)]
    outcomes = fetch_all(
        tmp_path, [*slow, *quick], settings, resolver=lambda host, port: ["127.0.0.1"]
    )
    assert [fetched.reason_code for fetched in outcomes[6:]] == [None] * 30
    assert {fetched.reason_code for fetched in outcomes[:6]} == {ReasonCode.RATE_LIMITED}
    quick_times = [r.at for r in server.requests if r.headers["Host"].startswith("127")]
    slow_times = [r.at for r in server.requests if r.headers["Host"].startswith("localhost")]
    assert max(quick_times) < max(slow_times) - 1.0


def test_fetch_keeps_the_rate_of_a_host(server: HostileServer, tmp_path: Path) -> None:
    server.otherwise = says(JPEG)
    urls = [server.url(f"/{number}") for number in range(41)]
    fetch_all(tmp_path, urls, quick_settings({"rate_per_host_per_s": 40}))
    times = [request.at for request in server.requests]
    assert max(times) - min(times) >= 0.95 * 39 / 40
    assert max(times) - min(times) < 5.0


@pytest.mark.parametrize("setting", ["connections_per_host", "in_flight"])
def test_fetch_keeps_the_limit_of_requests_at_once(
    server: HostileServer, tmp_path: Path, setting: str
) -> None:
    under_way: list[int] = []
    count = 0

    def slow(handler: Handler) -> None:
        nonlocal count
        with server.lock:
            count += 1
            under_way.append(count)
        time.sleep(0.02)
        with server.lock:
            count -= 1
        handler.answer(JPEG)

    server.otherwise = slow
    urls = [server.url(f"/{number}") for number in range(24)]
    fetch_all(tmp_path, urls, quick_settings({setting: 3}))
    assert max(under_way) == 3


@pytest.mark.parametrize(
    ("answering", "reason"),
    [
        pytest.param(without_answer, ReasonCode.CONNECTION_FAILED, id="dead"),
        pytest.param(says(status=429), ReasonCode.RATE_LIMITED, id="always-refusing"),
    ],
)
def test_fetch_gives_up_a_host_that_serves_nobody(
    server: HostileServer, tmp_path: Path, answering: Answering, reason: ReasonCode
) -> None:
    server.otherwise = answering
    urls = [server.url(f"/{number}") for number in range(300)]
    outcomes = fetch_all(tmp_path, urls, quick_settings({"in_flight": 2}))
    assert {fetched.reason_code for fetched in outcomes} == {reason}
    assert 32 <= len(server.requests) <= 32 + 8


def test_fetch_goes_on_with_a_host_that_fails_now_and_then(
    server: HostileServer, tmp_path: Path
) -> None:
    server.otherwise = in_turn(*[*[without_answer] * 20, says(JPEG)] * 5, says(JPEG))
    urls = [server.url(f"/{number}") for number in range(150)]
    outcomes = fetch_all(tmp_path, urls, quick_settings({"in_flight": 2, "max_attempts": 1}))
    assert [fetched.reason_code for fetched in outcomes].count(None) == 50


# Redirects --------------------------------------------------------------------------------------


def to(location: str, status: int = 302) -> Answering:
    return says(b"moved", status=status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_fetch_follows_a_redirect(server: HostileServer, tmp_path: Path, status: int) -> None:
    server.routes["/there.jpg"] = says(JPEG)
    fetched = fetch_one(server, tmp_path, to("there.jpg", status))
    assert (fetched.reason_code, fetched.attempts, fetched.requests) == (None, 1, 2)


@pytest.mark.parametrize("hops", [3, 4])
def test_fetch_follows_no_more_redirects_than_allowed(
    server: HostileServer, tmp_path: Path, hops: int
) -> None:
    for hop in range(1, hops):
        server.routes[f"/{hop}"] = to(f"/{hop + 1}")
    server.routes[f"/{hops}"] = says(JPEG)
    fetched = fetch_one(server, tmp_path, to("/1"), max_redirects=3)
    assert fetched.reason_code == (None if hops == 3 else ReasonCode.TOO_MANY_REDIRECTS)


def test_fetch_leaves_a_redirect_loop(server: HostileServer, tmp_path: Path) -> None:
    fetched = fetch_one(server, tmp_path, to("/x.jpg"), max_redirects=3)
    assert fetched.reason_code == ReasonCode.TOO_MANY_REDIRECTS
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://evil.example/x.jpg", ReasonCode.HOST_NOT_ALLOWED),
        ("//evil.example/x.jpg", ReasonCode.HOST_NOT_ALLOWED),
        ("http://127.0.0.1@evil.example/x.jpg", ReasonCode.HOST_NOT_ALLOWED),
        ("http://user:secret@127.0.0.1/x.jpg", ReasonCode.URL_UNCORRECTABLE),
        ("http://[::1]/x.jpg", ReasonCode.HOST_NOT_ALLOWED),
        ("http://2130706433/x.jpg", ReasonCode.HOST_NOT_ALLOWED),
        ("file:///etc/passwd", ReasonCode.SCHEME_NOT_ALLOWED),
        ("gopher://127.0.0.1/x", ReasonCode.SCHEME_NOT_ALLOWED),
        ("data:image/png;base64,AAAA", ReasonCode.SCHEME_NOT_ALLOWED),
        ("http://[broken", ReasonCode.URL_UNCORRECTABLE),
        ("http://inner.allowed.example/x.jpg", ReasonCode.ADDRESS_NOT_ALLOWED),
    ],
)
def test_fetch_follows_no_redirect_to_a_forbidden_place(
    server: HostileServer, tmp_path: Path, location: str, reason: ReasonCode
) -> None:
    server.routes["/x.jpg"] = to(location)
    fetched = fetch_all(
        tmp_path,
        [server.url("/x.jpg")],
        quick_settings(allowed_hosts=["127.0.0.1", "*.allowed.example"]),
        resolver=lambda host, port: ["127.0.0.1"],
    )[0]
    assert (fetched.reason_code, fetched.http_status, fetched.requests) == (reason, 302, 1)
    assert len(server.requests) == 1


def endless_redirect(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 302 Found\r\nLocation: /there.jpg\r\n\r\n")
    while True:
        handler.wfile.write(b"\0" * 65_536)


def test_fetch_reads_no_body_of_a_redirect(server: HostileServer, tmp_path: Path) -> None:
    server.routes["/there.jpg"] = says(JPEG)
    assert fetch_one(server, tmp_path, endless_redirect).reason_code is None


# Addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://evil.example/x.jpg", ReasonCode.HOST_NOT_ALLOWED),
        ("ftp://127.0.0.1/x.jpg", ReasonCode.SCHEME_NOT_ALLOWED),
        ("http://user:secret@127.0.0.1/x.jpg", ReasonCode.URL_UNCORRECTABLE),
        ("http://127.0.0.1:99999/x.jpg", ReasonCode.URL_UNCORRECTABLE),
        ("no url", ReasonCode.URL_UNCORRECTABLE),
    ],
)
def test_fetch_sends_nothing_to_a_forbidden_place(
    tmp_path: Path, url: str, reason: ReasonCode
) -> None:
    fetched = fetch_all(tmp_path, [url], quick_settings())[0]
    assert (fetched.reason_code, fetched.attempts, fetched.requests) == (reason, 0, 0)


def test_fetch_refuses_a_private_address(server: HostileServer, tmp_path: Path) -> None:
    fetched = fetch_one(server, tmp_path, says(JPEG), private_hosts=[])
    assert (fetched.reason_code, fetched.attempts) == (ReasonCode.ADDRESS_NOT_ALLOWED, 1)
    assert server.requests == []


def test_fetch_refuses_the_ipv6_loopback(tmp_path: Path) -> None:
    with HostileServer("127.0.0.1").running() as server:
        url = server.url("/x.jpg", "[::1]")
        settings = quick_settings(allowed_hosts=["::1"])
        fetched = fetch_all(tmp_path, [url], settings)[0]
    assert fetched.reason_code == ReasonCode.ADDRESS_NOT_ALLOWED


def test_fetch_gets_nowhere_with_a_resolver_that_changes_its_answer(
    server: HostileServer, tmp_path: Path
) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["192.0.0.9"] if len(asked) == 1 else ["127.0.0.1"]  # RFC 7723: public, anycast

    server.otherwise = says(JPEG)
    settings = quick_settings({"max_attempts": 3}, allowed_hosts=["shop.example"])
    url = server.url("/x.jpg", "shop.example")
    fetched = fetch_all(tmp_path, [url], settings, resolver=rebinding)[0]
    assert fetched.reason_code == ReasonCode.ADDRESS_NOT_ALLOWED
    assert asked == ["shop.example"] * 2  # once for each connection, so the first attempt failed
    assert server.requests == []


def test_fetch_connects_to_the_very_address_that_was_checked(
    server: HostileServer, tmp_path: Path
) -> None:
    asked: list[str] = []

    def changing(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return [f"127.0.0.{len(asked)}"]

    server.otherwise = says(JPEG)
    settings = quick_settings(
        {"in_flight": 1, "private_hosts": ["shop.example"]}, allowed_hosts=["shop.example"]
    )
    with HostileServer("127.0.0.2", server.port).running() as other:
        urls = [server.url(f"/{number}", "shop.example") for number in range(5)]
        outcomes = fetch_all(tmp_path, urls, settings, resolver=changing)
    assert [fetched.reason_code for fetched in outcomes] == [None] * 5
    assert asked == ["shop.example"]
    assert {request.headers["Host"] for request in server.requests} == {
        f"shop.example:{server.port}"
    }
    assert other.requests == []


def test_fetch_goes_on_to_the_next_address_when_one_is_dead(
    server: HostileServer, tmp_path: Path
) -> None:
    server.otherwise = says(JPEG)
    settings = quick_settings({"private_hosts": ["shop.example"]}, allowed_hosts=["shop.example"])
    fetched = fetch_all(
        tmp_path,
        [server.url("/x.jpg", "shop.example")],
        settings,
        resolver=lambda host, port: ["127.0.0.3", "127.0.0.1"],
    )[0]
    assert (fetched.reason_code, fetched.attempts) == (None, 1)


# Storage ----------------------------------------------------------------------------------------


def test_fetch_raises_when_the_storage_refuses_a_write(
    server: HostileServer, tmp_path: Path
) -> None:
    (tmp_path / "staging").write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        fetch_one(server, tmp_path, says(JPEG))
