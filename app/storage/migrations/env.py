"""Run by Alembic: the connection comes from `Database.migrate`, inside its write transaction."""

from alembic import context

from app.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False
)
context.run_migrations()
