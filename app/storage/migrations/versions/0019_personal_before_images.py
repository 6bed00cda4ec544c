"""What marks and waiting rows were before an import or a merge changed them, for its undo."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "personal_before_images",
        sa.Column("import_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("noun", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("row", sa.JSON),
        sqlite_with_rowid=False,
    )
