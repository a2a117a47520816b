"""Who receives alerts in the tests: a mail server and a web server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it arrived, its text as a person reads it."""

    sender: str
    receivers: tuple[str, ...]
    subject: str
    text: str


@dataclass
class MailServer:
    """Mails in the order of their arrival; a receiver in `refused` gets none."""

    mails: list[Mail] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    port: int = 0

    # The names are aiosmtpd's.
    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such user, said the secret server"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        body = message.get_body()
        assert body is not None
        text = unescape(re.sub("<[^>]+>", "", body.get_content()))
        self.mails.append(
            Mail(envelope.mail_from, tuple(envelope.rcpt_tos), message["Subject"], text)
        )
        return "250 OK"

    def uri(self, **extra: str) -> str:
        """An Airflow connection to this server, as its variable holds it."""
        settings = {"disable_ssl": True, "disable_tls": True, "retry_limit": 0, **extra}
        return json.dumps(
            {"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": settings}
        )


@dataclass(frozen=True, slots=True)
class Posted:
    """A request as it arrived."""

    path: str
    authorization: str | None
    body: Any


@dataclass
class Webhook:
    """Requests in the order of their arrival, each answered with `status`."""

    posted: list[Posted] = field(default_factory=list)
    status: int = 200
    port: int = 0


@contextlib.contextmanager
def running_mail_server() -> Iterator[MailServer]:
    mail_server = MailServer()
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(
        loop.create_server(lambda: SMTP(mail_server, loop=loop), "127.0.0.1", 0)
    )
    mail_server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield mail_server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        listening.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(listening.wait_closed())
        loop.close()


@contextlib.contextmanager
def running_webhook() -> Iterator[Webhook]:
    webhook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            webhook.posted.append(
                Posted(self.path, self.headers["Authorization"], json.loads(self.rfile.read(size)))
            )
            self.send_response(webhook.status)
            self.send_header("Location", f"http://127.0.0.1:{webhook.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: the tests read what arrived."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    webhook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield webhook
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def wait_until(is_so: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Raises TimeoutError, saying what was waited for, when it does not come true in time."""
    end_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > end_s:
            raise TimeoutError(f"after {timeout_s:g} s: {what}")
        time.sleep(0.5)
