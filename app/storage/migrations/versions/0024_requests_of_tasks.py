"""A task knows the request that started it, and the span of that in a trace."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0021"


def upgrade() -> None:
    for name in ("request_id", "traceparent"):
        op.add_column("tasks", sa.Column(name, sa.Text))
