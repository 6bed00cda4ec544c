"""The table of totals over all tasks."""

import sqlalchemy as sa

from app.storage.schema import metadata

task_totals = sa.Table(  # over all tasks there ever were
    "task_totals",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("figure", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    sqlite_with_rowid=False,
)
