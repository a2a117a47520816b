"""What databases know of a variant that a request names: its category, and people's decisions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from image_duplication.errors import (
    ConfigurationError,
    ImageDuplicationError,
    UploadRefusedError,
)
from image_duplication.queries import Source
from image_duplication.settings import Settings
from image_duplication.store.database import Store
from image_duplication.upload_check.shown import find_category
from image_duplication.upload_check.told_apart import ToldApart, read_told_apart
from image_duplication_web.upload_check.refusals import RefusalCode, RequestRefusedError

logger = logging.getLogger(__name__)

_THREADS = 4  # a database that hangs holds these, and nothing else
_LATER_S = 5.0


@dataclass(frozen=True, slots=True)
class Databases:
    """Each gives a database that is not yet entered. Raises ConfigurationError."""

    open_source: Callable[[Settings], Source]
    open_store: Callable[[Settings], Store]


@dataclass(frozen=True, slots=True)
class Variant:
    """The variant that an upload is for."""

    variant_id: str
    category_id: int
    told_apart: ToldApart


class Variants:
    """Finds variants; a connection is opened when it is first needed, and kept."""

    def __init__(self, settings: Settings, databases: Databases) -> None:
        self._settings = settings
        self._databases = databases
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="upload-check-variant")
        self._opening = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._source: Source | None = None
        self._store: Store | None = None

    async def find(self, variant_id: str, category_id: int | None, ends_at: float) -> Variant:
        """A variant; `ends_at` is in the loop's time. Raises RequestRefusedError.

        What a database says is for the log: a sender may be anybody.
        """
        try:
            async with asyncio.timeout_at(ends_at):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, self._ask, variant_id, category_id)
        except UploadRefusedError as error:
            is_unknown = error.code == RefusalCode.VARIANT_UNKNOWN
            code = RefusalCode.VARIANT_UNKNOWN if is_unknown else RefusalCode.FIELD_NOT_VALID
            raise RequestRefusedError(code, str(error)) from error
        except ConfigurationError as error:
            logger.warning("variant %a cannot be looked up: %s", variant_id, error)
            raise RequestRefusedError(
                RefusalCode.FIELD_NOT_VALID,
                "received variant_id, and this service has no access to "
                + ("the catalogue's database" if category_id is None else "people's decisions")
                + "; expected "
                + ("category_id too, or neither" if category_id is None else "no variant_id"),
            ) from error
        except (ImageDuplicationError, TimeoutError) as error:
            logger.warning("variant %a cannot be looked up: %r", variant_id, error)
            raise RequestRefusedError(
                RefusalCode.NOT_READY,
                "a database that knows the variant does not answer; come again later",
                retry_after_s=_LATER_S,
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._stack.close()

    def _ask(self, variant_id: str, category_id: int | None) -> Variant:
        if category_id is None:
            category_id = find_category(self._open_source(), variant_id)
        told_apart = read_told_apart(self._open_store(), category_id, variant_id)
        return Variant(variant_id, category_id, told_apart)

    def _open_source(self) -> Source:
        with self._opening:
            if self._source is None:
                self._source = self._stack.enter_context(
                    self._databases.open_source(self._settings)
                )
            return self._source

    def _open_store(self) -> Store:
        with self._opening:
            if self._store is None:
                self._store = self._stack.enter_context(self._databases.open_store(self._settings))
            return self._store
