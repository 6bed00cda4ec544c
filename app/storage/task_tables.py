"""The tables beside that of the tasks: their timeline, and totals over all of them."""

import sqlalchemy as sa

from app.storage.schema import Key, metadata

task_events = sa.Table(
    "task_events",
    metadata,
    sa.Column("number", Key, primary_key=True, autoincrement=True),
    sa.Column("task_seq", sa.BigInteger, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("type", sa.Text, nullable=False),  # status, progress, log
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index(None, "task_seq", "number"),
    sqlite_autoincrement=True,
)

task_totals = sa.Table(  # over all tasks there ever were
    "task_totals",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("figure", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    sqlite_with_rowid=False,
)
