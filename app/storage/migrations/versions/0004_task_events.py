"""The timeline of tasks, their workers and their retries; how many ratings have changed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("tasks", sa.Column("rate", sa.Double))
    op.add_column("tasks", sa.Column("worker", sa.Text))
    op.add_column("tasks", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("not_before", sa.Double, nullable=False, server_default="0"))
    op.create_table(
        "task_events",
        sa.Column("number", Key, primary_key=True, autoincrement=True),
        sa.Column("task_seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_index("ix_task_events_task_seq_number", "task_events", ["task_seq", "number"])
    op.add_column("models", sa.Column("rating_changes", sa.BigInteger, nullable=False, server_default="0"))
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    op.bulk_insert(counters, [{"name": f"ratings_changed_{slot}", "value": 0} for slot in range(16)])
