"""Ratings over HTTP."""

import time

import pytest
from fastapi.testclient import TestClient

MAX = 2**63 - 1


def rate(client: TestClient, movie: int = 1, user: int = 7, score: float = 5) -> int:
    answer = client.post("/ratings", json={"movie_id": movie, "user_id": user, "score": score})
    return int(answer.status_code)


def test_a_second_rating_replaces_the_first(client: TestClient) -> None:
    assert rate(client, score=5) == 201
    assert rate(client, score=0.5) == 200
    (rating,) = client.get("/ratings?user_id=7").json()
    assert (rating["movie_id"], rating["user_id"], rating["score"]) == (1, 7, 0.5)
    movie = client.get("/movies/1").json()
    assert (movie["rating_count"], movie["mean_score"]) == (1, 0.5)


def test_a_rating_is_taken_back_once(client: TestClient) -> None:
    rate(client)
    assert client.delete("/ratings/7/1").status_code == 204
    assert client.delete("/ratings/7/1").status_code == 404
    assert client.get("/movies/1").json()["rating_count"] == 0


def test_the_time_of_a_rating_is_now(client: TestClient) -> None:
    rate(client)
    rated_at = client.get("/ratings?user_id=7").json()[0]["rated_at"]
    assert rated_at.startswith(time.strftime("%Y-%m-%dT", time.gmtime()))


@pytest.mark.parametrize("score", [0, 5.5, 3.25, -1, "good", None, 1e308, True and "4,5"])
def test_a_score_off_the_scale_is_refused(client: TestClient, score: object) -> None:
    answer = client.post("/ratings", json={"movie_id": 1, "user_id": 7, "score": score})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/score"


def test_nan_and_broken_json_are_refused(client: TestClient) -> None:
    for text in ('{"movie_id": 1, "user_id": 7, "score": NaN}', '{"movie_id": 1,', "", "[]", "\x00"):
        answer = client.post("/ratings", content=text, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, text
        assert answer.json()["type"] == "urn:matinee:invalid"
    assert client.get("/ratings").json() == []


def test_a_rating_of_an_unknown_movie_is_refused(client: TestClient) -> None:
    answer = client.post("/ratings", json={"movie_id": 424242, "user_id": 7, "score": 5})
    assert answer.status_code == 404
    assert "POST /movies" in answer.json()["detail"]
    assert client.get("/ratings").json() == []


def test_ids_reach_to_the_end_of_64_bits(client: TestClient) -> None:
    assert rate(client, user=MAX) == 201
    assert rate(client, user=MAX + 1) == 422
    assert rate(client, user=-1) == 422
    assert client.get(f"/ratings?user_id={MAX}").json()[0]["user_id"] == MAX


def test_ratings_are_paged(client: TestClient) -> None:
    for user in (1, 2, 3):
        for movie in (1, 2):
            rate(client, movie, user)
    seen, url = [], "/ratings?limit=2"
    while url:
        answer = client.get(url)
        seen += [(r["user_id"], r["movie_id"]) for r in answer.json()]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == [(u, m) for u in (1, 2, 3) for m in (1, 2)]
    assert len(client.get("/ratings?movie_id=2").json()) == 3
