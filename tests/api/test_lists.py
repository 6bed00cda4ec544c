"""Every list that grows comes in pages by limit and cursor, whole and in order."""

import time

import pytest
from fastapi.testclient import TestClient

from app.repository import accounts, api_keys, audit, tasks, users
from app.repository.api_keys import ApiKey
from app.service import Service
from app.user import Role

KEYS = {
    "/accounts": "user_id",
    "/audit": "number",
    "/imports": "task_id",
    "/keys": "prefix",
    "/movies": "id",
    "/tasks": "task_id",
    "/users": "id",
}


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """Five of everything; two keys were made at one time."""
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    with service.database.write() as connection:
        for n in range(5):
            user = users.create(connection, f"P {n}", now=float(n))
            accounts.add(connection, user.id, Role.VIEWER, None, now=float(n))
            key = ApiKey(f"matinee_{9 - n}", "k", user.id, Role.VIEWER, None, float(n // 2), None, None)
            api_keys.add(connection, key, f"digest {n}")
            tasks.create(connection, "import_ratings", {}, now=time.time())
            audit.add(connection, "action", f"/{n}", now=float(n))
        tasks.create(connection, "rebuild_model", {}, now=time.time())
    return client


@pytest.mark.parametrize("path", KEYS)
def test_pages_are_the_list(filled: TestClient, path: str) -> None:
    whole = [item[KEYS[path]] for item in filled.get(f"{path}?limit=1000").json()]
    assert len(whole) >= 5
    paged, url, pages = [], f"{path}?limit=2", 0
    while url:
        answer = filled.get(url)
        assert len(answer.json()) <= 2
        paged += [item[KEYS[path]] for item in answer.json()]
        url, pages = answer.links.get("next", {}).get("url", ""), pages + 1
    assert paged == whole
    assert pages >= 3
    for query in ("limit=0", "limit=1001", "cursor=x", "cursor=WyJhIl0", "cursor=W05hTiwiYSJd"):
        assert filled.get(f"{path}?{query}").status_code in (400, 422)


def test_keys_are_in_the_order_of_their_making(filled: TestClient) -> None:
    assert [key["prefix"][-1] for key in filled.get("/keys").json()] == ["8", "9", "6", "7", "5"]


def test_imports_are_the_tasks_of_that_kind(filled: TestClient) -> None:
    assert filled.get("/imports").json() == filled.get("/tasks?kind=import_ratings").json()
    assert len(filled.get("/imports?status=queued").json()) == 5
    assert filled.get("/imports?status=failed").json() == []
