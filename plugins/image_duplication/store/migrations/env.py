"""Run by Alembic: applies the revisions of `versions/` over the connection that the store gives."""

from __future__ import annotations

from alembic import context

from image_duplication.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table="image_duplication_version",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
