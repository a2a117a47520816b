"""A private MariaDB server on a free loopback port, for the demo and the tests.

It lives as long as the `with` block that started it. It reads no configuration file of the
machine, keeps everything it writes in the folder it is given, and never touches another server.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import sqlalchemy
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from demo.server_process import PROGRAM_FOLDERS, find_program, free_ports, tail_of
from image_duplication.errors import ConfigurationError, SourceError

logger = logging.getLogger(__name__)

DATABASE = "gem_staging"
WRITER = "gem_writer"
READER = "gem_reader"

# sun_path of a Linux socket address holds 108 bytes with the closing zero.
SOCKET_PATH_LIMIT_BYTES = 107
INSTALL_TIMEOUT_S = 120.0
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
START_ATTEMPTS = 3
POLL_INTERVAL_S = 0.05

# A demo that is cut off is filled again, so nothing here waits for a disk.
FAST_SETTINGS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-log-file-size=16M",
    "--innodb-buffer-pool-size=64M",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
)


@dataclass(frozen=True, slots=True)
class MariaDbServer:
    """Where the running server answers, and its two accounts; both see one database only."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    reader_user: str
    reader_password: str = field(repr=False)
    pid: int

    def url(self, user: Literal["reader", "writer"] = "reader") -> str:
        """SQLAlchemy URL of one account; the reader may only SELECT."""
        return f"mysql+mysqldb://{self._address(user)}"

    def airflow_uri(self, user: Literal["reader", "writer"] = "reader") -> str:
        """Airflow connection URI of one account, as AIRFLOW_CONN_<ID> takes it."""
        return f"mysql://{self._address(user)}"

    def _address(self, user: Literal["reader", "writer"]) -> str:
        if user == "reader":
            account, password = self.reader_user, self.reader_password
        else:
            account, password = self.user, self.password
        return f"{account}:{password}@{self.host}:{self.port}/{self.database}?charset=utf8mb4"


@dataclass(frozen=True, slots=True)
class _Programs:
    server: Path
    install_db: Path


class _PortTakenError(Exception):
    """Another process took the port between choosing it and binding it."""


@contextlib.contextmanager
def private_mariadb(folder: Path) -> Iterator[MariaDbServer]:
    """Start an empty server under `folder` and stop it, data and all, at the end of the block.

    The server's log stays in `folder` as `mariadb.log`. Raises ConfigurationError when MariaDB is
    not installed, SourceError when the server does not start.
    """
    programs = _find_programs()
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    log_file = folder / "mariadb.log"
    log_file.unlink(missing_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="mariadb-data-", dir=folder) as data_folder,
        tempfile.TemporaryDirectory(prefix="gem-") as run_folder,
    ):
        _install_database(programs, Path(data_folder), log_file)
        server, process = _start_on_free_port(
            programs, Path(data_folder), Path(run_folder), log_file
        )
        try:
            yield server
        finally:
            _stop(process)
            logger.info("Stopped MariaDB on port %d", server.port)


def _find_programs() -> _Programs:
    server = find_program("mariadbd") or find_program("mysqld")
    install_db = find_program("mariadb-install-db")
    if server is None or install_db is None:
        missing = "mariadbd" if server is None else "mariadb-install-db"
        raise ConfigurationError(
            f"The private database server needs the program {missing}, which is neither on PATH"
            f" nor in {', '.join(PROGRAM_FOLDERS)}. Install the packages mariadb-server-core and"
            " mariadb-client-core (or mariadb-server)."
        )
    return _Programs(server, install_db)


def _owner_option() -> list[str]:
    # MariaDB refuses to run as root unless it is told to in so many words.
    return ["--user=root"] if os.geteuid() == 0 else []


def _install_database(programs: _Programs, data_folder: Path, log_file: Path) -> None:
    # Never with --user: given it, the installer also changes the owner of a folder that belongs to
    # the machine's own MariaDB (auth_pam_tool_dir). It needs none, not even as root.
    command = [
        str(programs.install_db),
        "--no-defaults",
        # The installer breaks a path at its spaces, so it is told the folder by where it runs.
        "--datadir=.",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        *FAST_SETTINGS,
    ]
    with log_file.open("ab") as log:
        completed = subprocess.run(
            command,
            cwd=data_folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    if completed.returncode != 0:
        raise SourceError(
            f"{programs.install_db} ended with code {completed.returncode}, expected 0:"
            f" {tail_of(log_file)}"
        )


def _start_on_free_port(
    programs: _Programs, data_folder: Path, run_folder: Path, log_file: Path
) -> tuple[MariaDbServer, subprocess.Popen[bytes]]:
    for _ in range(START_ATTEMPTS):
        with contextlib.suppress(_PortTakenError):
            return _start(programs, data_folder, run_folder, log_file, port=free_ports(1)[0])
    raise SourceError(
        f"MariaDB found its port taken {START_ATTEMPTS} times in a row: {tail_of(log_file)}"
    )


def _start(
    programs: _Programs, data_folder: Path, run_folder: Path, log_file: Path, *, port: int
) -> tuple[MariaDbServer, subprocess.Popen[bytes]]:
    started_s = time.monotonic()
    password, reader_password = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    accounts_file = run_folder / "accounts.sql"
    accounts_file.touch(mode=0o600)
    accounts_file.write_text(_accounts_sql(password, reader_password), encoding="utf-8")
    process = subprocess.Popen(
        _server_command(programs, data_folder, run_folder, log_file, accounts_file, port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C at the terminal is for the demo, which then stops the server in order.
        start_new_session=True,
    )
    server = MariaDbServer(
        host="127.0.0.1",
        port=port,
        database=DATABASE,
        user=WRITER,
        password=password,
        reader_user=READER,
        reader_password=reader_password,
        pid=process.pid,
    )
    try:
        _wait_until_ready(server, process, log_file)
    except BaseException:
        _stop(process)
        raise
    accounts_file.unlink()
    logger.info(
        "Started MariaDB on %s:%d in %.1f s", server.host, port, time.monotonic() - started_s
    )
    return server, process


def _server_command(
    programs: _Programs,
    data_folder: Path,
    run_folder: Path,
    log_file: Path,
    accounts_file: Path,
    port: int,
) -> list[str]:
    socket_file = run_folder / "s.sock"
    if len(os.fsencode(socket_file)) > SOCKET_PATH_LIMIT_BYTES:
        raise ConfigurationError(
            f"The folder for temporary files gives the socket path {socket_file}, which is longer"
            f" than {SOCKET_PATH_LIMIT_BYTES} bytes. Set TMPDIR to a shorter folder."
        )
    return [
        str(programs.server),
        "--no-defaults",
        *_owner_option(),
        f"--datadir={data_folder}",
        f"--tmpdir={run_folder}",
        f"--socket={socket_file}",
        f"--pid-file={run_folder / 'server.pid'}",
        f"--log-error={log_file}",
        f"--init-file={accounts_file}",
        "--bind-address=127.0.0.1",
        f"--port={port}",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_unicode_ci",
        "--max-connections=64",
        *FAST_SETTINGS,
    ]


def _accounts_sql(password: str, reader_password: str) -> str:
    # The server runs this before it accepts a connection, so no account is ever open without a
    # password; the administrator's is removed because nothing here needs it.
    statements = (
        "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys'",
        "FLUSH PRIVILEGES",
        f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4",
        f"CREATE USER '{WRITER}'@'127.0.0.1' IDENTIFIED BY '{password}'",
        f"CREATE USER '{READER}'@'127.0.0.1' IDENTIFIED BY '{reader_password}'",
        f"GRANT ALL PRIVILEGES ON {DATABASE}.* TO '{WRITER}'@'127.0.0.1'",
        f"GRANT SELECT ON {DATABASE}.* TO '{READER}'@'127.0.0.1'",
    )
    return "".join(f"{statement};\n" for statement in statements)


def _wait_until_ready(
    server: MariaDbServer, process: subprocess.Popen[bytes], log_file: Path
) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    engine = sqlalchemy.create_engine(
        server.url("writer"), poolclass=NullPool, connect_args={"connect_timeout": 2}
    )
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            tail = tail_of(log_file)
            if "Address already in use" in tail:
                raise _PortTakenError
            raise SourceError(f"MariaDB ended with code {process.returncode} at start: {tail}")
        with contextlib.suppress(OperationalError), engine.connect():
            return
        time.sleep(POLL_INTERVAL_S)
    raise SourceError(
        f"MariaDB did not accept its own account within {START_TIMEOUT_S:.0f} s:"
        f" {tail_of(log_file)}"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        logger.warning(
            "MariaDB (pid %d) did not stop within %.0f s and is killed", process.pid, STOP_TIMEOUT_S
        )
        process.kill()
        process.wait(STOP_TIMEOUT_S)
