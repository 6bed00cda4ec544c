"""Which store the files of the database are in."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
rolls = True


def upgrade() -> None:
    op.create_table(
        "stores",
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("is_marked", sa.Boolean, nullable=False),
    )
