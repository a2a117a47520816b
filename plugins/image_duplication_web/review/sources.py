"""Settings, storage and store of the pages: opened when first needed, and kept."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from image_duplication.settings import Settings, load_settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication_web.review.category_files import CategoryFiles
from image_duplication_web.review.thumbnail_maker import ThumbnailMaker


class Sources:
    """What the pages read. What cannot be opened is tried again by the next request.

    `open_store` gives a store that is not yet entered.
    """

    def __init__(self, open_store: Callable[[Settings], Store]) -> None:
        self._open_store = open_store
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._settings: Settings | None = None
        self._store: Store | None = None
        self._files: CategoryFiles | None = None
        self._thumbnails: ThumbnailMaker | None = None

    @property
    def settings(self) -> Settings:
        """The settings, read once. Raises ConfigurationError."""
        if self._settings is None:
            self._settings = load_settings()
        return self._settings

    @property
    def storage(self) -> Storage:
        """The storage root."""
        return self.files.storage

    @property
    def files(self) -> CategoryFiles:
        """The categories' current files."""
        if self._files is None:
            with self._lock:
                self._files = self._files or CategoryFiles(Storage(self.settings.storage_root))
        return self._files

    @property
    def store(self) -> Store:
        """The store of decisions and summaries. Raises StoreError while it is out of reach."""
        if self._store is None:
            # Not the lock of the others: a store out of reach may take long to say so.
            with self._connecting:
                self._store = self._store or self._stack.enter_context(
                    self._open_store(self.settings)
                )
        return self._store

    @property
    def thumbnails(self) -> ThumbnailMaker:
        """What makes thumbnails that are missing."""
        if self._thumbnails is None:
            with self._lock:
                self._thumbnails = self._thumbnails or self._stack.enter_context(
                    ThumbnailMaker(self.settings)
                )
        return self._thumbnails

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            self._stack.close()
            self._store = self._thumbnails = None


def _sources_of(request: Request) -> Sources:
    sources: Sources = request.app.state.sources
    return sources


SourcesOfApp = Annotated[Sources, Depends(_sources_of)]
