from __future__ import annotations

import pytest

from tests.web.upload_check.hostile import HOSTILE
from tests.web.upload_check.service import Service


@pytest.mark.parametrize("name", HOSTILE)
def test_service_judges_the_next_upload_after_a_hostile_file(
    service: Service, views: list[bytes], name: str
) -> None:
    workers = {worker.pid for worker in service.workers()}

    answer = service.post([("x.jpg", HOSTILE[name]()), ("good.jpg", views[0])])

    assert answer.status_code == 200, answer.text
    told, good = answer.json()["pictures"]
    assert good["is_usable"]
    assert told["name"] == "x.jpg"
    following = service.post([(f"{number}.jpg", view) for number, view in enumerate(views)])
    assert following.json()["verdict"] == "compliant"
    assert {worker.pid for worker in service.workers()} == workers
    assert service.measure("upload_check_worker_restarts_total") == 0
    assert service.kept_files() == []


@pytest.mark.parametrize(
    "name",
    [
        "zero bytes",
        "text as .jpg",
        "noise",
        "svg",
        "png of 10,000 x 10,000",
        "png that says it is 65,535 x 65,535",
        "jpeg of two bytes",
    ],
)
def test_hostile_file_is_said_to_be_unreadable(service: Service, name: str) -> None:
    told = service.post([("x.jpg", HOSTILE[name]())]).json()["pictures"][0]

    assert told["problem"]
    assert not told["is_usable"]
    assert told["width_px"] == 0


def test_png_bomb_is_as_small_as_it_is_said_to_be() -> None:
    assert len(HOSTILE["png of 10,000 x 10,000"]()) < 100_000
