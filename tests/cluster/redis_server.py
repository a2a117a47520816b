"""A private Redis server on a free loopback port, which hands tasks to Celery workers."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import redis

from demo.server_process import (
    find_program,
    free_ports,
    start_process,
    stop_process,
    wait_until_ready,
)

START_TIMEOUT_S = 60


@contextlib.contextmanager
def private_redis(folder: Path) -> Iterator[str]:
    """Start an empty server, which keeps nothing on disk but its log; its URL."""
    program = find_program("redis-server")
    assert program is not None, "there is no program redis-server; `make test-cluster` installs it"
    password = secrets.token_urlsafe(24)
    (port,) = free_ports(1)
    settings = folder / "redis.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
        f'dir "{folder}"\n'
    )
    process = start_process([str(program), str(settings)], folder / "redis.log", folder=folder)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    try:
        wait_until_ready(process, lambda: _answers(url), START_TIMEOUT_S)
        yield url
    finally:
        stop_process(process)


def _answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_connect_timeout=5)
    with contextlib.suppress(redis.ConnectionError), contextlib.closing(client):
        return bool(client.ping())
    return False
