"""Where the store is when no database was named for it."""

from __future__ import annotations

from image_duplication.errors import ConfigurationError
from image_duplication.settings import Settings

STORE_CONNECTION = "image_duplication_store"
STORE_VARIABLE = f"AIRFLOW_CONN_{STORE_CONNECTION.upper()}"
_FILE = "store/store.db"
"""Below the storage root."""


def find_embedded_url(settings: Settings) -> str:
    """The address of the SQLite file below a local storage root.

    Raises ConfigurationError where the root is not local.
    """
    root = settings.storage_root.removeprefix("file://")
    if "://" in root:
        raise ConfigurationError(
            f"connection {STORE_CONNECTION!r} is not defined, and the storage root {root!r} is no "
            f"local folder to keep it in; set {STORE_VARIABLE}=mysql://user:password@host/database"
        )
    return f"sqlite:///{root}/{_FILE}"
