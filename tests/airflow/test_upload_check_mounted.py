"""The upload check in a real Airflow, under twice its rated load while a run is at work."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from rich.console import Console

from demo.image_server import running_image_server
from demo.standalone import StandaloneAirflow, running_standalone
from tests.airflow.small_catalogue import fill_small_catalogue
from tests.airflow.test_scheduler import Api
from tests.drawn_photos import draw_photo

pytestmark = pytest.mark.long

PREFIX = "/image-duplication/upload-check"
RATED_PER_S = 10
LOAD_PER_S = 2 * RATED_PER_S
SENDERS = 40  # more than can wait, so that the queue is full at times


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneAirflow]:
    folder = tmp_path_factory.mktemp("mounted")
    source_uri = fill_small_catalogue(folder, range(21, 25), variants=4)
    with (
        running_image_server(folder / "served") as images,
        running_standalone(
            folder,
            source_uri=source_uri,
            image_base=images.base_url,
            console=Console(quiet=True),
            extra={
                "IMAGE_DUPLICATION__UPLOAD__PROCESSES": "1",
                "IMAGE_DUPLICATION__UPLOAD_SERVICE__REQUESTS_PER_MINUTE": "100000",
            },
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def api(standalone: StandaloneAirflow) -> Api:
    answer = requests.post(
        f"{standalone.address}/auth/token",
        json={"username": standalone.user, "password": standalone.password},
        timeout=30,
    )
    answer.raise_for_status()
    return Api(standalone.address, answer.json()["access_token"])


@contextmanager
def load(api: Api, pictures: list[bytes]) -> Iterator[Counter[int]]:
    """Uploads from many senders at twice the rated rate, and how often which status came."""
    statuses: Counter[int] = Counter()
    is_over = threading.Event()
    files = [("files", ("x.jpg", picture)) for picture in pictures]
    request = requests.Request("POST", f"{api.address}{PREFIX}/v1/check", files=files).prepare()
    request.headers["Authorization"] = f"Bearer {api.token}"

    def send(number: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            due = time.monotonic() + number / LOAD_PER_S
            while not is_over.wait(max(0.0, due - time.monotonic())):
                statuses[session.send(request, timeout=120).status_code] += 1
                due += SENDERS / LOAD_PER_S

    senders = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        yield statuses
    finally:
        is_over.set()
        for sender in senders:
            sender.join()


def test_run_ends_with_no_lost_heartbeat_while_the_check_gets_twice_its_rated_load(
    standalone: StandaloneAirflow, api: Api
) -> None:
    pictures = [draw_jpeg(seed) for seed in range(1, 6)]
    with load(api, pictures) as statuses:
        api.call("POST", "dagRuns", {"logical_date": None, "dag_run_id": "loaded", "conf": {}})
        assert api.wait_for_runs(1) == {"loaded": "success"}

    assert set(api.tries("loaded").values()) <= {0, 1}
    log = (standalone.data.parent / "airflow.log").read_text(errors="replace")
    assert "heartbeat timeout" not in log.lower()
    assert statuses[200] > 0
    assert set(statuses) <= {200, 503, 504}, statuses  # answered, sent away, or out of time
    assert statuses.total() > RATED_PER_S * 10, statuses
    # The check answers as ever when the load is gone, and nobody without a login.
    ready = requests.get(
        f"{api.address}{PREFIX}/readyz",
        headers={"Authorization": f"Bearer {api.token}"},
        timeout=30,
    )
    assert ready.json() == {"status": "ready"}
    anonymous = requests.post(f"{api.address}{PREFIX}/v1/check", timeout=30)
    assert anonymous.status_code == 401
    assert anonymous.json()["code"] == "not_authenticated"


def draw_jpeg(seed: int) -> bytes:
    sink = io.BytesIO()
    draw_photo(seed).save(sink, "JPEG", quality=88)
    return sink.getvalue()
