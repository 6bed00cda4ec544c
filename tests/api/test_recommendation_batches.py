"""Recommendations for many users in one request."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from app.api.movie_lists import BatchAnswer
from app.repository import movies
from app.sample import FIRST_USER

PATH = "/recommendations/batch"
USERS = [FIRST_USER + 3, 424_242, FIRST_USER, FIRST_USER + 3]


def of_one(client: TestClient, user: int, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"/users/{user}/recommendations?{query}").json()
    return {"user_id": user, "source": answer["source"], "recommendations": answer["recommendations"]}


def test_each_user_gets_what_they_get_alone_in_the_order_asked_for(built: TestClient) -> None:
    wish = {"limit": 4, "genre": "sci-fi", "year_from": 1970, "exclude": [2571], "diversity": 0.3}
    answer = built.post(PATH, json={"user_ids": USERS, "reasons": True, **wish})
    BatchAnswer.model_validate_json(answer.content, extra="forbid")
    query = "limit=4&genre=sci-fi&year_from=1970&exclude=2571&diversity=0.3"
    alone = [of_one(built, user, query) for user in USERS]
    assert answer.json() == {"model_version": 1, "users": alone}
    assert {row["source"] for row in alone} == {"personal", "popular"}


def test_reasons_are_left_out_unless_asked_for(built: TestClient) -> None:
    alone = [of_one(built, user, "limit=5") for user in USERS]
    assert alone[0]["recommendations"][0]["because"]
    for row in alone:
        row["recommendations"] = [listed | {"because": []} for listed in row["recommendations"]]
    assert built.post(PATH, json={"user_ids": USERS, "limit": 5}).json()["users"] == alone


def test_the_filters_are_looked_up_once_for_all(built: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    real = movies.matching_ids

    def count(connection: Connection, **filters: Any) -> list[int]:
        asked.append(filters)
        return real(connection, **filters)

    monkeypatch.setattr(movies, "matching_ids", count)
    users = list(range(FIRST_USER, FIRST_USER + 20))
    answer = built.post(PATH, json={"user_ids": users, "genre": "Drama"}).json()["users"]
    assert [row["source"] for row in answer] == ["personal"] * 20
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"user_ids": []}, "#/user_ids"),
        ({"user_ids": list(range(101))}, "#/user_ids"),
        ({"user_ids": [1, -1]}, "#/user_ids/1"),
        ({"user_ids": [True]}, "#/user_ids/0"),
        ({"user_ids": [2**63]}, "#/user_ids/0"),
        ({"user_ids": [1], "limit": 101}, "#/limit"),
        ({"user_ids": [1], "limit": "3"}, "#/limit"),
        ({"user_ids": [1], "reasons": 1}, "#/reasons"),
        ({"user_ids": [1], "user_id": 1}, "#/user_id"),
        ({}, "#/user_ids"),
    ],
)
def test_a_bad_batch_is_refused_whole(client: TestClient, body: dict[str, Any], pointer: str) -> None:
    answer = client.post(PATH, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
