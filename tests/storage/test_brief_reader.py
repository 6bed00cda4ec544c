"""The connection by which the event loop reads: what takes long is ended, and nothing else."""

import pytest
import sqlalchemy as sa

from app import brief
from app.config import Settings
from app.storage import brief_reader, open_database

SHORT = "SELECT 1"
LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i) FROM n"


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with much to do a short reading may take long; what follows would go to threads."""
    monkeypatch.setattr(brief, "SLOW", 60)


def test_short_readings_are_never_ended_however_many_there_are(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite counts the steps of a statement over all its runs, those of ROLLBACK too."""
    monkeypatch.setattr(brief_reader, "STEPS", 40)
    database = open_database(settings)

    def read() -> int:
        with database.read() as connection:
            return int(connection.exec_driver_sql(SHORT).scalar_one())

    assert [brief.attempt(read) for _ in range(300)] == [1] * 300
    database.close()


def test_a_long_reading_is_ended_and_the_next_one_is_not(settings: Settings) -> None:
    database = open_database(settings)

    def read(query: str) -> int:
        with database.read() as connection:
            return int(connection.execute(sa.text(query)).scalar_one())

    for _ in range(3):
        with pytest.raises(brief.TooLong):
            brief.attempt(lambda: read(LONG))
        assert brief.attempt(lambda: read(SHORT)) == 1
    database.close()
