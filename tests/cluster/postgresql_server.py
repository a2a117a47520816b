"""A private PostgreSQL server on a free loopback port, for Airflow's own records."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2

from demo.server_process import (
    find_program,
    free_ports,
    start_process,
    stop_process,
    tail_of,
    wait_until_ready,
)

ACCOUNT = "postgres"
"""The machine's user as whom the server runs: it refuses to run as root."""

INSTALL_TIMEOUT_S = 120
START_TIMEOUT_S = 120
FAST_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextlib.contextmanager
def private_postgresql(folder: Path) -> Iterator[str]:
    """Start an empty server, whose log stays in the folder; user, password, place and database."""
    account = ACCOUNT if os.geteuid() == 0 else None
    log_file = folder / "postgresql.log"
    # Not below the folder, into which only the user who runs the tests may look.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as run_folder:
        if account is not None:
            shutil.chown(run_folder, account)
        password = secrets.token_urlsafe(24)
        data = _install(Path(run_folder), password, account, log_file)
        (port,) = free_ports(1)
        settings = (
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            f"port={port}",
            *FAST_SETTINGS,
        )
        options = [part for setting in settings for part in ("-c", setting)]
        command = [_find("postgres"), "-D", str(data), *options]
        process = start_process(command, log_file, folder=data.parent, account=account)
        address = f"airflow:{password}@127.0.0.1:{port}/postgres"
        try:
            wait_until_ready(process, lambda: _answers(address), START_TIMEOUT_S)
            yield address
        finally:
            stop_process(process, signal.SIGQUIT)


def _find(name: str) -> str:
    # Debian keeps each version's programs in a folder of its own.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = find_program(name, *folders)
    assert found is not None, f"there is no program {name}; `make test-cluster` installs it"
    return str(found)


def _install(run_folder: Path, password: str, account: str | None, log_file: Path) -> Path:
    data = run_folder / "data"
    password_file = run_folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="utf-8")
    if account is not None:
        shutil.chown(password_file, account)
    command = [_find("initdb"), "-D", str(data), "--username=airflow", "--auth=scram-sha-256"]
    command += [f"--pwfile={password_file}", "--no-sync", "--encoding=UTF8", "--locale=C"]
    process = start_process(command, log_file, folder=run_folder, account=account)
    try:
        assert process.wait(INSTALL_TIMEOUT_S) == 0, tail_of(log_file)
    finally:
        stop_process(process)
    return data


def _answers(address: str) -> bool:
    with contextlib.suppress(psycopg2.OperationalError):
        psycopg2.connect(f"postgresql://{address}", connect_timeout=5).close()
        return True
    return False
