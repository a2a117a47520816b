"""Pictures that a request names by their addresses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from image_duplication_web.upload_check.refusals import RefusalCode
from tests.web.upload_check.service import Service, running_service
from tests.web.upload_check.test_routes import refusal_of

MAX_BYTES = 200_000
TOTAL_TIME_S = 3


class _Host(BaseHTTPRequestHandler):
    pictures: ClassVar[dict[str, bytes]] = {}
    never = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/stalls":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"\xff\xd8")
            self.wfile.flush()
            self.never.wait(20)
        elif self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path in self.pictures:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.pictures[self.path])
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def host(views: list[bytes]) -> Iterator[str]:
    _Host.pictures = {
        **{f"/{number}.jpg": view for number, view in enumerate(views)},
        "/large": b"x" * (MAX_BYTES + 1),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Host)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    _Host.never.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def fetching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {
        "UPLOAD__PROCESSES": 1,
        "UPLOAD__TOTAL_TIME_S": TOTAL_TIME_S,
        "UPLOAD__MAX_REQUEST_BYTES": MAX_BYTES,
        "DOWNLOAD__MAX_BYTES": MAX_BYTES,
        "DOWNLOAD__PRIVATE_HOSTS": ["127.0.0.1"],
        "URLS__ALLOWED_HOSTS": ["127.0.0.1", "localhost"],
    }
    with running_service(tmp_path_factory.mktemp("fetching"), **settings) as running:
        yield running


def test_pictures_are_fetched_and_judged_in_their_order(fetching: Service, host: str) -> None:
    urls = [f"{host}/{number}.jpg" for number in (2, 0, 1)]

    answer = fetching.post_json({"urls": urls, "mode": "block"})

    assert answer.status_code == 200, answer.text
    assert [picture["name"] for picture in answer.json()["pictures"]] == urls
    assert answer.json()["verdict"] == "compliant"
    assert fetching.kept_files() == []


def test_redirect_to_a_picture_is_followed(fetching: Service, host: str) -> None:
    assert fetching.post_json({"urls": [f"{host}/to//0.jpg"]}).status_code == 200


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("{host}/nothing", "not_found"),
        ("{host}/large", "too_many_bytes"),
        ("{host}/to/http://169.254.169.254/x", "host_not_allowed"),
        ("{host}/to/http://localhost:1/x", "address_not_allowed"),
        ("{host}/to/file:///etc/passwd", "scheme_not_allowed"),
        ("{host}/to/0.jpg/to/", "too_many_redirects"),
        ("file:///etc/passwd", "scheme_not_allowed"),
        ("http://10.0.0.1/x", "host_not_allowed"),
        ("http://user:word@127.0.0.1/x", "url_uncorrectable"),
        ("nonsense", "url_uncorrectable"),
    ],
)
def test_address_is_refused_by_the_rules_of_a_download(
    fetching: Service, host: str, address: str, reason: str
) -> None:
    refusal = refusal_of(fetching.post_json({"urls": [f"{host}/0.jpg", address.format(host=host)]}))

    assert refusal.code is RefusalCode.PICTURE_NOT_FETCHED
    assert "of 2 pictures 1 could not be fetched: 2 (" in refusal.message
    assert reason in refusal.message
    assert fetching.kept_files() == []


def test_pictures_together_are_held_to_the_size_of_a_request(fetching: Service, host: str) -> None:
    refusal = refusal_of(fetching.post_json({"urls": [f"{host}/0.jpg"] * 12}))

    assert refusal.code is RefusalCode.PICTURE_NOT_FETCHED
    assert "the request's pictures together" in refusal.message


def test_host_that_stalls_is_cut_off_when_the_time_is_over(fetching: Service, host: str) -> None:
    refusal = refusal_of(fetching.post_json({"urls": [f"{host}/stalls", f"{host}/0.jpg"]}))

    assert refusal.code is RefusalCode.OUT_OF_TIME
    assert "could not be fetched within 3 s" in refusal.message
    assert fetching.kept_files() == []
    assert fetching.post_json({"urls": [f"{host}/0.jpg"]}).status_code == 200
