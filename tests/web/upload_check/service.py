"""A really running upload check, as a process of its own, for the tests that talk to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from image_duplication.settings import INCLUDE_VARIABLE
from image_duplication_web.upload_check.keys import hash_key, make_key

ROOT = Path(__file__).parents[3]
_START_S = 150


@dataclass
class Service:
    """Where it listens, a key for it, and its process."""

    url: str
    key: str
    process: subprocess.Popen[str]
    folder: Path
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key}

    def post(self, files: Sequence[tuple[str, bytes]], **fields: str) -> requests.Response:
        """Named files and fields, as a form."""
        return requests.post(
            f"{self.url}/v1/check",
            headers=self.headers,
            files=[("files", (name, content)) for name, content in files],
            data=fields,
            timeout=60,
        )

    def post_json(self, body: Any) -> requests.Response:
        return requests.post(f"{self.url}/v1/check", headers=self.headers, json=body, timeout=60)

    def measure(self, name: str) -> float:
        """The value of one counter or gauge; 0 while it has none."""
        text = requests.get(f"{self.url}/metrics", headers=self.headers, timeout=10).text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def workers(self) -> list[psutil.Process]:
        """The processes that judge."""
        return [
            child
            for child in psutil.Process(self.process.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]

    def kept_files(self) -> list[Path]:
        """What is in the folder in which it makes its temporary folders."""
        # os.walk, for a folder may go while it is read.
        walked = os.walk(self.folder / "temporary")
        return [Path(at) / name for at, folders, files in walked for name in [*folders, *files]]


@contextmanager
def running_service(
    folder: Path, *, include: Path = ROOT / "include", **settings: object
) -> Iterator[Service]:
    """Started with settings, `UPLOAD__PROCESSES=1` for instance, and ended."""
    key = make_key()
    (folder / "keys").write_text(f"tester:{hash_key(key)}\n")
    (folder / "temporary").mkdir()
    environment = {
        **_plain_environment(),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        INCLUDE_VARIABLE: str(include),
        "TMPDIR": str(folder / "temporary"),
        "IMAGE_DUPLICATION__STORAGE__ROOT": str(folder / "data"),
        "IMAGE_DUPLICATION__UPLOAD_SERVICE__KEYS_FILE": str(folder / "keys"),
        **{f"IMAGE_DUPLICATION__{name}": _as_text(value) for name, value in settings.items()},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "image_duplication_web.upload_check", "--port", "0"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    service = Service("", key, process, folder)
    reader = threading.Thread(target=_read, args=(service,), daemon=True)
    reader.start()
    try:
        _wait_for_address(service)
        yield service
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)
        assert process.stderr is not None
        process.stderr.close()


def _plain_environment() -> Mapping[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("IMAGE_DUPLICATION__") and name != INCLUDE_VARIABLE
    }


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read(service: Service) -> None:
    assert service.process.stderr is not None
    for line in service.process.stderr:
        service.lines.append(line)


def _wait_for_address(service: Service) -> None:
    ends_at = time.monotonic() + _START_S
    while time.monotonic() < ends_at:
        found = re.search(r"running on (http://\S+)", "".join(service.lines))
        if found:
            service.url = found[1]
            return
        assert service.process.poll() is None, "".join(service.lines)
        time.sleep(0.05)
    raise TimeoutError("".join(service.lines))
