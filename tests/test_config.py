"""Settings: read from the environment, passed on to child processes, documented."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings, table
from app.errors import ConfigurationError

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"


def test_every_setting_is_documented_as_it_is() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("|")] == list(table())


def test_a_child_process_reads_the_same_settings() -> None:
    settings = Settings(
        data_dir=Path("x"), embedded_worker=False, max_body=7, database_url="postgresql://h/d"
    )
    read = Settings.from_environment(settings.to_environment())
    assert read == Settings(Path("x").absolute(), "postgresql://h/d", embedded_worker=False, max_body=7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("EMBEDDED_WORKER", "maybe"),
        ("SHUTDOWN_GRACE", "soon"),
        ("SHUTDOWN_GRACE", "nan"),
        ("FACTORS", "50"),
        ("FACTORS", "0"),
        ("SWEEPS", "0"),
        ("IMPORT_CHUNK", "-1"),
        ("KEEP_TASKS", "0.5"),
        ("LOG_LEVEL", "LOUD"),
        ("REGULARIZATION", "0"),
        ("UNOBSERVED_WEIGHT", "inf"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"MATINEE_{name}.*{value}"):
        Settings.from_environment({f"MATINEE_{name}": value})


def test_every_wrong_value_is_named_with_what_it_takes() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({"MATINEE_FACTORS": "50", "MATINEE_PORT": "-1", "MATINEE_SWEEPS": "9"})
    assert "a multiple of 16 from 16 to 512" in caught.value.detail
    assert "MATINEE_PORT is '-1'; set it to a whole number, from 0 to 65,535" in caught.value.detail
    assert "SWEEPS" not in caught.value.detail


def test_a_setting_is_checked_wherever_it_comes_from() -> None:
    for wrong in ({"factors": 50}, {"log_level": "LOUD"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            replace(Settings(), **wrong)


def test_every_number_has_a_range() -> None:
    rows = [line.split(" | ") for line in list(table())[2:]]
    numbers = [row for row in rows if row[1].strip("`").replace(".", "", 1).isdigit()]
    assert len(numbers) > 10
    assert [row[0] for row in numbers if not row[2].startswith(("from", "above", "a multiple"))] == []


def test_a_misspelt_variable_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    known = {"MATINEE_URL": "x", "MATINEE_TOKEN": "x", "MATINEE_TEST_KILLS": "1", "PATH": "x"}
    for _ in range(2):
        Settings.from_environment(known | {"MATINEE_FACTOR": "32"})
    (record,) = caplog.records
    assert "MATINEE_FACTOR is no setting" in record.getMessage()
    assert "Did you mean MATINEE_FACTORS?" in record.getMessage()
    Settings.from_environment({"MATINEE_SWEEP": "1"}, warn=False)
    assert len(caplog.records) == 1
