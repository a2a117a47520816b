"""The databases that a check asks about a variant, where it runs outside Airflow."""

from __future__ import annotations

import os

from image_duplication.errors import ConfigurationError
from image_duplication.queries import Source
from image_duplication.settings import Settings
from image_duplication.store.database import Store
from image_duplication.store.embedded import STORE_CONNECTION, STORE_VARIABLE, find_embedded_url

SOURCE_VARIABLE = "AIRFLOW_CONN_GEM_STAGING"
"""The environment variable that holds the address of the catalogue's database."""


def open_source(settings: Settings) -> Source:
    """The catalogue database that the environment names, to be used as a context manager.

    Raises ConfigurationError when it names none.
    """
    url = os.environ.get(SOURCE_VARIABLE)
    if not url:
        raise ConfigurationError(
            f"the category of the variant is not known: name it, or set {SOURCE_VARIABLE} to the "
            "address of the catalogue's database"
        )
    return Source(
        SOURCE_VARIABLE, url, settings.include / "sql", fetch_rows=settings.source.fetch_rows
    )


def open_store(settings: Settings) -> Store:
    """The store that the environment names, else the embedded one; a context manager.

    Raises ConfigurationError when there can be neither.
    """
    url = os.environ.get(STORE_VARIABLE) or find_embedded_url(settings)
    return Store(STORE_CONNECTION, url)
