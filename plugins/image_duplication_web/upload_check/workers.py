"""What runs in a worker process: the only place where the bytes of an upload are decoded."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass

from image_duplication.errors import ImageDuplicationError, UploadRefusedError
from image_duplication.records import CheckMode
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.upload_check.answer import CheckAnswer
from image_duplication.upload_check.check import UploadedFile, check_pictures
from image_duplication.upload_check.shown import read_shown_pictures
from image_duplication.upload_check.told_apart import ToldApart
from image_duplication_web.upload_check.variants import Variant
from image_duplication_web.worker_processes import bound_process

logger = logging.getLogger(__name__)


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
    bound_process(memory_mb=settings.upload_service.worker_memory_mb)
    _Desk.settings = settings


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
