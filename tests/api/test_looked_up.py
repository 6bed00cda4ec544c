"""Movies by their ids, and one rating under the address of its user."""

import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.storage.schema import links

PATH = "/users/7/ratings/1"


def linked(client: TestClient, movie_id: int, imdb_id: int | None, tmdb_id: int | None) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    with service.database.write() as connection:
        connection.execute(sa.delete(links).where(links.c.movie_id == movie_id))
        row = {"movie_id": movie_id, "imdb_id": imdb_id, "tmdb_id": tmdb_id}
        connection.execute(links.insert().values(row))


def ids(client: TestClient, query: str) -> list[int]:
    answer = client.get(f"/movies?{query}")
    assert answer.status_code == 200, answer.text
    return [movie["id"] for movie in answer.json()]


def test_movies_come_in_the_order_in_which_their_ids_are_asked_for(client: TestClient) -> None:
    assert ids(client, "ids=6&ids=1&ids=424242&ids=2&ids=1") == [6, 1, 2]
    assert ids(client, "ids=424242") == []
    every = [movie["id"] for movie in client.get("/movies?limit=1000").json()]
    assert len(every) > 50
    asked = "&".join(f"ids={movie_id}" for movie_id in every)
    assert ids(client, asked) == every, "the default of limit cuts nothing"


def test_how_many_and_which_ids_may_be_asked_for(client: TestClient) -> None:
    assert ids(client, "&".join(f"ids={number}" for number in range(1000)))
    wrong = ["&".join(f"ids={number}" for number in range(5000)), "ids=x", "ids=-1", f"ids={2**63}", "ids="]
    wrong += ["ids=1,2", "ids=1&genre=Drama", "ids=1&cursor=x", "ids=1&query=toy", "ids=1&imdb_id=tt0114709"]
    wrong += ["imdb_id=114709", "imdb_id=tt1", "imdb_id=tt0114709%00", "imdb_id=tt01147٠٠", "tmdb_id=x"]
    for query in [*wrong, "tmdb_id=862&year_from=1990", f"imdb_id=tt{'1' * 20}"]:
        assert client.get(f"/movies?{query}").status_code == 422, query
    refused = client.get("/movies?ids=1&genre=Drama").json()
    assert refused["errors"] == [{"detail": "goes with no ids", "parameter": "genre"}]


def test_a_movie_is_found_by_its_ids_elsewhere(client: TestClient) -> None:
    linked(client, 1, 114709, 862)
    linked(client, 2, 113497, 8844)
    linked(client, 6, 12345678, None)
    assert ids(client, "imdb_id=tt0114709") == ids(client, "tmdb_id=862") == [1]
    assert ids(client, "imdb_id=tt12345678") == [6]
    assert ids(client, "imdb_id=tt0114709&tmdb_id=862") == [1]
    assert ids(client, "imdb_id=tt0114709&tmdb_id=8844") == ids(client, "tmdb_id=1") == []
    assert client.get("/movies?tmdb_id=862").json()[0]["imdb_id"] == "tt0114709"


def test_a_rating_is_put_read_and_taken_back_under_its_address(client: TestClient) -> None:
    assert client.get(PATH).status_code == 404
    first = client.put(PATH, json={"score": 4})
    assert (first.status_code, first.json()["score"]) == (201, 4.0)
    again = client.put(PATH, json={"score": 4.5})
    assert (again.status_code, again.json().keys()) == (200, {"user_id", "movie_id", "score", "rated_at"})
    read = client.get(PATH)
    assert read.json() == again.json() == client.get("/ratings?user_id=7").json()[0]
    assert client.get(PATH, headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
    assert client.get("/movies/1").json()["mean_score"] == 4.5
    assert client.delete(PATH).status_code == 204
    for answer in (client.delete(PATH), client.get(PATH)):
        assert (answer.status_code, answer.json()["detail"]) == (404, "User 7 has not rated movie 1.")
    assert client.get("/movies/1").json()["rating_count"] == 0


def test_what_cannot_be_put_as_a_rating(client: TestClient) -> None:
    for body in ({}, {"score": "4"}, {"score": 4.2}, {"score": True}, {"score": 4, "user_id": 8}, [4], None):
        assert client.put(PATH, json=body).status_code == 422, body
    for path in ("/users/7/ratings/x", f"/users/7/ratings/{2**63}", "/users/-1/ratings/1"):
        assert client.put(path, json={"score": 4}).status_code == 422, path
    for method in ("PUT", "GET", "DELETE"):
        body = {"score": 4} if method == "PUT" else None
        answer = client.request(method, "/users/7/ratings/424242", json=body)
        assert (answer.status_code, "There is no movie 424242" in answer.json()["detail"]) == (404, True)
    assert client.get("/ratings").json() == []
