"""${message}"""

import sqlalchemy as sa
from alembic import op

revision = "${up_revision}"
down_revision = ${repr(down_revision)}
rolls = False  # whether processes of the schema before may go on beside it: it only adds


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
