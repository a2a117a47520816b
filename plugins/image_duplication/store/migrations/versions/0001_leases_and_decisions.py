"""Leases of categories, and reviewers' decisions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

# Written out, not imported: a revision stays as it was when the code's tables change.
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EXACT: Any = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
"""Ids that differ by case or accent alone are different ids."""


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "leases",
        sa.Column("category_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        **_EXACT,
    )
    op.create_table(
        "lease_holders",
        sa.Column("category_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("run_id", sa.String(255), primary_key=True),
        **_EXACT,
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", _ROW_NUMBER, primary_key=True, autoincrement=True),
        sa.Column("decided_at", _TIME, nullable=False),
        sa.Column("decided_by", sa.String(255), nullable=False),
        sa.Column("category_id", sa.BigInteger, nullable=False),
        sa.Column("variant_id", sa.String(255), nullable=False),
        sa.Column("lower_sha256", sa.String(64), nullable=False),
        sa.Column("higher_sha256", sa.String(64), nullable=False),
        sa.Column("kinds", sa.String(100), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("carried_from", _ROW_NUMBER, nullable=True),
        **_EXACT,
    )
    op.create_index("decisions_of_variant", "decisions", ["category_id", "variant_id"])


def downgrade() -> None:
    """Remove them, with all that is in them."""
    for table in ("decisions", "lease_holders", "leases"):
        op.drop_table(table)
