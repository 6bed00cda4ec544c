"""Where a task resumes is its checkpoint; a cursor is a place in a list."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("ALTER TABLE tasks RENAME COLUMN cursor TO checkpoint")
