"""Releases after this one: the same code with one more migration, which rolls or needs a stop."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.storage import revisions

NUMBER = "9001"
MIGRATION = '''"""One more column."""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"
rolls = {rolls}


def upgrade() -> None:
    op.add_column("users", sa.Column("colour", sa.Text))
'''


def later_release(folder: Path, *, rolls: bool) -> Path:
    """The folder of its migrations."""
    if not folder.exists():
        shutil.copytree(revisions.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        text = MIGRATION.format(number=NUMBER, before=revisions.head_revision(), rolls=rolls)
        (folder / "versions" / f"{NUMBER}_one_more_column.py").write_text(text)
    return folder


@contextmanager
def running(migrations: Path) -> Iterator[None]:
    """What is opened in this context is opened by the release with these migrations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revisions, "MIGRATIONS", migrations)
        yield
