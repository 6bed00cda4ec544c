"""The version of the catalogue, and how often movie counts were settled."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"


def upgrade() -> None:
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    # A random start: a client that kept an ETag of another database never meets it again here.
    first = secrets.randbelow(2**48)
    op.bulk_insert(counters, [{"name": "catalogue", "value": first}, {"name": "counts_settled", "value": 0}])
