"""What runs in a worker process: the only place where the bytes of an upload are decoded."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from image_duplication.errors import ImageDuplicationError, UploadRefusedError
from image_duplication.records import CheckMode
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.upload_check.answer import CheckAnswer
from image_duplication.upload_check.check import UploadedFile, check_pictures
from image_duplication.upload_check.shown import read_shown_pictures
from image_duplication.upload_check.told_apart import ToldApart
from image_duplication_web.upload_check.variants import Variant

logger = logging.getLogger(__name__)

_MEGABYTE = 1 << 20
_EARLY_VICTIM = b"500"  # of 1,000: when memory is short, the kernel ends a worker, not the service


@dataclass(frozen=True, slots=True)
class Order:
    """One upload to judge, for a variant or for none.

    `ends_at`: by the monotonic clock, which processes share; later nobody waits for the answer.
    """

    files: tuple[UploadedFile, ...]
    mode: CheckMode
    variant: Variant | None
    ends_at: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer as JSON, and what a metric is told."""

    content: bytes
    verdict: str
    pictures: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Declined:
    """Why there is no answer: a code of UploadRefusedError or one of the four below."""

    code: str
    message: str


NOT_NOW = "not_now"  # the same may succeed later
TOO_LATE = "too_late"  # the time was over before it was begun
NO_MEMORY = "no_memory"
FAULT = "fault"


class _Desk:
    """What a worker has at hand from its start."""

    settings: Settings


def start_work(settings: Settings) -> None:
    """Prepare this process: once, before its first order."""
    # Nothing here needs cleaning up, so a worker that has to go goes at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _Desk.settings = settings
    _limit_memory(settings.upload_service.worker_memory_mb * _MEGABYTE)


def _limit_memory(size_bytes: int) -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + size_bytes, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_EARLY_VICTIM)


def judge(order: Order) -> Judged | Declined:
    """Decode and judge one upload.

    Nothing is raised: an error that cannot travel between processes would break the whole pool.
    """
    if time.monotonic() >= order.ends_at:
        return Declined(TOO_LATE, "")
    try:
        return _judge(order)
    except UploadRefusedError as error:
        return Declined(error.code, str(error))
    except ImageDuplicationError as error:  # of the storage, or of what a run has left there
        logger.warning("an upload could not be compared: %s", error)
        return Declined(NOT_NOW, str(error))
    except MemoryError as error:
        return Declined(NO_MEMORY, str(error))
    except Exception:  # whatever it is, it costs this upload alone
        logger.exception("an upload could not be judged")
        return Declined(FAULT, "")


def _judge(order: Order) -> Judged:
    cpu_before = time.process_time()
    settings = _Desk.settings
    shown = []
    told_apart: ToldApart = frozenset()
    if order.variant is not None:
        told_apart = order.variant.told_apart
        shown = read_shown_pictures(
            Storage(settings.storage_root),
            settings,
            category_id=order.variant.category_id,
            variant_id=order.variant.variant_id,
        )
    check = check_pictures(
        order.files, settings, shown=shown, told_apart=told_apart, mode=order.mode
    )
    content = CheckAnswer.of(check).model_dump_json().encode()
    return Judged(content, check.verdict, len(check.pictures), time.process_time() - cpu_before)


def report_ready() -> int:
    """This worker's process id: it has started and can work."""
    return os.getpid()


class _WorkerProcess(SpawnProcess):
    """A fresh interpreter that does not run the main module again.

    `multiprocessing` would have each worker import the server's own (Airflow's, when mounted there)
    and hold all that it imports. Nothing that a worker is given comes from it.
    """

    def start(self) -> None:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class WorkerContext(SpawnContext):
    """Starts workers, and says so each time."""

    def __init__(self, note_start: Callable[[], None]) -> None:
        super().__init__()
        self._note_start = note_start

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override] # noqa: N802
        """A worker that is about to be started."""
        self._note_start()
        return _WorkerProcess(*args, **kwargs)
