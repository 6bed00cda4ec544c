"""Whether others may have a list of recommendations made that is for a person too."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("users", sa.Column("together", sa.Boolean, nullable=False, server_default=sa.false()))
