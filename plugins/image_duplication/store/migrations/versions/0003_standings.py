"""How runs and categories stood, for overviews and trends."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_EXACT: Any = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def _standing_columns() -> list[sa.Column[Any]]:
    counts = (
        "variants",
        "compliant",
        "short",
        "undecided",
        "findings",
        "related",
        "new",
        "repeated",
        "resolved",
        "units_failed",
        "units_degraded",
    )
    return [
        sa.Column("planned_at", _TIME, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        *(sa.Column(count, sa.BigInteger, nullable=False) for count in counts),
        sa.Column("by_kind", sa.Text, nullable=False),
    ]


def upgrade() -> None:
    """Make the tables of standings; runs from here on fill them."""
    op.create_table(
        "category_standings",
        sa.Column("category_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("run_id", sa.String(255), nullable=False),
        *_standing_columns(),
        **_EXACT,
    )
    op.create_table(
        "category_history",
        sa.Column("category_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("run_id", sa.String(255), primary_key=True),
        *_standing_columns(),
        **_EXACT,
    )
    op.create_index("category_history_of_run", "category_history", ["run_id"])
    op.create_index("category_history_by_time", "category_history", ["planned_at"])
    counts = (
        "variants_judged",
        "new",
        "repeated",
        "resolved",
        "units_failed",
        "categories_failed",
        "categories",
        "variants",
        "compliant",
        "short",
        "undecided",
        "findings",
    )
    op.create_table(
        "run_summaries",
        sa.Column("run_id", sa.String(255), primary_key=True),
        sa.Column("planned_at", _TIME, nullable=False),
        sa.Column("recording", sa.BigInteger, nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        *(sa.Column(count, sa.BigInteger, nullable=False) for count in counts),
        sa.Column("by_kind", sa.Text, nullable=False),
        **_EXACT,
    )
    op.create_index("run_summaries_by_time", "run_summaries", ["planned_at"])


def downgrade() -> None:
    """Remove them, with all that is in them."""
    for table in ("run_summaries", "category_history", "category_standings"):
        op.drop_table(table)
