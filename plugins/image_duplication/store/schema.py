"""The tables of the store as the code uses them; `migrations/` is how a database comes to them."""

from __future__ import annotations

from typing import Any

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

REMOVALS = sa.Table(
    "removals",
    METADATA,
    sa.Column("removal_id", ID, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("manifest_sha256", SHA256, nullable=False),
    sa.Column("manifest_rows", sa.BigInteger, nullable=False),
    sa.Column("asked_confirmation", ID, nullable=True),
    sa.Column("proposed_by", ID, nullable=False),
    sa.Column("proposed_at", TIME, nullable=False),
    sa.Column("decided_by", ID, nullable=True),
    sa.Column("decided_at", TIME, nullable=True),
    sa.Column("decision_note", sa.Text, nullable=True),
    sa.Column("typed_confirmation", ID, nullable=True),
    sa.Column("applying_since", TIME, nullable=True),
    sa.Column("applied_at", TIME, nullable=True),
    sa.Column("restored_by", ID, nullable=True),
    sa.Column("restored_at", TIME, nullable=True),
    sa.Column("restore_note", sa.Text, nullable=True),
)
"""One removal each: its state, and who has brought it there."""

REMOVAL_ROWS = sa.Table(
    "removal_rows",
    METADATA,
    sa.Column("removal_id", ID, primary_key=True),
    sa.Column("manifest_row", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("category_id", sa.BigInteger, nullable=False),
    sa.Column("variant_id", ID, nullable=False),
    sa.Column("image_id", ID, nullable=True),
    sa.Column("row_key", ID, nullable=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason_code", sa.String(32), nullable=True),
    sa.Column("changed_at", TIME, nullable=False),
    sa.Index("removal_rows_of_row_key", "row_key"),
)
"""What became of the rows of a manifest, by their place in it; one that is not here waits.

`row_key` is the key of the source's row that was deactivated.
"""

NOTICES = sa.Table(
    "notices",
    METADATA,
    sa.Column("notice_id", ROW_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("category_id", sa.BigInteger, nullable=False),
    sa.Column("variant_id", ID, nullable=False),
    sa.Column("seller_id", ID, nullable=True),
    sa.Column("noticed_at", TIME, nullable=False),
    sa.Column("settled_at", TIME, nullable=True),
    sa.Index("notices_of_variant", "category_id", "variant_id"),
)
"""Sellers who were told that a variant shows too few pictures; settled once it shows enough."""


def _standing_columns() -> list[sa.Column[Any]]:
    """How a category stands after a run; `by_kind` is JSON, findings by kind."""
    return [
        sa.Column("planned_at", TIME, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        *(
            sa.Column(count, sa.BigInteger, nullable=False)
            for count in (
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
        ),
        sa.Column("by_kind", sa.Text, nullable=False),
    ]


CATEGORY_STANDINGS = sa.Table(
    "category_standings",
    METADATA,
    sa.Column("category_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("run_id", ID, nullable=False),
    *_standing_columns(),
)
"""One row per category, of the newest run that published it."""

CATEGORY_HISTORY = sa.Table(
    "category_history",
    METADATA,
    sa.Column("category_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("run_id", ID, primary_key=True),
    *_standing_columns(),
    sa.Index("category_history_of_run", "run_id"),
    sa.Index("category_history_by_time", "planned_at"),
)
"""The same after every run, for trends."""

RUN_SUMMARIES = sa.Table(
    "run_summaries",
    METADATA,
    sa.Column("run_id", ID, primary_key=True),
    sa.Column("planned_at", TIME, nullable=False),
    sa.Column("recording", sa.BigInteger, nullable=False),
    sa.Column("scope", sa.String(16), nullable=False),
    *(
        sa.Column(count, sa.BigInteger, nullable=False)
        for count in (
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
    ),
    sa.Column("by_kind", sa.Text, nullable=False),
    sa.Index("run_summaries_by_time", "planned_at"),
)
"""What each run did, and from `categories` on how the whole catalogue stood after it.

`recording` counts the runs in the order in which they were first recorded.
"""
