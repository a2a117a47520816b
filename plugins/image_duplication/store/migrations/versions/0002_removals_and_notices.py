"""Removals, what became of their rows, and notices to sellers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EXACT: Any = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    """Make the tables of removals and notices."""
    op.create_table(
        "removals",
        sa.Column("removal_id", sa.String(255), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("manifest_rows", sa.BigInteger, nullable=False),
        sa.Column("asked_confirmation", sa.String(255), nullable=True),
        sa.Column("proposed_by", sa.String(255), nullable=False),
        sa.Column("proposed_at", _TIME, nullable=False),
        sa.Column("decided_by", sa.String(255), nullable=True),
        sa.Column("decided_at", _TIME, nullable=True),
        sa.Column("decision_note", sa.Text, nullable=True),
        sa.Column("typed_confirmation", sa.String(255), nullable=True),
        sa.Column("applying_since", _TIME, nullable=True),
        sa.Column("applied_at", _TIME, nullable=True),
        sa.Column("restored_by", sa.String(255), nullable=True),
        sa.Column("restored_at", _TIME, nullable=True),
        sa.Column("restore_note", sa.Text, nullable=True),
        **_EXACT,
    )
    op.create_table(
        "removal_rows",
        sa.Column("removal_id", sa.String(255), primary_key=True),
        sa.Column("manifest_row", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("category_id", sa.BigInteger, nullable=False),
        sa.Column("variant_id", sa.String(255), nullable=False),
        sa.Column("image_id", sa.String(255), nullable=True),
        sa.Column("row_key", sa.String(255), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason_code", sa.String(32), nullable=True),
        sa.Column("changed_at", _TIME, nullable=False),
        **_EXACT,
    )
    op.create_index("removal_rows_of_row_key", "removal_rows", ["row_key"])
    op.create_table(
        "notices",
        sa.Column("notice_id", _ROW_NUMBER, primary_key=True, autoincrement=True),
        sa.Column("category_id", sa.BigInteger, nullable=False),
        sa.Column("variant_id", sa.String(255), nullable=False),
        sa.Column("seller_id", sa.String(255), nullable=True),
        sa.Column("noticed_at", _TIME, nullable=False),
        sa.Column("settled_at", _TIME, nullable=True),
        **_EXACT,
    )
    op.create_index("notices_of_variant", "notices", ["category_id", "variant_id"])


def downgrade() -> None:
    """Remove them, with all that is in them."""
    for table in ("notices", "removal_rows", "removals"):
        op.drop_table(table)
