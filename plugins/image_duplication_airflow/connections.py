"""Airflow connections as the domain takes them: a name and an SQLAlchemy URL."""

from __future__ import annotations

from airflow.sdk import BaseHook, conf
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowNotFoundException,
    AirflowRuntimeError,
)

from image_duplication.errors import ConfigurationError
from image_duplication.queries import Source
from image_duplication.removal.writer import Writer
from image_duplication.settings import Settings
from image_duplication.store.database import Store
from image_duplication.store.embedded import STORE_CONNECTION, STORE_VARIABLE, find_embedded_url

SOURCE_CONNECTION = "gem_staging"
WRITER_CONNECTION = "gem_staging_writer"

_LOCAL_EXECUTORS = frozenset({"LocalExecutor"})


def open_source(settings: Settings) -> Source:
    """The catalogue database, to be used as a context manager.

    Raises ConfigurationError when the connection is not defined or gives no database address.
    """
    return Source(
        SOURCE_CONNECTION,
        _read_url(SOURCE_CONNECTION),
        settings.include / "sql",
        fetch_rows=settings.source.fetch_rows,
    )


def open_writer(settings: Settings) -> Writer:
    """The catalogue database behind an account that may write, to be used as a context manager.

    Raises ConfigurationError when the connection is not defined or gives no database address.
    """
    return Writer(
        WRITER_CONNECTION,
        _read_url(WRITER_CONNECTION),
        settings.include / "sql",
        fetch_rows=settings.source.fetch_rows,
    )


def open_store(settings: Settings) -> Store:
    """The store of leases, decisions and records, to be used as a context manager.

    Where its connection is not defined, an SQLite file below a local storage root. Raises
    ConfigurationError where tasks run on several machines, which cannot share such a file.
    """
    url = (
        _read_url(STORE_CONNECTION)
        if _is_defined(STORE_CONNECTION)
        else find_embedded_url(settings)
    )
    executor = conf.get("core", "executor")
    if url.startswith("sqlite") and not _LOCAL_EXECUTORS.issuperset(_executor_names(executor)):
        raise ConfigurationError(
            f"connection {STORE_CONNECTION!r} is an SQLite file, which workers of {executor!r} do "
            f"not share; expected {STORE_VARIABLE}=mysql://user:password@host/database"
        )
    return Store(STORE_CONNECTION, url)


def _executor_names(executor: str) -> list[str]:
    """The classes of `core.executor`: several, each perhaps with an alias or a team before it."""
    return [name.rpartition(":")[2].rpartition(".")[2] for name in executor.split(",")]


def _is_defined(name: str) -> bool:
    try:
        BaseHook.get_connection(name)
    except AirflowNotFoundException:
        return False
    return True


def _read_url(name: str) -> str:
    try:
        return str(BaseHook.get_connection(name).get_hook().get_uri())
    except (AirflowException, AirflowRuntimeError) as error:
        raise ConfigurationError(
            f"connection {name!r} cannot be read: {error}. Expected: defined, and of "
            f"type mysql or sqlite, e.g. AIRFLOW_CONN_{name.upper()}="
            "mysql://user:password@host/database"
        ) from error
    except (AttributeError, TypeError, ValueError, ImportError) as error:
        raise ConfigurationError(
            f"connection {name!r} gives no database address: {error}; expected type "
            "mysql or sqlite, and extras that the driver knows"
        ) from error
