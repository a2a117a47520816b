"""Database addresses, read without ever quoting a password."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from image_duplication.errors import ConfigurationError

_DATABASES = ("mysql", "mariadb", "sqlite")


def parse_url(name: str, url: str) -> sa.URL:
    """The address of connection `name`: of MySQL or MariaDB, with the right charset, or SQLite.

    Raises ConfigurationError naming the connection.
    """
    what = f"connection {name!r} is not a usable database address"
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        # The parser's own error may quote a part of the password.
        raise ConfigurationError(
            f"{what}: expected mysql://user:password@host:port/database, with special "
            "characters of the password percent-encoded"
        ) from None
    if "@" in (parsed.host or ""):
        raise ConfigurationError(f"{what}: percent-encode the '@' of the password as %40")
    backend = parsed.get_backend_name()
    if backend not in _DATABASES:
        raise ConfigurationError(
            f"connection {name!r} is of type {backend!r}; expected mysql or sqlite"
        )
    return parsed if backend == "sqlite" else parsed.update_query_dict({"charset": "utf8mb4"})
