"""A row that waits is found by each name in its title, as "Solaris (Solyaris)"; it gets new keys."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
rolls = False


def upgrade() -> None:
    for name in ("second_key", "third_key"):
        op.add_column("waiting", sa.Column(name, sa.Text))
        op.create_index(f"ix_waiting_{name}", "waiting", [name])
    op.execute("UPDATE waiting SET search_key = NULL WHERE title LIKE '%(%'")
