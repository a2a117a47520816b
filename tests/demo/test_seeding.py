"""The demo in containers: its commands as the Compose file states them, run here for real."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from rich.console import Console

from demo.catalogue import Catalogue, images_table, variants_table
from demo.mariadb import MariaDbServer
from demo.run import DemoFailedError
from demo.seeding import DATABASE_VARIABLE, seed
from tests.containers import DEMO_VARIABLES, ROOT, resolve_compose

READY_TIMEOUT_S = 60
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = resolve_compose(ROOT, "--env-file", DEMO_VARIABLES)[
        "services"
    ]
    return found


@pytest.fixture
def folder(tmp_path: Path, catalogue: Catalogue, cache_folder: Path) -> Path:
    """Where pictures go, with those that were drawn before."""
    made = tmp_path / "demo"
    made.mkdir()
    (made / "cache").symlink_to(cache_folder)
    return made


@contextlib.contextmanager
def running(
    service: Mapping[str, object], changes: dict[str, str], environment: Mapping[str, str]
) -> Iterator[None]:
    """The command of a service in a process of its own, with paths and ports that are free here."""
    command = service["command"]
    assert isinstance(command, list)
    words = [sys.executable if word == "python" else word for word in command]
    for word, other in changes.items():
        assert any(word in given for given in words), word
        words = [given.replace(word, other) for given in words]
    process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, **environment})
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            if is_done():
                return
        time.sleep(0.1)
    raise TimeoutError(f"not done after {READY_TIMEOUT_S} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def counts(url: str) -> tuple[int, int]:
    """Variants and images in a database."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        variants, images = (
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (variants_table, images_table)
        )
    engine.dispose()
    return variants, images


def test_seeding_fills_a_database_and_leaves_a_filled_one(
    mariadb: MariaDbServer, folder: Path, catalogue: Catalogue
) -> None:
    url = mariadb.url("writer")
    engine = sa.create_engine(url)
    variants_table.metadata.drop_all(engine)
    seed(folder, {DATABASE_VARIABLE: url}, QUIET)
    assert counts(url) == (len(catalogue.variants), len(catalogue.images))
    with engine.begin() as connection:
        connection.execute(sa.delete(images_table))
    seed(folder, {DATABASE_VARIABLE: url}, QUIET)
    assert counts(url) == (len(catalogue.variants), 0)
    variants_table.metadata.drop_all(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({}, "DEMO_DATABASE_URL is not set; expected an SQLAlchemy URL"),
        ({DATABASE_VARIABLE: "nonsense"}, "DEMO_DATABASE_URL is no database address"),
        ({DATABASE_VARIABLE: "sqlite:////no/such/folder/x.db"}, "the database cannot be filled"),
    ],
    ids=["not set", "no address", "out of reach"],
)
def test_seeding_says_what_is_wrong_with_the_database(
    folder: Path, environment: dict[str, str], complaint: str
) -> None:
    with pytest.raises(DemoFailedError, match=complaint):
        seed(folder, environment, QUIET)


def test_commands_of_the_containers_seed_and_serve_the_catalogue(
    services: dict[str, dict[str, object]], folder: Path, catalogue: Catalogue
) -> None:
    url = f"sqlite:///{folder / 'gem_staging.db'}"
    changes = {"/var/lib/demo": str(folder)}
    with running(services["demo-seed"], changes, {DATABASE_VARIABLE: url}):
        served = folder / "catalogue" / "served"
        wait_until(lambda: (folder / "gem_staging.db").exists() and served.is_dir())
        wait_until(lambda: _is_filled(url, len(catalogue.images)))
    port = str(free_port())
    changes |= {"0.0.0.0": "127.0.0.1", "8000": port}
    with running(services["demo-images"], changes, {}):
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: requests.get(f"{address}/__health__", timeout=5).status_code == 204)
        path = next(row.path for row in catalogue.images if row.mess is None and row.is_active)
        picture = requests.get(f"{address}{path}", timeout=5)
        assert picture.content == (catalogue.served_folder / str(path).lstrip("/")).read_bytes()


def _is_filled(url: str, images: int) -> bool:
    with contextlib.suppress(sa.exc.OperationalError):
        return counts(url)[1] == images
    return False


def test_rows_of_the_demo_name_a_host_that_the_settings_allow(
    services: dict[str, dict[str, object]],
) -> None:
    environment = services["worker"]["environment"]
    assert isinstance(environment, dict)
    base = environment["IMAGE_DUPLICATION__URLS__IMAGE_BASE"]
    host, port = re.fullmatch(r"http://([\w-]+):(\d+)", base).groups()  # type: ignore[union-attr]
    assert host in services
    assert port in services[host]["command"]  # type: ignore[operator]
    assert f'"{host}"' in environment["IMAGE_DUPLICATION__DOWNLOAD__PRIVATE_HOSTS"]
    assert f'"{host}"' in environment["IMAGE_DUPLICATION__URLS__ALLOWED_HOSTS"]
