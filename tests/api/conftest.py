"""Fixtures of the tests of the API."""

from collections.abc import Iterator

import pytest

from app.config import Settings
from tests.house import House


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    """A service with its door open."""
    house = House(settings)
    yield house
    house.service.close()
