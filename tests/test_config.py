"""Settings: read from the environment, told to child processes, documented."""

from dataclasses import fields
from pathlib import Path

import pytest

from app.config import PREFIX, Settings
from app.errors import ConfigurationError

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"


def documented() -> list[str]:
    rows = [
        (f"`{PREFIX}{row.name.upper()}`", _shown(row.default), row.metadata["unit"], row.metadata["meaning"])
        for row in fields(Settings)
    ]
    return [f"| {' | '.join(row)} |" for row in rows]


def _shown(default: object) -> str:
    text = {True: "on", False: "off"}[default] if isinstance(default, bool) else str(default)
    return f"`{text}`" if text else "-"


def test_every_setting_is_documented_as_it_is() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("| `")] == documented()


def test_a_child_process_reads_the_same_settings() -> None:
    settings = Settings(
        data_dir=Path("x"), embedded_worker=False, max_body=7, database_url="postgresql://h/d"
    )
    read = Settings.from_environment(settings.to_environment())
    assert read == Settings(Path("x").absolute(), "postgresql://h/d", embedded_worker=False, max_body=7)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("EMBEDDED_WORKER", "maybe"), ("SHUTDOWN_GRACE", "soon")]
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"MATINEE_{name}.*{value}"):
        Settings.from_environment({f"MATINEE_{name}": value})
