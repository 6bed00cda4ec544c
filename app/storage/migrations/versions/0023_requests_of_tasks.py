"""A task knows the request that started it, and the span of that in a trace; totals over all tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    for name in ("request_id", "traceparent"):
        op.add_column("tasks", sa.Column(name, sa.Text))
    op.create_table(
        "task_totals",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("figure", sa.Text, primary_key=True),
        sa.Column("label", sa.Text, primary_key=True),
        sa.Column("value", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
