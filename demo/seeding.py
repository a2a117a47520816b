"""The demo catalogue for a database and an image server that others run: in containers, say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from demo.catalogue import build_catalogue, fill_database, variants_table
from demo.run import DemoFailedError

DATABASE_VARIABLE = "DEMO_DATABASE_URL"
"""An SQLAlchemy URL of an account that may create tables; in the environment, for its password."""


def seed(folder: Path, environment: Mapping[str, str], console: Console) -> None:
    """Draw the pictures below `folder/catalogue/served`, and fill the tables unless they have rows.

    Raises DemoFailedError when no database is named or it cannot be filled.
    """
    url = environment.get(DATABASE_VARIABLE)
    if not url:
        raise DemoFailedError(
            f"{DATABASE_VARIABLE} is not set; expected an SQLAlchemy URL, e.g. "
            "mysql+mysqldb://writer:password@host/gem_staging"
        )
    catalogue = build_catalogue(folder / "catalogue", cache_folder=folder / "cache")
    console.print(f"Pictures: {catalogue.served_folder}")
    try:
        engine = sa.create_engine(url)
        try:
            if _is_filled(engine):
                console.print("Database: it has a catalogue already, which is left as it is")
                return
            fill_database(engine, catalogue)
        finally:
            engine.dispose()
    except ArgumentError as error:
        raise DemoFailedError(f"{DATABASE_VARIABLE} is no database address: {error}") from error
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise DemoFailedError(f"the database cannot be filled: {reason}") from error
    console.print(f"Database: {len(catalogue.variants)} variants, {len(catalogue.images)} images")


def _is_filled(engine: sa.Engine) -> bool:
    """Whether variants are there, whosever they are: filling would drop their tables."""
    if not sa.inspect(engine).has_table(variants_table.name):
        return False
    with engine.connect() as connection:
        first = connection.execute(sa.select(variants_table.c.variant_id).limit(1)).first()
    return first is not None
