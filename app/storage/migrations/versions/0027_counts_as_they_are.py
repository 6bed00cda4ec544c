"""PostgreSQL keeps pending changes of counts as they are: compressing takes longer than writing."""

from alembic import op

revision = "0027"
down_revision = "0026"
rolls = True


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE count_changes ALTER COLUMN changes SET STORAGE EXTERNAL")
