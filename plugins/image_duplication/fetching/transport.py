"""One request and its answer, over `requests`: bounded in time and bytes, to checked addresses."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.util.connection import create_connection
from urllib3.util.ssl_ import create_urllib3_context

from image_duplication.fetching.refusal import Refusal
from image_duplication.fetching.targets import Target, read_url
from image_duplication.records import ReasonCode
from image_duplication.settings import DownloadSettings

_CHUNK_BYTES = 1 << 20
_DRAIN_BYTES = 16_384  # an error page up to this size is read, to keep the connection
_HOSTS_KEPT = 100  # hosts whose idle connections are kept
_MAX_HEADER_LENGTH = 1_024  # characters of an ETag or Last-Modified that is kept
_MAX_DELAY_DIGITS = 9  # of a Retry-After in seconds: 30 years

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REASONS = {
    204: ReasonCode.BODY_EMPTY,
    206: ReasonCode.BODY_INCOMPLETE,
    401: ReasonCode.ACCESS_DENIED,
    403: ReasonCode.ACCESS_DENIED,
    404: ReasonCode.NOT_FOUND,
    408: ReasonCode.TIMED_OUT,
    410: ReasonCode.NOT_FOUND,
    429: ReasonCode.RATE_LIMITED,
}

AddressCheck = Callable[[str, int], Sequence[str]]
"""Host and port to the addresses that may be connected to; raises Refusal."""


class Answer(NamedTuple):
    """What one request came to: content, or a location to go on to, or a reason.

    Or `is_unchanged`: the condition of the request does not hold, so there is no content.
    """

    reason: ReasonCode | None = None
    detail: str = ""
    content: bytes = b""
    location: str | None = None
    http_status: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    retry_after_s: float | None = None
    is_unchanged: bool = False


class Line:
    """A request's connection, which another thread can cut when the request's time is over.

    Socket timeouts bound the wait for each packet; a server that drips bytes never meets them.
    """

    __slots__ = ("_lock", "_socket", "is_cut", "was_used")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.is_cut = False
        self.was_used = False  # a request was sent over it

    def hold(self, connected: socket.socket) -> None:
        """The request goes over this socket from now on."""
        with self._lock:
            self._socket = connected
            self.was_used = True
        if self.is_cut:
            raise TimeoutError("the time for this picture is over")

    def release(self) -> None:
        """The request is over; its socket may already serve another."""
        with self._lock:
            self._socket = None

    def cut(self) -> None:
        """End the request, whatever it waits for on its socket."""
        with self._lock:
            self.is_cut = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Not SSLSocket.shutdown, which would take the TLS state from under the reader.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Lines(threading.local):
    current: Line | None = None


_lines = _Lines()


class _CheckedConnection(HTTPConnection):
    """Connects to an address that was checked; the host name stays for TLS and the Host header."""

    check: AddressCheck

    def _new_conn(self) -> socket.socket:
        # Resolved here and only here, once for a connection: what is checked is what is used.
        addresses = type(self).check(self.host, int(self.port or 0))
        ends_at = time.monotonic() + float(self.timeout or 0)
        fault: OSError = OSError("no address left in time")
        for address in addresses:
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                break
            try:
                return create_connection(
                    (address, int(self.port or 0)), left_s, socket_options=self.socket_options
                )
            except OSError as error:
                fault = error
        if isinstance(fault, TimeoutError) or time.monotonic() >= ends_at:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from fault
        raise NewConnectionError(self, f"no connection to {self.host}: {fault}") from fault

    def getresponse(self) -> Any:
        if _lines.current is not None and self.sock is not None:
            _lines.current.hold(self.sock)
        return super().getresponse()


class _CheckedAdapter(HTTPAdapter):
    """The adapter of requests over checked connections, with its costs for each request cut.

    Left out: proxies, cookies, and the CA bundle, which it would read anew for each connection.
    """

    def __init__(self, check: AddressCheck, *, connections: int, ca_file: str) -> None:
        self._check = check
        self._tls = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
        self._tls.load_verify_locations(ca_file)
        super().__init__(pool_connections=_HOSTS_KEPT, pool_maxsize=connections)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **_: Any
    ) -> None:
        """Pools whose connections check their address."""
        address_check = staticmethod(self._check)

        class PlainConnection(_CheckedConnection):
            check = address_check

        class TlsConnection(_CheckedConnection, HTTPSConnection):
            check = address_check

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = PlainConnection

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = TlsConnection

        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, ssl_context=self._tls
        )
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *_: Any, **__: Any
    ) -> HTTPConnectionPool:
        """The connections to a request's host, read from its URL as the check did."""
        parsed = read_url(str(request.url))
        pools: PoolManager = self.poolmanager
        return pools.connection_from_host(parsed.host, parsed.port, parsed.scheme)

    def cert_verify(self, *_: Any) -> None:
        """Nothing: the TLS context of all connections requires a certificate for the host."""

    def request_url(self, request: requests.PreparedRequest, _: Any) -> str:
        """The path; there are no proxies."""
        return request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """A response without cookies and without a copy of its headers; read `raw`."""
        response = requests.Response()
        response.status_code = resp.status
        response.raw = resp
        response.request = req
        return response


class Transport:
    """Sends requests, one at a time for each thread that calls."""

    def __init__(
        self,
        download: DownloadSettings,
        check: AddressCheck,
        *,
        ca_file: str | None = None,
    ) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = _CheckedAdapter(
            check, connections=download.in_flight, ca_file=ca_file or DEFAULT_CA_BUNDLE_PATH
        )
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._timeout = (download.connect_timeout_s, download.read_timeout_s)
        self._max_bytes = download.max_bytes

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def get(self, target: Target, line: Line) -> Answer:
        """The answer to one request; what can go wrong on a network is an answer with a reason."""
        _lines.current = line
        try:
            # By the adapter: Session.send would keep cookies, and read a redirect's body unbounded.
            response = self._session.get_adapter(target.url).send(
                target.request, stream=True, timeout=self._timeout
            )
            return self._read(response.raw, line, is_conditional=target.is_conditional)
        except _FAILURES as error:
            return _failed(error, line)
        finally:
            _lines.current = None
            line.release()

    def _read(self, raw: BaseHTTPResponse, line: Line, *, is_conditional: bool) -> Answer:
        is_at_end = False
        try:
            if raw.status == requests.codes.ok:
                answer = self._read_picture(raw, line)
                is_at_end = answer.reason is None
            else:
                is_at_end = _drain(raw)
                is_unchanged = is_conditional and raw.status == requests.codes.not_modified
                answer = _unchanged(raw) if is_unchanged else _refused(raw)
        finally:
            if not is_at_end:
                raw.close()
            raw.release_conn()
        return answer

    def _read_picture(self, raw: BaseHTTPResponse, line: Line) -> Answer:
        try:
            answer = Answer(content=self._read_body(raw))
            if line.is_cut:  # without a Content-Length, the cut looks like the body's end
                raise TimeoutError("the time for this picture is over")
        except _FAILURES as error:
            answer = _failed(error, line)
        return answer._replace(
            http_status=raw.status,
            etag=_kept(raw.headers.get("ETag")),
            last_modified=_kept(raw.headers.get("Last-Modified")),
        )

    def _read_body(self, raw: BaseHTTPResponse) -> bytes:
        declared = raw.length_remaining
        if declared is not None and declared > self._max_bytes:
            raise _too_many_bytes(f"{declared} bytes declared", self._max_bytes)
        # Asked for as it is; a server that compresses all the same is held to the decoded size.
        is_encoded = raw.headers.get("Content-Encoding", "identity").lower() != "identity"
        chunks: list[bytes] = []
        size_bytes = 0
        while chunk := raw.read(_CHUNK_BYTES, decode_content=is_encoded):
            size_bytes += len(chunk)
            if size_bytes > self._max_bytes:
                raise _too_many_bytes("the body goes on", self._max_bytes)
            chunks.append(chunk)
        if not size_bytes:
            raise Refusal(ReasonCode.BODY_EMPTY, "no bytes")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


_FAILURES = (Refusal, requests.RequestException, HTTPError, HTTPException, OSError)


def _failed(error: Exception, line: Line) -> Answer:
    return Answer(_reason_of(error, line), f"{type(error).__name__}: {error}")


def _reason_of(error: Exception, line: Line) -> ReasonCode:
    if line.is_cut or isinstance(error, _TIMEOUTS):
        return ReasonCode.TIMED_OUT
    if isinstance(error, Refusal):
        return error.reason
    if isinstance(error, (ProtocolError, DecodeError)):  # while sending, requests wraps them
        return ReasonCode.BODY_INCOMPLETE
    return ReasonCode.CONNECTION_FAILED


_TIMEOUTS = (requests.Timeout, ReadTimeoutError, TimeoutError)


def _too_many_bytes(what: str, max_bytes: int) -> Refusal:
    return Refusal(ReasonCode.TOO_MANY_BYTES, f"{what}, at most {max_bytes} bytes allowed")


def _unchanged(raw: BaseHTTPResponse) -> Answer:
    return Answer(
        http_status=raw.status,
        etag=_kept(raw.headers.get("ETag")),
        last_modified=_kept(raw.headers.get("Last-Modified")),
        is_unchanged=True,
    )


def _refused(raw: BaseHTTPResponse) -> Answer:
    location = raw.headers.get("Location") if raw.status in _REDIRECTS else None
    if location is not None:
        return Answer(location=_decoded(location), http_status=raw.status)
    reason = _REASONS.get(raw.status)
    if reason is None:
        is_server_fault = raw.status >= requests.codes.internal_server_error
        reason = ReasonCode.SERVER_FAILED if is_server_fault else ReasonCode.REFUSED_BY_SERVER
    return Answer(
        reason,
        f"HTTP status {raw.status}",
        http_status=raw.status,
        retry_after_s=read_retry_after(raw.headers.get("Retry-After"), datetime.now(UTC)),
    )


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for, given as seconds or as an HTTP date."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MAX_DELAY_DIGITS])
    try:
        due = parsedate_to_datetime(text)
    except ValueError:
        return None
    if due.tzinfo is None:
        due = due.replace(tzinfo=UTC)
    return max(0.0, (due - now).total_seconds())


def _drain(raw: BaseHTTPResponse) -> bool:
    """Read a short error page, so that its connection can serve again; whether that was all."""
    declared = raw.length_remaining
    if declared is None or declared > _DRAIN_BYTES:
        return False
    try:
        raw.read(_DRAIN_BYTES, decode_content=False)
    except (HTTPError, HTTPException, OSError):
        return False  # the status has been said; the page does not matter
    return True


def _decoded(location: str) -> str:
    # http.client reads headers as Latin-1; servers that send more mean UTF-8.
    return location.encode("latin-1", "replace").decode("utf-8", "replace")


def _kept(header: str | None) -> str | None:
    return header if header is not None and len(header) <= _MAX_HEADER_LENGTH else None
