"""The app as it is mounted in Airflow, and what readiness says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from image_duplication.settings import Settings
from image_duplication.upload_check.databases import open_source, open_store
from image_duplication_web.access import Access, User, remember_user
from image_duplication_web.upload_check.app import create_airflow_check_app
from image_duplication_web.upload_check.variants import Databases
from tests.web.upload_check.service import ROOT, running_service

PREFIX = "/image-duplication/upload-check"


def require_viewer(request: Request) -> User:
    """As Airflow's guard answers, by a header that stands for a login."""
    role = request.headers.get("x-role")
    if role is None:
        raise HTTPException(401, "Not authenticated")
    if role != "viewer":
        raise HTTPException(403, "Forbidden")
    return remember_user(request, User("some viewer", may_decide=False))


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("mounted")
        patch.setenv("IMAGE_DUPLICATION__STORAGE__ROOT", str(root))
        patch.setenv("IMAGE_DUPLICATION__UPLOAD__PROCESSES", "1")
        app = create_airflow_check_app(
            Access(require_viewer, require_viewer, lambda address: address),
            Databases(open_source, open_store),
        )
    airflow = FastAPI()
    airflow.mount(PREFIX, app)
    with TestClient(airflow) as client:
        yield client
    app.state.stop_workers()


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("POST", "/v1/check"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
    ],
)
@pytest.mark.parametrize(("role", "status"), [(None, 401), ("stranger", 403)])
def test_mounted_app_gives_nothing_to_those_who_may_not_look(
    mounted: TestClient, method: str, address: str, role: str | None, status: int
) -> None:
    headers = {} if role is None else {"x-role": role}
    answer = mounted.request(method, PREFIX + address, headers=headers)

    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "retry_after_s"}


def test_mounted_app_judges_in_a_worker_that_the_first_check_starts(
    mounted: TestClient, views: list[bytes]
) -> None:
    answer = mounted.post(
        f"{PREFIX}/v1/check",
        headers={"x-role": "viewer"},
        files=[("files", (f"{number}.jpg", view)) for number, view in enumerate(views)],
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["verdict"] == "compliant"
    ready = mounted.get(f"{PREFIX}/readyz", headers={"x-role": "viewer"})
    assert ready.json() == {"status": "ready"}


def test_mounted_app_describes_itself_under_its_prefix(mounted: TestClient) -> None:
    api = mounted.get(f"{PREFIX}/openapi.json", headers={"x-role": "viewer"}).json()

    assert api["servers"] == [{"url": PREFIX}]


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("stranger", 403), ("viewer", 503)])
@pytest.mark.parametrize(("method", "address"), [("POST", "/v1/check"), ("GET", "/readyz")])
def test_wrong_setting_costs_the_mounted_app_alone(
    monkeypatch: pytest.MonkeyPatch, method: str, address: str, role: str | None, status: int
) -> None:
    monkeypatch.setenv("IMAGE_DUPLICATION__UPLOAD__MAX_FILES", "many")
    airflow = FastAPI()
    airflow.mount(
        PREFIX,
        create_airflow_check_app(
            Access(require_viewer, require_viewer, lambda address: address),
            Databases(open_source, open_store),
        ),
    )

    headers = {} if role is None else {"x-role": role}
    answer = TestClient(airflow).request(method, PREFIX + address, headers=headers)

    assert answer.status_code == status
    assert ("upload.max_files" in answer.json()["message"]) == (role == "viewer")


def test_service_is_not_ready_while_its_settings_cannot_be_read(
    tmp_path: Path, settings: Settings
) -> None:
    include = tmp_path / "include"
    shutil.copytree(ROOT / "include", include)
    with running_service(tmp_path, include=include, UPLOAD__PROCESSES=1) as service:
        assert requests.get(f"{service.url}/readyz", timeout=10).status_code == 200

        (include / "config" / "settings.yaml").write_text("upload: [")
        answer = requests.get(f"{service.url}/readyz", timeout=10)

        assert answer.status_code == 503
        assert answer.json()["code"] == "not_ready"
        assert "settings" in answer.json()["message"]
        assert requests.get(f"{service.url}/livez", timeout=10).status_code == 200
