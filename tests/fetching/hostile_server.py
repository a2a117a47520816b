"""A real HTTP server on the loopback that answers as a test tells it to, and logs each request."""

from __future__ import annotations

import contextlib
import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Request(NamedTuple):
    at: float  # time.monotonic()
    path: str
    connection: int
    headers: dict[str, str]


Answering = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 20
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection_number = next(self.server.hostile.connection_numbers)

    def do_GET(self) -> None:
        hostile = self.server.hostile
        request = Request(
            time.monotonic(), self.path, self.connection_number, dict(self.headers.items())
        )
        with hostile.lock:
            hostile.requests.append(request)
            answering = hostile.routes.get(self.path.split("?")[0], hostile.otherwise)
        answering(self)

    def answer(self, body: bytes = b"", *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(len(body)), **named}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    hostile: HostileServer

    def handle_error(self, *args: object) -> None:
        pass  # clients that leave early are the point of many tests


def says(body: bytes = b"", *, status: int = 200, **headers: str) -> Answering:
    def answering(handler: Handler) -> None:
        handler.answer(body, status=status, **headers)

    return answering


def in_turn(*answerings: Answering) -> Answering:
    """One after another; the last for ever."""
    left = list(answerings)
    lock = threading.Lock()

    def answering(handler: Handler) -> None:
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        chosen(handler)

    return answering


class HostileServer:
    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.routes: dict[str, Answering] = {}
        self.otherwise: Answering = says(status=404)
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.connection_numbers = itertools.count()
        self._server = _Server((host, port), Handler)
        self._server.hostile = self
        self.port = int(self._server.server_address[1])
        self.scheme = "http"

    def encrypt(self, context: ssl.SSLContext) -> None:
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "https"

    def url(self, path: str, host: str | None = None) -> str:
        return f"{self.scheme}://{host or self.host}:{self.port}{path}"

    def paths(self) -> list[str]:
        with self.lock:
            return [request.path for request in self.requests]

    @contextlib.contextmanager
    def running(self) -> Iterator[HostileServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stop()
            thread.join(5)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
