"""An image host for the demo, tests and benchmarks: quick, and badly behaved on request.

It serves the files of one folder from memory over HTTP/1.1. `behaviours.json` in that folder maps
paths to what goes wrong there; `POST /__reset__` forgets how often each has been asked for.

    python -m demo.image_server --folder served --port 0 --log access.log

prints one JSON line, {"port": …}, once it listens, and stops on SIGTERM. In a container, `--host
0.0.0.0` lets other containers reach it, and `GET /__health__` says that it listens.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mimetypes
import os
import select
import signal
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

BEHAVIOURS_FILE = "behaviours.json"
_ROOT = Path(__file__).resolve().parents[1]
_IDLE_LIMIT_S = 60
_LINE_LIMIT_BYTES = 65_536
_BODY_LIMIT_BYTES = 1_048_576
_HEALTH_PATH = "/__health__"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What goes wrong at one path.

    `status` answers instead of the file, for the first `times` requests or, with 0, always.
    `stall_after_bytes` stops the body there and holds the connection for `hold_s`.
    `missing_bytes` ends the body that much before its Content-Length.
    """

    status: int = 200
    times: int = 0
    retry_after_s: int | None = None
    stall_after_bytes: int | None = None
    hold_s: float = 30.0
    missing_bytes: int = 0
    content_type: str | None = None


def write_behaviours(folder: Path, behaviours: dict[str, Behaviour]) -> None:
    """Declare the behaviours of a served folder; keys are decoded paths that start with a slash."""
    declared = {path: asdict(behaviour) for path, behaviour in sorted(behaviours.items())}
    text = json.dumps(declared, indent=1, ensure_ascii=False)
    (folder / BEHAVIOURS_FILE).write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    content_type: str
    etag: str
    modified_s: int
    stamp: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @property
    def keeps_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


class _Site:
    """The folder, its files in memory, its behaviours and how often each was met."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()
        self._met: Counter[str] = Counter()
        self._behaviours: dict[str, Behaviour] = {}
        self.reset()

    def reset(self) -> None:
        """Forget how often each path was asked for, and read the behaviours again."""
        declared = self._folder / BEHAVIOURS_FILE
        texts = json.loads(declared.read_text(encoding="utf-8")) if declared.is_file() else {}
        with self._lock:
            self._met.clear()
            self._behaviours = {path: Behaviour(**values) for path, values in texts.items()}

    def behaviour(self, path: str) -> Behaviour:
        """What this request meets; counted, so that some things go wrong only a few times."""
        behaviour = self._behaviours.get(path)
        if behaviour is None:
            return Behaviour()
        with self._lock:
            self._met[path] += 1
            if behaviour.times and self._met[path] > behaviour.times:
                return Behaviour(content_type=behaviour.content_type)
        return behaviour

    def file(self, path: str) -> _File | None:
        """The file at a path, read once while it does not change; None if there is none."""
        place = self._folder / path.lstrip("/")
        try:
            stat = place.stat()
        except (OSError, ValueError):
            return None
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._files.get(path)
        if known is not None and known.stamp == stamp:
            return known
        resolved = place.resolve()
        if not resolved.is_relative_to(self._folder) or not resolved.is_file():
            return None
        if resolved.name == BEHAVIOURS_FILE:
            return None
        content = resolved.read_bytes()
        etag = '"' + hashlib.sha256(content).hexdigest()[:20] + '"'
        content_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
        read = _File(content, content_type, etag, int(stat.st_mtime), stamp)
        self._files[path] = read
        return read


class _AccessLog:
    """One line per answer (monotonic seconds, path as asked, status), written twice a second."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lines: deque[str] = deque()
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def add(self, target: str, status: int) -> None:
        if self._path is not None:
            self._lines.append(f"{time.monotonic():.6f} {target} {status}\n")

    def flush(self) -> None:
        with self._lock:
            if self._path is None or not self._lines:
                return
            taken = [self._lines.popleft() for _ in range(len(self._lines))]
            with self._path.open("a", encoding="utf-8") as stream:
                stream.writelines(taken)


class _Server(socketserver.ThreadingTCPServer):
    """Listens with a long queue; every connection has a thread that ends with the process."""

    request_queue_size = 1024
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, site: _Site, log: _AccessLog, address: tuple[str, int], delay_s: float
    ) -> None:
        super().__init__(address, _Handler)
        self.site = site
        self.log = log
        self.delay_s = delay_s
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are everyday; anything else is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(socketserver.StreamRequestHandler):
    """Answers the requests of one connection in turn."""

    server: _Server
    timeout = _IDLE_LIMIT_S
    disable_nagle_algorithm = True
    wbufsize = 0

    def handle(self) -> None:
        while True:
            try:
                request = self._read_request()
            except (OSError, ValueError):
                return
            if request is None or not self._answer(request) or not request.keeps_alive:
                return

    def _read_request(self) -> _Request | None:
        line = self.rfile.readline(_LINE_LIMIT_BYTES)
        if not line:
            return None
        method, target, _version = line.decode("utf-8", "replace").split()
        headers: dict[str, str] = {}
        while (line := self.rfile.readline(_LINE_LIMIT_BYTES)) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        if length:
            self.rfile.read(min(length, _BODY_LIMIT_BYTES))
        return _Request(method, target, headers)

    def _answer(self, request: _Request) -> bool:
        """Send the answer; False when the connection must close after it."""
        if request.method == "POST" and request.path == "/__reset__":
            self.server.site.reset()
            return self._send(request, 204, b"")
        if request.method not in ("GET", "HEAD"):
            return self._send(request, 405, b"")
        if request.path == _HEALTH_PATH:
            return self._send(request, 204, b"")
        if self.server.delay_s:
            time.sleep(self.server.delay_s)
        behaviour = self.server.site.behaviour(request.path)
        if behaviour.status != HTTPStatus.OK:
            wait = behaviour.retry_after_s
            extra = "" if wait is None else f"Retry-After: {wait}\r\n"
            return self._send(request, behaviour.status, b"try again later", "text/plain", extra)
        file = self.server.site.file(request.path)
        if file is None:
            return self._send(request, 404, b"no such picture", "text/plain")
        return self._send_file(request, file, behaviour)

    def _send_file(self, request: _Request, file: _File, behaviour: Behaviour) -> bool:
        validators = (
            f"ETag: {file.etag}\r\nLast-Modified: {formatdate(file.modified_s, usegmt=True)}\r\n"
        )
        if _is_unchanged(request, file):
            return self._send(request, 304, b"", extra=validators)
        content_type = behaviour.content_type or file.content_type
        if behaviour.stall_after_bytes is not None or behaviour.missing_bytes:
            return self._send_part(request, file, behaviour, content_type)
        return self._send(request, 200, file.content, content_type, validators)

    def _send_part(
        self, request: _Request, file: _File, behaviour: Behaviour, content_type: str
    ) -> bool:
        length = len(file.content)
        stalls = behaviour.stall_after_bytes is not None
        sent = behaviour.stall_after_bytes if stalls else length - behaviour.missing_bytes
        head = _head(200, length, content_type, "")
        self.server.log.add(request.target, 200)
        self.connection.sendall(head + file.content[:sent])
        if stalls:
            self.server.stopping.wait(behaviour.hold_s)
        return False

    def _send(
        self,
        request: _Request,
        status: int,
        content: bytes,
        content_type: str = "application/octet-stream",
        extra: str = "",
    ) -> bool:
        self.server.log.add(request.target, status)
        head = _head(status, len(content), content_type, extra)
        self.connection.sendall(head if request.method == "HEAD" else head + content)
        return True


def _head(status: int, length: int, content_type: str, extra: str) -> bytes:
    lines = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nServer: demo-image-server\r\n{extra}"
    if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        lines += f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n"
    return (lines + "\r\n").encode("latin-1")


def _is_unchanged(request: _Request, file: _File) -> bool:
    asked = request.headers.get("if-none-match")
    if asked is not None:
        return asked == "*" or file.etag in [tag.strip() for tag in asked.split(",")]
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        return file.modified_s <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


def serve(
    folder: Path,
    address: tuple[str, int],
    log_path: Path | None,
    delay_ms: float,
    is_child: bool,
) -> None:
    """Serve until SIGTERM or SIGINT; a child also stops when its parent has gone."""
    log = _AccessLog(log_path)
    parent = os.getppid()
    with _Server(_Site(folder), log, address, delay_ms / 1000) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: server.stopping.set())
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        print(json.dumps({"port": server.server_address[1]}), flush=True)
        while not server.stopping.wait(0.5):
            log.flush()
            if is_child and os.getppid() != parent:
                server.stopping.set()
        server.shutdown()
        log.flush()


@dataclass(frozen=True, slots=True)
class RunningImageServer:
    """An image server in its own process."""

    base_url: str
    port: int
    pid: int
    log_path: Path | None

    def reset(self) -> None:
        """Make the server forget what has been asked for."""
        request = urllib.request.Request(self.base_url + "/__reset__", method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            answer.read()


@contextmanager
def running_image_server(
    folder: Path,
    delay_ms: float = 0,
    *,
    log_path: Path | None = None,
    port: int = 0,
    ready_timeout_s: float = 15,
) -> Iterator[RunningImageServer]:
    """A server process for the folder, stopped at the end whatever happens."""
    command = [sys.executable, "-m", "demo.image_server", "--folder", str(folder.resolve())]
    command += ["--port", str(port), "--delay-ms", str(delay_ms), "--child"]
    if log_path is not None:
        command += ["--log", str(log_path.resolve())]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        found = _wait_until_ready(process, ready_timeout_s)
        yield RunningImageServer(f"http://127.0.0.1:{found}", found, process.pid, log_path)
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[str], timeout_s: float) -> int:
    if process.stdout is None:
        raise RuntimeError("The image server has no standard output to read its port from")
    ready, _, _ = select.select([process.stdout], [], [], timeout_s)
    line = process.stdout.readline() if ready else ""
    if not line:
        raise RuntimeError(
            f"The image server was not ready within {timeout_s} s (exit code {process.poll()})"
        )
    return int(json.loads(line)["port"])


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)
    if process.stdout is not None:
        process.stdout.close()


def main() -> None:
    """Serve a folder of pictures until SIGTERM."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--log", type=Path, help="access log to append to")
    parser.add_argument("--delay-ms", type=float, default=0, help="wait before each answer")
    parser.add_argument("--child", action="store_true", help="stop when the parent process ends")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"--folder: no such folder: {arguments.folder}")
    address = arguments.host, arguments.port
    serve(arguments.folder, address, arguments.log, arguments.delay_ms, arguments.child)


if __name__ == "__main__":
    main()
