"""`matinee vacuum` gives back to the disk what deleted rows have left, on every engine."""

import pytest
import sqlalchemy as sa

from app.cli import commands
from app.config import Settings
from app.storage import open_database

ROWS = 20_000


def test_deleted_rows_are_gone_from_the_files(
    engine_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = open_database(engine_settings)
    insert = sa.text("INSERT INTO users (id, name, name_key, created_at) VALUES (:id, :name, :name, 1)")
    with database.write() as connection:
        connection.execute(insert, [{"id": n, "name": f"{n} " + "x" * 100} for n in range(ROWS)])
    with database.write() as connection:
        connection.execute(sa.text("DELETE FROM users WHERE id > 7"))
    full = database.size()
    database.close()
    for name, value in engine_settings.to_environment().items():
        monkeypatch.setenv(name, value)
    assert commands.main(["vacuum"]) == 0
    assert "The database took" in capsys.readouterr().out
    database = open_database(engine_settings)
    assert database.size() < full - ROWS * 100
    with database.write() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM users")).scalar_one() == 8
        connection.execute(insert, {"id": 9, "name": "later"})
    database.close()
