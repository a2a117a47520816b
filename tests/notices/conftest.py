"""Worlds for notices: a published category and a store on each database that is supported."""

from __future__ import annotations

from tests.removal.conftest import mysql_world, sqlite_world, world

__all__ = ["mysql_world", "sqlite_world", "world"]
