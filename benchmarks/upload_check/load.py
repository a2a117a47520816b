"""Measures the upload check as a service under load, by the load generator `hey`.

    python -m benchmarks.upload_check.load [--dataset folder] [--seconds 30]

The service runs as a process of its own with two workers. First row: ten senders, each with an
upload of its own, give one request a second each, evenly spread: ten requests a second of five
pictures of 420 px. Second row: four senders give uploads of five 12-megapixel pictures, each the
next as soon as it has the answer to the last: what rate the service holds. CPU time is that of the
workers and of the serving process together, for each answered request. With `--check` the exit
status is 1 when the first row misses the goal: 95% below 300 ms, 80 ms of CPU, no error.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy.dataset import draw_dataset, read_dataset
from benchmarks.upload_check.uploads import PICTURES, write_uploads
from image_duplication.upload_check.check import UploadedFile
from image_duplication_web.upload_check.keys import hash_key, make_key

GOAL_P95_MS = 300.0
GOAL_CPU_MS = 80.0
_WORKERS = 2
_SMALL_PX = 420
_SENDERS = 10
_PHONE_SENDERS = 4
_SEED = 7
_BOUNDARY = "upload-check-benchmark"
_OK = "200"


@dataclass(frozen=True, slots=True)
class Running:
    """The service that is measured."""

    url: str
    key: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU time so far: of the workers, for requests, and of the serving process."""
        text = requests.get(f"{self.url}/metrics", headers={"X-API-Key": self.key}, timeout=10).text
        found = re.search(r"^upload_check_judging_cpu_seconds_total (\S+)$", text, re.MULTILINE)
        own = self.process.cpu_times()
        return (float(found[1]) if found else 0.0) + own.user + own.system


@dataclass(frozen=True, slots=True)
class LoadCost:
    """What the senders saw, and what it cost."""

    requests: int
    errors: int
    rate_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float

    @property
    def meets_goal(self) -> bool:
        """Whether it is as fast and as cheap as promised."""
        return not self.errors and self.p95_ms <= GOAL_P95_MS and self.cpu_ms <= GOAL_CPU_MS


def main() -> int:
    """Make the uploads, start the service, send, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, help="folder of photos; default: drawn goods")
    parser.add_argument("--seconds", type=int, default=30, help="of each row")
    parser.add_argument("--check", action="store_true", help="exit status 1 above the goal")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="upload-check-load-") as folder:
        place = Path(folder)
        dataset = (
            read_dataset(arguments.dataset) if arguments.dataset else draw_dataset(place / "drawn")
        )
        small = _write_bodies(
            write_uploads(dataset, place / "small", count=_SENDERS, side_px=_SMALL_PX, seed=_SEED)
        )
        phone = _write_bodies(
            write_uploads(dataset, place / "phone", count=_PHONE_SENDERS, side_px=None, seed=_SEED)
        )
        with _running(place) as service:
            _send(service, small, seconds=3, rate_per_s=1)  # to warm up
            paced = _send(service, small, seconds=arguments.seconds, rate_per_s=1)
            pressed = _send(service, phone, seconds=arguments.seconds, rate_per_s=None)
    _print({f"{PICTURES} of {_SMALL_PX} px": paced, f"{PICTURES} of 12 megapixels": pressed})
    return 1 if arguments.check and not paced.meets_goal else 0


def _write_bodies(uploads: Sequence[Sequence[UploadedFile]]) -> list[Path]:
    """Each upload as the body of a form, in a file."""
    bodies = []
    for upload in uploads:
        body = b"".join(
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; '
            f'filename="{file.name}"\r\nContent-Type: image/jpeg\r\n\r\n'.encode()
            + file.path.read_bytes()
            + b"\r\n"
            for file in upload
        )
        path = upload[0].path.with_name("body")
        path.write_bytes(body + f"--{_BOUNDARY}--\r\n".encode())
        bodies.append(path)
    return bodies


@contextmanager
def _running(place: Path) -> Iterator[Running]:
    key = make_key()
    keys_file = place / "keys"
    keys_file.write_text(f"benchmark:{hash_key(key)}\n")
    log = place / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [
                *("env", f"IMAGE_DUPLICATION__UPLOAD_SERVICE__KEYS_FILE={keys_file}"),
                "IMAGE_DUPLICATION__UPLOAD_SERVICE__REQUESTS_PER_MINUTE=100000",
                *(sys.executable, "-m", "image_duplication_web.upload_check"),
                *("--port", "0", "--processes", str(_WORKERS)),
            ],
            stderr=sink,
        )
    try:
        yield Running(_find_address(log, process), key, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()


def _find_address(log: Path, process: subprocess.Popen[bytes]) -> str:
    while process.poll() is None:
        found = re.search(r"running on (http://\S+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.1)
    raise SystemExit(f"the service did not start: {log.read_text()}")


def _send(
    service: Running, bodies: Sequence[Path], *, seconds: int, rate_per_s: float | None
) -> LoadCost:
    """One sender for each body, their starts spread over a second."""
    cpu_before_s = service.cpu_s()
    senders = []
    for body in bodies:
        command = ["hey", "-z", f"{seconds}s", "-c", "1", "-t", "60", "-o", "csv", "-m", "POST"]
        if rate_per_s is not None:
            command += ["-q", f"{rate_per_s:g}"]
        command += ["-T", f"multipart/form-data; boundary={_BOUNDARY}", "-D", str(body)]
        command += ["-H", f"X-API-Key: {service.key}", f"{service.url}/v1/check"]
        senders.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        time.sleep(1 / len(bodies))
    rows = [
        row for sender in senders for row in csv.DictReader(io.StringIO(sender.communicate()[0]))
    ]
    answered = [row for row in rows if row["status-code"] == _OK]
    if len(answered) < len(bodies):
        raise SystemExit(f"only {len(answered)} requests were answered")
    times_ms = [1_000 * float(row["response-time"]) for row in answered]
    hundredths = statistics.quantiles(times_ms, n=100, method="inclusive")
    return LoadCost(
        requests=len(rows),
        errors=len(rows) - len(answered),
        rate_per_s=len(answered) / seconds,
        p50_ms=hundredths[49],
        p95_ms=hundredths[94],
        p99_ms=hundredths[98],
        cpu_ms=1_000 * (service.cpu_s() - cpu_before_s) / len(answered),
    )


def _print(costs: dict[str, LoadCost]) -> None:
    table = Table("pictures", box=box.SIMPLE, title=f"Upload check, {_WORKERS} workers")
    for heading in ("requests", "errors", "a second", "p50 ms", "p95 ms", "p99 ms", "CPU ms"):
        table.add_column(heading, justify="right")
    for pictures, cost in costs.items():
        figures = (cost.p50_ms, cost.p95_ms, cost.p99_ms, cost.cpu_ms)
        table.add_row(
            pictures,
            str(cost.requests),
            str(cost.errors),
            f"{cost.rate_per_s:.1f}",
            *(f"{figure:.0f}" for figure in figures),
        )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
