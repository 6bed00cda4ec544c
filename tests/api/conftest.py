"""Fixtures of the tests of the API."""

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from tests.house import House


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    """A service with its door open."""
    house = House(settings)
    yield house
    house.service.close()


@pytest.fixture
def built(client: TestClient, run_tasks: Callable[[], None]) -> TestClient:
    """The application with the sample imported and a model built."""
    client.post("/imports")
    client.post("/recommender/rebuild")
    run_tasks()
    return client
