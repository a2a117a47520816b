"""The private MariaDB server, started for real."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from demo import mariadb, server_process
from demo.mariadb import MariaDbServer, private_mariadb
from image_duplication.errors import ConfigurationError, SourceError

MIXED_TEXT = "कार्यालय की कुर्सी 🪑 Office chair"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDbServer]:
    with private_mariadb(tmp_path_factory.mktemp("server")) as running:
        yield running


def execute(url: str, statement: str, **binds: object) -> list[tuple[object, ...]]:
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(sqlalchemy.text(statement), binds)
        return [tuple(row) for row in result] if result.returns_rows else []


def accepts_connections(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_server_keeps_hindi_and_emoji(server: MariaDbServer) -> None:
    writer = server.url("writer")
    execute(writer, "CREATE TABLE spoken (id INT PRIMARY KEY, words VARCHAR(80))")
    execute(writer, "INSERT INTO spoken VALUES (1, :words)", words=MIXED_TEXT)

    rows = execute(
        server.url("reader"),
        "SELECT words, CHAR_LENGTH(words), @@character_set_server FROM spoken",
    )

    assert rows == [(MIXED_TEXT, len(MIXED_TEXT), "utf8mb4")]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO guarded VALUES (2)",
        "UPDATE guarded SET id = 3",
        "DELETE FROM guarded",
        "DROP TABLE guarded",
        "CREATE TABLE another (id INT)",
    ],
    ids=["insert", "update", "delete", "drop", "create"],
)
def test_reader_reads_but_cannot_write(server: MariaDbServer, statement: str) -> None:
    execute(server.url("writer"), "CREATE OR REPLACE TABLE guarded AS SELECT 1 AS id")

    with pytest.raises(OperationalError, match="command denied"):
        execute(server.url("reader"), statement)

    assert execute(server.url("reader"), "SELECT id FROM guarded") == [(1,)]


def test_writer_sees_no_other_database(server: MariaDbServer) -> None:
    databases = execute(server.url("writer"), "SHOW DATABASES")

    assert {name for (name,) in databases} == {"gem_staging", "information_schema"}


@pytest.mark.parametrize("account", ["root", "", "gem_reader"])
def test_server_refuses_login_without_password(server: MariaDbServer, account: str) -> None:
    with pytest.raises(OperationalError, match="Access denied"):
        execute(f"mysql+mysqldb://{account}@127.0.0.1:{server.port}/", "SELECT 1")


def test_server_listens_on_loopback_only(server: MariaDbServer) -> None:
    assert execute(server.url(), "SELECT @@bind_address, @@port") == [("127.0.0.1", server.port)]


def test_airflow_uri_is_the_reader_with_utf8mb4(server: MariaDbServer) -> None:
    uri = urlsplit(server.airflow_uri())

    assert (uri.scheme, uri.hostname, uri.port) == ("mysql", "127.0.0.1", server.port)
    assert (uri.username, uri.password) == (server.reader_user, server.reader_password)
    assert uri.path == "/gem_staging"
    assert parse_qs(uri.query) == {"charset": ["utf8mb4"]}


def test_passwords_stay_out_of_the_printed_server(server: MariaDbServer) -> None:
    assert server.password not in repr(server)
    assert server.reader_password not in repr(server)


def test_server_stops_and_leaves_only_its_log_when_the_block_fails(tmp_path: Path) -> None:
    running = None

    def fail_inside_the_block() -> None:
        nonlocal running
        with private_mariadb(tmp_path / "db") as running:
            assert accepts_connections(running.port)
            raise KeyError("the block fails")

    with pytest.raises(KeyError, match="the block fails"):
        fail_inside_the_block()

    assert running is not None
    assert not accepts_connections(running.port)
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)
    assert [path.name for path in (tmp_path / "db").iterdir()] == ["mariadb.log"]


def test_two_servers_run_side_by_side_under_a_very_long_path(
    server: MariaDbServer, tmp_path: Path
) -> None:
    folder = tmp_path / ("a long name with spaces " * 5).strip() / "db"

    with private_mariadb(folder) as second:
        assert second.port != server.port
        assert execute(second.url(), "SELECT 1") == [(1,)]
        assert execute(server.url(), "SELECT 1") == [(1,)]


def test_server_takes_another_port_when_the_first_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = mariadb.free_ports
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        taken = occupant.getsockname()[1]
        ports = iter([taken])
        monkeypatch.setattr(
            mariadb,
            "free_ports",
            lambda count: [found] if (found := next(ports, 0)) else choose(count),
        )

        with private_mariadb(tmp_path) as running:
            assert running.port != taken
            assert execute(running.url(), "SELECT 1") == [(1,)]


def test_error_names_program_and_packages_when_mariadb_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(server_process, "PROGRAM_FOLDERS", (str(tmp_path),))

    with (
        pytest.raises(ConfigurationError, match=r"mariadbd.*mariadb-server-core"),
        private_mariadb(tmp_path / "db"),
    ):
        pytest.fail("no server can run here")


def test_error_shows_the_log_when_the_server_ends_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        mariadb, "FAST_SETTINGS", (*mariadb.FAST_SETTINGS, "--innodb-page-size=12345")
    )
    monkeypatch.setattr(mariadb, "_install_database", lambda *_: None)

    with (
        pytest.raises(SourceError, match="MariaDB ended with code 1 at start"),
        private_mariadb(tmp_path / "db"),
    ):
        pytest.fail("the server must not start")


def test_server_that_ignores_the_request_to_stop_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mariadb, "STOP_TIMEOUT_S", 0.5)
    deaf = subprocess.Popen(
        ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"],
        stdout=subprocess.PIPE,
    )
    assert deaf.stdout is not None
    with deaf.stdout:
        assert deaf.stdout.readline() == b"ready\n"

        mariadb._stop(deaf)

    assert deaf.returncode == -9
