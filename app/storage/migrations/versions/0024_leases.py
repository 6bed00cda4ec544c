"""A task at work has a lane and a lease, and no lane has two."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
rolls = False


def upgrade() -> None:
    op.add_column("tasks", sa.Column("lane", sa.Text))
    op.add_column("tasks", sa.Column("leased_until", sa.Double))
    at_work = sa.text("status IN ('running', 'cancelling')")
    op.create_index(
        "ix_tasks_lane", "tasks", ["lane"], unique=True, sqlite_where=at_work, postgresql_where=at_work
    )
