"""A StatsD server on the loopback address that adds up this project's metrics."""

from __future__ import annotations

import re
import socket
import threading
from collections import defaultdict
from contextlib import closing

PREFIX = "airflow.image_duplication."


class StatsdServer:
    """Adds up what it receives: counters by name, and how often each timer came."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.counters: defaultdict[str, int] = defaultdict(int)
        self.timers: defaultdict[str, int] = defaultdict(int)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while (packet := self._socket.recv(65_536)) != b"stop":
            name, value, kind = re.split("[:|]", packet.decode())[:3]
            if name.startswith(PREFIX):
                self._add(name.removeprefix(PREFIX), value, kind)

    def _add(self, name: str, value: str, kind: str) -> None:
        if kind == "c":
            self.counters[name] += int(value)
        elif kind == "ms":
            self.timers[name] += 1

    def close(self) -> None:
        """Stop once all that was sent before is received."""
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            sender.sendto(b"stop", ("127.0.0.1", self.port))
        self._thread.join(timeout=30)
        self._socket.close()
