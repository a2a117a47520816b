"""The tables of the store as the code uses them; `migrations/` is how a database comes to them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

METADATA = sa.MetaData()

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
"""Moments in UTC, without a zone: SQLite and MySQL keep none."""

ID = sa.String(255)
SHA256 = sa.String(64)
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("category_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("owner", ID, nullable=False),
    sa.Column("expires_at", TIME, nullable=False),
)
"""Which work owns a category; free once `expires_at` has passed."""

LEASE_HOLDERS = sa.Table(
    "lease_holders",
    METADATA,
    sa.Column("category_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("run_id", ID, primary_key=True),
)
"""The runs of an owner that still work on the category; the last to let go frees it."""

DECISIONS = sa.Table(
    "decisions",
    METADATA,
    sa.Column("decision_id", ROW_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("decided_at", TIME, nullable=False),
    sa.Column("decided_by", ID, nullable=False),
    sa.Column("category_id", sa.BigInteger, nullable=False),
    sa.Column("variant_id", ID, nullable=False),
    sa.Column("lower_sha256", SHA256, nullable=False),
    sa.Column("higher_sha256", SHA256, nullable=False),
    sa.Column("kinds", sa.String(100), nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("origin", sa.String(16), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("carried_from", ROW_NUMBER, nullable=True),
    sa.Index("decisions_of_variant", "category_id", "variant_id"),
)
"""Append-only: of one variant, pair of contents and set of kinds, the newest row holds."""
