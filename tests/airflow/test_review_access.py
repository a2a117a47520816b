"""The review pages in Airflow's own api-server, with the roles and tokens of its simple login."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from image_duplication.store.decisions import read_current
from image_duplication_web.review.requests import SIGN_HEADER
from tests.removal.worlds import World

ROLES = ["viewer", "user", "op", "admin"]
DECIDING = {"user", "op", "admin"}
PREFIX = "/image-duplication"


@pytest.fixture(scope="module")
def api_server(airflow_database: None) -> Iterator[Any]:
    """The app that `airflow api-server` serves, with the plugin's app in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "of no other process, " * 4)
        from airflow.api_fastapi.app import create_app, purge_cached_app

        yield create_app(apps="core")
        purge_cached_app()


@pytest.fixture
def review_app(api_server: Any) -> Any:
    """The app that the plugin has mounted."""
    (mounted,) = [route for route in api_server.routes if getattr(route, "path", "") == PREFIX]
    return mounted.app


@pytest.fixture
def client(api_server: Any, review_app: Any, world: World) -> Iterator[Any]:
    """Someone who sends nothing but what a test gives; the pages read the test's own world."""
    from fastapi.testclient import TestClient

    from image_duplication_airflow.connections import open_store
    from image_duplication_web.review.sources import Sources

    review_app.state.sources = Sources(open_store)
    yield TestClient(api_server, follow_redirects=False)
    review_app.state.sources.close()


def token_of(role: str | None) -> str:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    user = SimpleAuthManagerUser(username=f"the {role}", role=role)
    return str(get_auth_manager().generate_jwt(user))


def shown_as(how: str, token: str) -> dict[str, str]:
    return (
        {"Authorization": f"Bearer {token}"} if how == "bearer" else {"Cookie": f"_token={token}"}
    )


def decision(client: Any, headers: dict[str, str]) -> Any:
    page = client.get(f"{PREFIX}/categories/7", headers=shown_as("bearer", token_of("viewer")))
    finding_id = page.text.partition('data-finding="')[2].partition('"')[0]
    assert finding_id
    return client.post(
        f"{PREFIX}/categories/7/decisions",
        json={"verdict": "rejected", "finding_ids": [finding_id]},
        headers={**headers, SIGN_HEADER: "review"},
    )


@pytest.mark.parametrize("how", ["bearer", "cookie"])
@pytest.mark.parametrize("role", ROLES)
def test_role_sees_and_decides_as_airflow_lets_it(
    client: Any, world: World, role: str, how: str
) -> None:
    headers = shown_as(how, token_of(role))

    seen = client.get(f"{PREFIX}/categories/7", headers=headers)
    decided = decision(client, headers)

    assert seen.status_code == 200
    assert ("data-say=" in seen.text) == (role in DECIDING)
    assert decided.status_code == (200 if role in DECIDING else 403)
    by = [one.decided_by for _, one in read_current(world.store, 7).values()]
    assert by == ([f"the {role}"] if role in DECIDING else [])


def test_user_without_a_role_is_refused(client: Any) -> None:
    headers = shown_as("bearer", token_of(None))

    assert client.get(f"{PREFIX}/", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"Cookie": "_token="}], ids=["nothing", "empty cookie"])
def test_nobody_is_sent_to_airflows_login(client: Any, headers: dict[str, str]) -> None:
    page = client.get(f"{PREFIX}/categories", headers={**headers, "Accept": "text/html"})

    assert page.status_code == 303
    assert "/auth/login?next=" in page.headers["location"]
    assert client.get(f"{PREFIX}/categories", headers=headers).status_code == 401
    assert decision(client, headers).status_code == 401


def test_forged_token_gets_nothing(client: Any) -> None:
    headers = shown_as("cookie", token_of("admin") + "x")

    answer = client.get(f"{PREFIX}/categories/7", headers=headers)

    assert answer.status_code in {401, 403}
    assert "Chairs" not in answer.text


def test_every_route_below_the_mount_is_refused_to_nobody(review_app: Any, client: Any) -> None:
    assert len(review_app.routes) > 9
    for route in review_app.routes:
        path = re.sub(r"{[^}]+}", "7", route.path)
        for method in route.methods:
            answer = client.request(method, f"{PREFIX}{path}", headers={SIGN_HEADER: "review"})
            assert answer.status_code == 401, (method, path)


def test_airflow_lists_the_page_and_the_tab(client: Any) -> None:
    answer = client.get("/api/v2/plugins", headers=shown_as("bearer", token_of("admin")))
    errors = client.get(
        "/api/v2/plugins/importErrors", headers=shown_as("bearer", token_of("admin"))
    )

    (plugin,) = [one for one in answer.json()["plugins"] if one["name"] == "image_duplication"]
    assert [view["destination"] for view in plugin["external_views"]] == ["nav", "dag_run"]
    assert PREFIX in [app["url_prefix"] for app in plugin["fastapi_apps"]]
    assert errors.json()["import_errors"] == []


def test_process_that_only_loads_plugins_imports_no_web_app(airflow_database: None) -> None:
    loading = (
        "import json, sys\n"
        "from airflow.plugins_manager import _get_plugins, integrate_listener_plugins\n"
        "from airflow.sdk import plugins_manager as of_tasks\n"
        "plugins, errors = _get_plugins()\n"
        "of_tasks._get_plugins()\n"
        "web = [name for name in sys.modules if name.startswith('image_duplication_web')]\n"
        "print(json.dumps([[p.name for p in plugins], errors, web]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", loading],
        check=True,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )

    names, errors, web = json.loads(done.stdout.splitlines()[-1])
    assert "image_duplication" in names
    assert (errors, web) == ({}, [])


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("viewer", 503)])
def test_check_without_usable_settings_says_so_and_stops_nothing(
    api_server: Any, monkeypatch: pytest.MonkeyPatch, role: str | None, status: int
) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from image_duplication_web.airflow_app import make_airflow_check_app

    monkeypatch.setenv("IMAGE_DUPLICATION__UPLOAD__MAX_FILES", "many")
    server = FastAPI()
    server.mount("/check", make_airflow_check_app())
    headers = shown_as("bearer", token_of(role)) if role else {}

    answer = TestClient(server).post("/check/v1/check", headers=headers)

    assert answer.status_code == status
    refusal = answer.json()
    assert refusal["code"] == ("not_ready" if role else "not_authenticated")
    assert ("upload.max_files" in refusal["message"]) == bool(role)
