"""Airflow connections as the domain takes them: a name and an SQLAlchemy URL."""

from __future__ import annotations

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

from image_duplication.errors import ConfigurationError
from image_duplication.queries import Source
from image_duplication.settings import Settings

SOURCE_CONNECTION = "gem_staging"


def open_source(settings: Settings) -> Source:
    """The catalogue database, to be used as a context manager.

    Raises ConfigurationError when the connection is not defined or gives no database address.
    """
    try:
        hook = BaseHook.get_connection(SOURCE_CONNECTION).get_hook()
        url = hook.get_uri()
    except (AirflowException, AirflowRuntimeError) as error:
        raise ConfigurationError(
            f"connection {SOURCE_CONNECTION!r} cannot be read: {error}. Expected: defined, and of "
            f"type mysql or sqlite, e.g. AIRFLOW_CONN_{SOURCE_CONNECTION.upper()}="
            "mysql://user:password@host/gem_staging"
        ) from error
    except (AttributeError, TypeError, ValueError, ImportError) as error:
        raise ConfigurationError(
            f"connection {SOURCE_CONNECTION!r} gives no database address: {error}; expected type "
            "mysql or sqlite, and extras that the driver knows"
        ) from error
    return Source(
        SOURCE_CONNECTION,
        url,
        settings.include / "sql",
        fetch_rows=settings.source.fetch_rows,
    )
