"""A model knows how many people had been forgotten when its ratings were read."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("models", sa.Column("forgotten", sa.BigInteger, nullable=False, server_default="0"))
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    op.bulk_insert(counters, [{"name": "people_forgotten", "value": 0}])
