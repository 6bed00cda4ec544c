"""The answer to the first request under an idempotency key, for requests that start no task too."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

keys = sa.table(
    "idempotency_keys",
    *(sa.column(name) for name in ("scope", "key", "task_id", "status", "body")),
    sa.column("headers", sa.JSON),
)


def upgrade() -> None:
    with op.batch_alter_table("idempotency_keys") as table:
        table.alter_column("task_id", existing_type=sa.Text, nullable=True)
        table.add_column(sa.Column("status", sa.Integer))
        table.add_column(sa.Column("headers", sa.JSON))
        table.add_column(sa.Column("body", sa.Text))
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    _fill()


def _fill() -> None:
    """Every key so far has started a task, and its answer follows from that."""
    connection = op.get_bind()
    rows = connection.execute(sa.select(keys.c.scope, keys.c.key, keys.c.task_id)).all()
    where = (keys.c.scope == sa.bindparam("of_scope"), keys.c.key == sa.bindparam("of_key"))
    names = ("status", "headers", "body")
    update = keys.update().where(*where).values({name: sa.bindparam(f"new_{name}") for name in names})
    if rows:
        connection.execute(update, [_answer(*row) for row in rows])


def _answer(scope: str, key: str, task_id: str) -> dict[str, object]:
    resource = "/recommender/rebuild" if scope == "POST /recommender/rebuild" else "/imports"
    return {
        "of_scope": scope,
        "of_key": key,
        "new_status": 202,
        "new_headers": {"Location": f"{resource}/{task_id}", "Retry-After": "1"},
        "new_body": f'{{"task_id":"{task_id}","status":"queued"}}',
    }
